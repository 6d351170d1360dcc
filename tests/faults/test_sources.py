"""Sources that stall, die, change size, give damaged frames, or cannot be closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.errors import CaptureError
from app.frame import Frame
from app.session import FAILED, STOPPED, State
from app.sinks.live_output import STALE
from tests.faults.scene import Scene
from tests.helpers.fakes import StillSource, picture
from tests.helpers.sentences import one_sentence

Build = Callable[..., Scene]

DEATHS = [
    CaptureError("The camera was unplugged.", "Plug it in again."),
    cv2.error("OpenCV(4.13) /io/opencv/modules/x.cpp:1:\n error: (-215:Assertion failed)\n in y"),
    OSError(19, "No such device"),
    MemoryError(),
    ValueError("x" * 100_000),
]


@pytest.mark.parametrize("error", DEATHS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_source_that_dies_ends_the_run_in_one_sentence(
    scene: Build, error: Exception, after: int, tmp_path: Path
) -> None:
    stage = scene()
    stage.session.start_recording(tmp_path / "a.mp4")
    stage.session.start(lambda: StillSource(fail_after=after, error=error, pause_s=0.01))
    stage.failed("unplugged" if error is DEATHS[0] else type(error).__name__)
    stage.shows_slate(FAILED)
    assert stage.session.take_preview(0) is None or after
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["a.mp4"] if after else [])
    one_sentence(stage.session.status().notice)
    stage.session.start(lambda: StillSource(pause_s=0.005))  # and the session is as good as new
    stage.running()
    assert stage.session.status().problem is None


@pytest.mark.parametrize("error", DEATHS, ids=lambda error: type(error).__name__)
def test_a_source_that_does_not_open(scene: Build, error: Exception) -> None:
    def opener() -> StillSource:
        raise error

    stage = scene()
    stage.session.start(opener)
    stage.failed("")
    stage.shows_slate(FAILED)


class Stalling(StillSource):
    """Gives ten frames, then hangs until it is closed."""

    def read(self) -> Frame | None:
        if self.reads == 10:
            self._closing.wait()
            return None
        return super().read()


def test_a_source_that_stalls_shows_the_slate_and_can_be_stopped(scene: Build) -> None:
    stage = scene()
    stage.session.start(Stalling)
    stage.running(1)
    stage.shows_slate(STALE)
    assert stage.session.status().state is State.RUNNING
    stage.session.stop()
    assert stage.session.status().state is State.IDLE
    stage.shows_slate(STOPPED)


class Unclosable(StillSource):
    """A driver that fails while it is given back."""

    def close(self) -> None:
        super().close()
        raise cv2.error("the device is gone")


@pytest.mark.parametrize("fail_after", [None, 5])
def test_a_source_that_cannot_be_closed_ends_all_the_same(
    scene: Build, fail_after: int | None
) -> None:
    stage = scene()
    stage.session.start(lambda: Unclosable(fail_after=fail_after))
    if fail_after is None:
        stage.running()
        stage.session.stop()
        assert stage.session.status().state is State.IDLE
    else:
        stage.failed("on purpose")


class Shifting(StillSource):
    """Another size with every frame."""

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None:
            return None
        sizes = [(64, 48), (1, 1), (640, 360), (3, 301), (301, 3), (48, 64)]
        pixels = picture(*sizes[frame.index % len(sizes)])
        return Frame(pixels, frame.index, frame.captured_at)


def test_a_source_that_changes_size_goes_on(scene: Build, tmp_path: Path) -> None:
    stage = scene()
    stage.session.start(lambda: Shifting(pause_s=0.02))
    stage.running()
    stage.session.start_recording(tmp_path / "a.mp4")
    stage.running(24)
    assert stage.session.stop_recording() == tmp_path / "a.mp4"
    assert stage.session.status().state is State.RUNNING
    with av.open(str(tmp_path / "a.mp4")) as container:
        shapes = {(f.width, f.height) for f in container.decode(video=0)}
    assert len(shapes) == 1


class Damaged(StillSource):
    """Gives arrays that are no picture."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__()
        self._bad = pixels

    def read(self) -> Frame | None:
        frame = super().read()
        if frame is None or self.reads < 5:
            return frame
        return Frame(self._bad, frame.index, frame.captured_at)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.full((48, 64, 3), np.nan, np.float32),
        np.zeros((48, 128, 3), np.uint8)[:, ::2],
    ],
    ids=["empty", "grey", "four channels", "float", "strided"],
)
def test_arrays_that_are_no_picture_never_reach_an_output(scene: Build, pixels: np.ndarray) -> None:
    stage = scene()
    stage.session.start(lambda: Damaged(pixels))
    stage.failed("ValueError")
    stage.shows_slate(FAILED)
