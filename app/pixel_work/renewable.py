"""Pixel work that moves to another place under the running picture."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from app.errors import EngineError
from app.frame import Pixels
from app.pixel_work.contract import Canvas, PixelWork, Place
from app.stages.track import FaceFinder
from engines.detector import Box, Detection

# What opens pixel work and puts on the stack what closes it; ``EngineError`` where it cannot be.
OpenWork = Callable[[contextlib.ExitStack], PixelWork]

_log = logging.getLogger(__name__)


class RenewableWork:
    """Does what ``work`` does, until ``renew`` finds a better one with ``reopen``.

    The next frame is opened there; frames under way end where they began, and what they need is
    freed after them. ``renew`` is called beside the picture, everything else by its thread.
    ``closing`` frees ``work``.
    """

    def __init__(self, work: PixelWork, closing: contextlib.ExitStack, reopen: OpenWork) -> None:
        self._work, self._closing, self._reopen = work, closing, reopen
        self._lock = threading.Lock()  # guards the two below
        self._next: tuple[PixelWork, contextlib.ExitStack] | None = None
        self._closed = False
        self._left: contextlib.ExitStack | None = None  # what the last frame of before may need
        self.finder: FaceFinder = _Finder(lambda: self._work.finder)

    @property
    def current(self) -> PixelWork:
        """What does it now."""
        return self._work

    @property
    def place(self) -> Place:
        """Where it is done now."""
        return self._work.place

    def renew(self) -> bool:
        """Move to what can be opened now, if its networks are others; whether it will be."""
        opened = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(opened.close)
            try:
                work = self._reopen(opened)
            except EngineError as error:
                _log.info("Pixel work stays on %s: %s", self.place.name, error)
                return False
            if work.place.engine == self.place.engine:
                return False
            with self._lock:
                if self._closed or self._next is not None:
                    return False
                self._next = work, opened
            undo.pop_all()
        return True

    def open(self, seen: Pixels) -> Canvas:
        """Start on a frame, in the new place where there is one."""
        left, self._left = self._left, None
        if left is not None:  # the frame that was under way has ended by now
            try:
                left.close()
            except EngineError as error:  # the picture is elsewhere already
                _log.warning("what did the pixel work before was not freed: %s", error)
        with self._lock:
            found, self._next = self._next, None
        if found is not None:
            self._left = self._closing
            self._work, self._closing = found
        return self._work.open(seen)

    def keep(self, track_ids: set[int]) -> None:
        """Forget the light of all other faces."""
        self._work.keep(track_ids)

    def reset(self) -> None:
        """Forget all faces."""
        self._work.reset()

    def close(self) -> None:
        """Free whatever was opened; may be called twice."""
        with self._lock:
            self._closed = True
            found, self._next = self._next, None
        with contextlib.ExitStack() as all_of_it:
            all_of_it.push(self._closing)
            if self._left is not None:
                all_of_it.push(self._left)
            if found is not None:
                all_of_it.push(found[1])


class _Finder:
    """The finder of the work that is current when a face is looked for."""

    def __init__(self, current: Callable[[], FaceFinder]) -> None:
        self._current = current

    def detect(self, picture: Pixels, threshold: float, *, size: int = 320) -> list[Detection]:
        """All faces, best first."""
        return self._current().detect(picture, threshold, size=size)

    def detect_near(
        self, picture: Pixels, box: Box, threshold: float, *, stretch: float = 1.0
    ) -> Detection | None:
        """The face about where ``box`` was, looked for in a place shown so many times as wide."""
        return self._current().detect_near(picture, box, threshold, stretch=stretch)
