"""Small real stand-ins: sources, sinks and pipelines that do what they say, and fail on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import numpy as np

from app.capture.source import SourceInfo
from app.errors import CaptureError, SinkError
from app.frame import Frame, Pixels
from app.pipeline import Begun, Processed
from app.settings import Settings
from app.stages.identity import NO_WISHES, Wishes


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Pixels:
    """A smooth colour gradient that video codecs keep well."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [across / width * 200, down / height * 200, np.full_like(down, 40 + seed * 23 % 180)]
    return np.ascontiguousarray(np.stack(planes, axis=2).astype(np.uint8))


class StillSource:
    """The same picture again and again; ends after ``count`` reads or fails after ``fail_after``.

    Waits ``pause_s`` before each frame, which gets its time from ``clock``; the error is a
    ``CaptureError`` unless ``error`` is given.
    """

    def __init__(
        self,
        pixels: Pixels | None = None,
        *,
        count: int | None = None,
        fail_after: int | None = None,
        error: Exception | None = None,
        pause_s: float = 0.001,
        rate: float = 30.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._clock = clock
        self._pixels = picture() if pixels is None else pixels
        self._count, self._fail_after, self._pause_s = count, fail_after, pause_s
        self._error = error or CaptureError("The fake source stopped on purpose.")
        self._closing = threading.Event()
        self.reads = 0
        self.closes = 0
        height, width = self._pixels.shape[:2]
        self.info = SourceInfo("still", width, height, rate, live=count is None, frame_count=count)

    def read(self) -> Frame | None:
        """The next frame."""
        if self._fail_after is not None and self.reads >= self._fail_after:
            raise self._error
        if self._closing.wait(self._pause_s) or self.reads == self._count:
            return None
        self.reads += 1
        return Frame(self._pixels.copy(), self.reads - 1, self._clock())

    def close(self) -> None:
        """Wake a waiting read."""
        self.closes += 1
        self._closing.set()


class ListSink:
    """Keeps the frames; fails with ``SinkError`` after ``fail_after`` of them."""

    closing_s = 0.0

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.name = "list"
        self.frames: list[Frame] = []
        self.state = "open"
        self._fail_after = fail_after

    def write(self, frame: Frame) -> None:
        """Keep one frame."""
        if self.state != "open":
            raise SinkError("The list is closed.")
        if self._fail_after is not None and len(self.frames) >= self._fail_after:
            raise SinkError("The fake sink stopped on purpose.")
        self.frames.append(frame)

    def close(self) -> None:
        """Finish."""
        if self.state == "open":
            self.state = "closed"

    def abort(self) -> None:
        """Give up."""
        if self.state == "open":
            self.frames.clear()
            self.state = "aborted"


class FakePipeline:
    """Gives each frame back; fails after ``fail_after``; ``slow_s`` makes it lose frames."""

    def __init__(
        self,
        *,
        fail_after: int | None = None,
        error: Exception | None = None,
        slow_s: float = 0.0,
    ) -> None:
        self._fail_after, self._slow_s = fail_after, slow_s
        self._error = error or RuntimeError("the fake pipeline failed on purpose")
        self.seen: list[tuple[int, Settings, object]] = []
        self.wishes: Wishes = NO_WISHES  # of the last frame
        self.caught_up: list[int] = []  # the last frame seen, each time
        self.resets = 0

    def process(
        self, frame: Frame, settings: Settings, identity: object, wishes: Wishes = NO_WISHES
    ) -> Processed:
        """The same frame."""
        self.wishes = wishes
        if self._fail_after is not None and len(self.seen) >= self._fail_after:
            raise self._error
        if self._slow_s:
            threading.Event().wait(self._slow_s)
        self.seen.append((frame.index, settings, identity))
        return Processed(frame, frame, (), 0)

    def begin(
        self, frame: Frame, settings: Settings, identity: object, wishes: Wishes = NO_WISHES
    ) -> Begun:
        """Done at once."""
        processed = self.process(frame, settings, identity, wishes)
        return Begun(lambda: processed)

    def catch_up(self) -> None:
        """Noted."""
        self.caught_up.append(self.seen[-1][0])

    def reset(self) -> None:
        """Count the resets."""
        self.resets += 1
