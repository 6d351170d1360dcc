"""What every source keeps to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import app.capture.demo as demo
from app.capture.camera import Camera
from app.capture.clip import Clip
from app.capture.source import Source
from app.capture.still import Still
from app.frame import Frame
from app.settings import CaptureSettings
from tests.helpers.clips import write_clip
from tests.helpers.fakes import StillSource, picture


class EndlessDevice:
    """A camera that always gives the same picture, 50 times a second."""

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, object]:
        time.sleep(0.02)
        return True, picture()

    def get(self, code: int, /) -> float:
        return 50.0

    def set(self, code: int, value: float, /) -> bool:
        return True

    def release(self) -> None:
        pass


@pytest.fixture(params=["fake", "still", "clip", "clip fast", "loop", "camera", "demo"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    def clip(**options: bool) -> Clip:
        return Clip(write_clip(tmp_path / "a.mp4", frames=8), **options)

    makers: dict[str, Callable[[], Source]] = {
        "fake": StillSource,
        "still": lambda: Still(picture(), "still"),
        "clip": clip,
        "clip fast": lambda: clip(realtime=False),
        "loop": lambda: clip(loop=True),
        "camera": lambda: Camera("Cam", EndlessDevice(), CaptureSettings()),
        "demo": demo.Demo,
    }
    return makers[request.param]()


def test_frames_are_as_info_says_and_go_on(source: Source) -> None:
    frames: list[Frame] = []
    for _ in range(5):
        start = time.monotonic()
        frame = source.read()
        assert time.monotonic() - start < 0.6
        assert frame is not None
        frames.append(frame)
    info = source.info
    assert info.name
    assert info.rate > 0
    for frame in frames:
        assert frame.pixels.shape == (info.height, info.width, 3)
        assert not frame.pixels.flags.writeable
    indices = [frame.index for frame in frames]
    times = [frame.captured_at for frame in frames]
    assert indices == sorted(set(indices))
    assert times == sorted(times)
    if info.live:
        assert abs(times[-1] - time.monotonic()) < 0.5
    source.close()


def test_close_ends_reading_and_may_be_repeated(source: Source) -> None:
    source.close()
    source.close()
    assert source.read() is None


def test_close_from_another_thread(source: Source) -> None:
    def read() -> None:
        while source.read() is not None:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    source.close()
    reader.join(2)
    assert not reader.is_alive()


def test_still_reads_a_picture_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    still = Still.open(tmp_path / "a.png", realtime=False)
    frames = [still.read() for _ in range(3)]
    still.close()
    assert [frame.captured_at for frame in frames if frame] == [0, 1 / 30, 2 / 30]
    np.testing.assert_array_equal(frames[0].pixels, picture())
