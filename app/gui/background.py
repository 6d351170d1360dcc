"""Work that takes longer than a frame, done one after the other in a thread of its own.

A plain Python thread and not a ``QThreadPool``: a Python call made in a thread that Qt owns leaves
a dummy entry in ``threading.enumerate()`` for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.errors import AppError
from app.gui.bridge import Bridge
from app.gui.crashes import sentence_for

log = logging.getLogger(__name__)

T = TypeVar("T")


def _nothing(_: object) -> None:
    pass


class Background(QObject):
    """Runs callables in order; their results come back in the window's thread."""

    _finished = Signal(object)

    def __init__(self, name: str, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._pending = 0
        self._open = True
        # Queued: quick work may have ended before its callback is added, here in this thread.
        self._finished.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether something was given and its result did not come back yet."""
        return self._pending > 0

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] = _nothing,
        failed: Callable[[AppError], None] = _nothing,
    ) -> None:
        """Do ``work`` later; then ``done(result)`` or ``failed(error)`` in the window's thread.

        Anything but an ``AppError`` is a bug and goes to the bridge.
        """
        if not self._open:
            return
        self._pending += 1
        future = self._pool.submit(work)
        future.add_done_callback(lambda ended: self._tell(ended, done, failed))

    def finish(self, work: Callable[[], T]) -> T:
        """Do ``work`` after what was given before, and wait for it."""
        return self._pool.submit(work).result()

    def close(self) -> None:
        """Wait for what is being done; the rest, and results that still come back, are dropped."""
        self._open = False
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _tell(
        self, ended: Future[T], done: Callable[[T], None], failed: Callable[[AppError], None]
    ) -> None:
        if ended.cancelled():  # closed before its turn
            return
        problem = ended.exception()
        if problem is None:
            self._finished.emit(lambda: done(ended.result()))
        elif isinstance(problem, AppError):
            self._finished.emit(lambda: failed(problem))
        else:
            log.critical("background work failed", exc_info=problem)
            self._bridge.report_crash(sentence_for(problem))
            self._finished.emit(lambda: None)

    @Slot(object)
    def _deliver(self, deliver: Callable[[], None]) -> None:
        self._pending -= 1
        if self._open:
            deliver()
