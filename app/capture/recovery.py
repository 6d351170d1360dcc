"""A camera or stream that may go away and come back."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.capture.source import Source, SourceAway, SourceInfo
from app.errors import CaptureError
from app.frame import Frame

PAUSE_S = 0.25  # between two looks for a camera that is away


class Recovering:
    """Reads what ``opener`` opened; where that is away, what ``reopen`` opens, as soon as it does.

    The first opening may raise ``CaptureError``. Later ``read`` raises ``SourceAway`` as long as
    the source is away, waiting ``pause_s`` between tries; ``reopen`` (``opener`` where it is None)
    raises ``CaptureError`` until then. Other errors of the source end it, as without this class.
    Frames are counted on over all openings.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        reopen: Callable[[], Source] | None = None,
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._reopen = reopen or opener
        self._pause_s = pause_s
        self._closing = threading.Event()
        self._lock = threading.Lock()  # between a reopening and a close
        self._source: Source | None = opener()
        self._info = self._source.info
        self._next = 0  # index of the next frame
        self._cause: SourceAway | None = None

    @property
    def info(self) -> SourceInfo:
        """What the source gives, or gave before it went away."""
        source = self._source
        if source is not None:
            self._info = source.info
        return self._info

    def read(self) -> Frame | None:
        """The next frame; None once closed; ``SourceAway`` as long as it is away."""
        source = self._source
        if source is None:
            if self._closing.wait(self._pause_s):
                return None
            source = self._opened_again()
            if source is None:
                return None
        try:
            frame = source.read()
        except SourceAway as away:
            self._drop(source)
            if self._closing.is_set():
                return None
            self._cause = away
            raise
        if frame is None:
            return None
        self._next += 1
        return Frame(frame.pixels, self._next - 1, frame.captured_at)

    def close(self) -> None:
        """Give the device back, and stop waiting for one that is away."""
        self._closing.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.close()

    def _opened_again(self) -> Source | None:
        """The source, back; None where it was closed meanwhile."""
        try:
            source = self._reopen()
        except CaptureError as error:
            if self._closing.is_set():
                return None
            cause = self._cause or error
            raise SourceAway(cause.what, cause.remedy) from error
        with self._lock:
            self._source = source
            self._info = source.info
        if self._closing.is_set():
            source.close()
            return None
        return source

    def _drop(self, source: Source) -> None:
        with self._lock:
            self._source = None
            self._info = source.info
        source.close()
