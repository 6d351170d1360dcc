"""Frames and pixel work for tests of two frames under way on the emulated device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.frame import Frame
from app.pixel_work.on_device import DeviceWork
from app.settings import Settings
from tests.helpers.device_scene import Scene, picture
from tests.helpers.emulated_device import EmulatedDriver

SHAPES = ((240, 320), (160, 224))
LIVE = Settings(mirror=False)


@contextmanager
def on_device(scene: Scene, seed: int = 0, slots: int = 2) -> Iterator[DeviceWork]:
    driver = EmulatedDriver(seed)
    work = scene.work(driver, slots=slots)
    yield work
    work.close()
    driver.close()


def seen(index: int, *, there: bool = True, shape: tuple[int, int] = SHAPES[0]) -> Frame:
    """A room that differs from frame to frame, with a face (bright blue) or without."""
    pixels = picture(*shape, seed=1) // 2
    pixels[..., 0] //= 4  # what is a little blue may be a face to the tiny detector
    if there:
        x = 120 + 2 * (index % 8)
        pixels[64:80, x : x + 16] = (255, 0, 0)
    pixels[:4, :4] = index
    return Frame(pixels, index, index / 30)
