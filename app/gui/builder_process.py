"""The builder's process for the window: its words and its end come as signals."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from app.engine_builder import BuildEnd, BuilderProcess, BuildStep
from app.worker import Finished, Worker

_SILENT_MS = 60_000  # without a word, after which the window says so


class WatchedBuilder(QObject):
    """Runs ``command`` as ``BuilderProcess`` does, in a thread; signals come in the window's."""

    stepped = Signal(object)  # BuildStep
    silent = Signal()  # no word for a minute; it may have hung
    ended = Signal(object)  # BuildEnd; once, and not after close
    _heard = Signal(object)  # BuildStep, from the thread
    _over = Signal(object)  # BuildEnd, likewise

    def __init__(
        self, command: Sequence[str], parent: QObject | None = None, *, silent_ms: int = _SILENT_MS
    ) -> None:
        super().__init__(parent)
        self._process = BuilderProcess(command)
        self._worker = Worker("builder", self._run, lambda cause: None)
        self.running = False
        self.cancelled = False  # from here, not by the system
        self._silence = QTimer(self)
        self._silence.setSingleShot(True)
        self._silence.setInterval(silent_ms)
        self._silence.timeout.connect(self.silent)
        self._heard.connect(self._step)
        self._over.connect(self._end)

    def start(self) -> None:
        """Begin; returns at once."""
        self.running = True
        self._silence.start()
        self._worker.start()

    def cancel(self) -> None:
        """Ask it to end; it is ended where it does not. Finished engines stay."""
        self.cancelled = True
        self._process.cancel()

    def close(self) -> None:
        """End it now; for a window that closes."""
        self._process.close()
        self._worker.join()
        self._silence.stop()
        self.running = False

    def _run(self) -> None:
        self._over.emit(self._process.run(self._heard.emit))
        raise Finished

    def _step(self, step: BuildStep) -> None:
        self._silence.start()
        self.stepped.emit(step)

    def _end(self, end: BuildEnd) -> None:
        if self.running:
            self.close()
            self.ended.emit(end)
