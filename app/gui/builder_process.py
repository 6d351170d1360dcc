"""The building of engines, in a process of its own: it may crash or hang, the window goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QProcess, QTimer, Signal

_PATIENCE_MS = 5_000  # from asking it to end to ending it
_SILENT_MS = 60_000  # without a word, after which the window says so


@dataclass(frozen=True)
class BuildStep:
    """How far it is; ``share`` 0 to 1, times in seconds."""

    model: str
    number: int
    count: int
    stage: str
    share: float
    elapsed_s: float
    remaining_s: float | None


@dataclass(frozen=True)
class BuildEnd:
    """How it ended: ``sentence`` says it; ``lines`` are one for each engine."""

    ok: bool
    sentence: str
    lines: tuple[str, ...] = ()


class BuilderProcess(QObject):
    """Runs ``command``, which prints JSON lines as ``build_engines.py --events`` does."""

    stepped = Signal(object)  # BuildStep
    silent = Signal()  # no word for a minute; it may have hung
    ended = Signal(object)  # BuildEnd; once

    def __init__(
        self, command: Sequence[str], parent: QObject | None = None, *, silent_ms: int = _SILENT_MS
    ) -> None:
        super().__init__(parent)
        self._command = list(command)
        self._report: dict[str, Any] | None = None
        self._cancelled = self._done = False
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(lambda *_: self._end())
        self._process.errorOccurred.connect(self._failed)
        self._kill_timer = self._timer(_PATIENCE_MS, self._process.kill)
        self._silence = self._timer(silent_ms, self.silent.emit)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Begin; returns at once."""
        self._silence.start()
        self._process.start(self._command[0], self._command[1:])

    def cancel(self) -> None:
        """Ask it to end; it is ended where it does not. Finished engines stay."""
        if self.running:
            self._cancelled = True
            self._process.terminate()  # does nothing to a program without a window on Windows
            self._kill_timer.start()

    def close(self) -> None:
        """End it now; for a window that closes. Files appear whole, so nothing is left half."""
        self._done = True
        if self.running:
            self._process.kill()
            self._process.waitForFinished(_PATIENCE_MS)

    def _timer(self, length_ms: int, act: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(length_ms)
        timer.timeout.connect(act)
        return timer

    def _read(self) -> None:
        while self._process.canReadLine():
            line = bytes(self._process.readLine().data())
            self._silence.start()
            try:
                document = json.loads(line)
                kind = document.pop("event")
            except (ValueError, AttributeError, KeyError):
                continue  # a library's own words
            if kind == "report":
                self._report = document
            elif kind == "progress":
                try:
                    step = BuildStep(**document)
                except TypeError:
                    continue
                self.stepped.emit(step)

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._finish(BuildEnd(False, "The builder could not be started."))

    def _end(self) -> None:
        self._read()
        status = self._process.exitStatus()
        if self._cancelled:
            end = BuildEnd(False, "Cancelled. What was finished before is kept.")
        elif self._report is not None:
            end = _told(self._report)
        elif status == QProcess.ExitStatus.CrashExit:
            end = BuildEnd(False, "The builder crashed. The networks run as before.")
        else:
            words = bytes(self._process.readAllStandardError().data()).decode(errors="replace")
            last = next((line for line in reversed(words.splitlines()) if line.strip()), "")
            end = BuildEnd(False, last.partition("omokage: ")[2] or last or "The builder failed.")
        self._finish(end)

    def _finish(self, end: BuildEnd) -> None:
        self._kill_timer.stop()
        self._silence.stop()
        if not self._done:
            self._done = True
            self.ended.emit(end)


def _told(report: dict[str, Any]) -> BuildEnd:
    lines, good = [], 0
    engines = report.get("engines", [])
    for engine in engines:
        name = str(engine.get("model", "")).replace("_", " ")
        if engine.get("check") == "passed":
            good += 1
            kept = engine.get("kept_float")
            precision = str(engine.get("precision", "")).upper()
            how = f"{precision}, {kept} in FP32" if kept else precision
            lines.append(f"{name}: {how}")
        else:
            lines.append(f"{name}: not used, {engine.get('sentence')}")
    if good == len(engines) and engines:
        return BuildEnd(True, "All engines are built and gave the right answers.", tuple(lines))
    return BuildEnd(good > 0, f"{good} of {len(engines)} engines can be used.", tuple(lines))
