"""The one crossing from the session's threads into Qt: two coalesced signals and one for bugs."""

from __future__ import annotations

import threading

from PySide6.QtCore import QObject, Signal


class Bridge(QObject):
    """Turns calls from any thread into signals in the window's thread.

    ``ready``: a processed frame waits to be taken; ``changed``: the session's status changed;
    ``crashed``: a bug, as one sentence; ``interrupted``: Ctrl-C. Calls made before the window has
    answered are one signal.
    """

    ready = Signal()
    changed = Signal()
    crashed = Signal(str)
    interrupted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._waiting: set[str] = set()

    def notify_preview(self) -> None:
        """A new frame is there; from any thread."""
        if self._first("ready"):
            self.ready.emit()

    def notify_change(self) -> None:
        """The session's status changed; from any thread."""
        if self._first("changed"):
            self.changed.emit()

    def report_crash(self, sentence: str) -> None:
        """A bug ended something; shown once, from any thread."""
        if self._first("crashed"):
            self.crashed.emit(sentence)

    def interrupt(self) -> None:
        """Ctrl-C or a polite kill: the window is to close as if the user had closed it."""
        if self._first("interrupted"):
            self.interrupted.emit()

    def answered(self, name: str) -> None:
        """The window acted on signal ``name``; the next call raises it again."""
        with self._lock:
            self._waiting.discard(name)

    def _first(self, name: str) -> bool:
        with self._lock:
            first = name not in self._waiting
            self._waiting.add(name)
        return first
