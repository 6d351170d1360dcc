"""What only a card can show; prints its figures in lines that start with ``gpu:``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.pixel_work.on_device import DeviceCanvas
from engines.device import compiling
from engines.device.cuda_driver import CudaDriver
from engines.device.pinned_pool import PinnedPool
from engines.device.slots import Ring, Slot, Streams
from engines.errors import EngineError
from tests.helpers.device_scene import BADGE, SETTINGS, face, open_scene, picture

pytestmark = pytest.mark.gpu
SHAPE = (1080, 1920, 3)
FRAMES = 200


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[CudaDriver]:
    try:
        made = CudaDriver(tmp_path)
    except EngineError as error:
        pytest.skip(str(error))
    yield made
    made.close()


Tell = Callable[[str], None]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Write a line to the terminal, captured or not."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\ngpu: {text}\n")

    return write


def test_the_card_is_told(driver: CudaDriver, tell: Tell) -> None:
    major, minor = driver.capability
    target = compiling.architecture(major, minor)
    tell(f"{driver.name}, {major}.{minor} ({target}), CUDA {driver.version}")
    assert driver.name


@pytest.mark.parametrize("slots", [1, 2])
def test_frames_come_down_as_they_went_up(driver: CudaDriver, slots: int, tell: Tell) -> None:
    streams, pool = Streams(driver), PinnedPool(driver)
    ring = Ring(driver, streams, pool, SHAPE, slots)
    frames = []
    for number in range(3):
        frames.append(pool.take(SHAPE))
        frames[-1][...] = np.random.default_rng(number).integers(0, 256, SHAPE, np.uint8)
    under_way: list[tuple[int, Slot]] = []
    start = time.perf_counter()
    for number in range(FRAMES):
        if len(under_way) == slots:
            of, slot = under_way.pop(0)
            out = ring.collect(slot)
            if of % 20 == 0:
                assert np.array_equal(out, frames[of % 3])
        slot = ring.fill(frames[number % 3])
        ring.send(slot)
        under_way.append((number, slot))
    for _, slot in under_way:
        ring.collect(slot)
    each = 1000 * (time.perf_counter() - start) / FRAMES
    tell(f"1080p up and down, {slots} slot(s): {each:.3f} ms a frame")
    ring.close()
    pool.close()


def test_pixel_work_without_networks_to_speak_of(
    driver: CudaDriver, tmp_path: Path, tell: Tell
) -> None:
    """The tests' network goes to the host and back; what is printed is an upper bound."""
    scene = open_scene(tmp_path / "models")
    work = scene.work(driver)
    times = []
    for number in range(40):
        canvas = work.open(picture(1080, 1920, seed=number % 2))
        assert isinstance(canvas, DeviceCanvas)
        start = time.perf_counter()
        canvas.swap(face(900, 500, 300), SETTINGS, scene.identity())
        canvas.finished(BADGE)
        times.append(1000 * (time.perf_counter() - start))
    tell(f"1080p, one face, upload over: {np.median(times[10:]):.3f} ms to the finished frame")
    assert work.problem is None
    work.close()
    scene.close()
