"""The building of engines, in a process of its own: it may crash or hang, the picture goes on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engines.build_progress import Progress

BuildStep: TypeAlias = Progress  # as the builder itself says it
PATIENCE_S = 5.0  # from asking it to end to ending it
NICENESS = 10  # more than our own: the picture comes first
# BELOW_NORMAL_PRIORITY_CLASS and CREATE_NEW_PROCESS_GROUP
_MODEST = 0x4000 | 0x200 if sys.platform == "win32" else 0


@dataclass(frozen=True)
class EngineBuild:
    """What can be built: the GPU's name, the builder's command line, and ``adopt``.

    ``adopt`` moves the running networks to what was built and returns the names of those moved;
    called in another thread, may raise ``AppError``. ``models`` are those to build, each with a
    text that changes where a build that failed may come out otherwise.
    """

    gpu: str
    command: tuple[str, ...]
    adopt: Callable[[], list[str]]
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildEnd:
    """How it ended: ``sentence`` says it; ``lines`` are one for each engine.

    ``failed`` says by model why it has no engine; a build that was ``ended`` before its time blames
    none.
    """

    ok: bool
    sentence: str
    lines: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    ended: bool = False


CANCELLED = BuildEnd(False, "Cancelled. What was finished before is kept.", ended=True)


class BuilderProcess:
    """Runs ``command``, which prints JSON lines as ``build_engines.py --events`` does; once.

    ``run`` belongs to one thread; ``cancel`` and ``close`` may come from any other.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._killer: threading.Timer | None = None
        self._ended = False  # from here

    def run(self, told: Callable[[BuildStep], None]) -> BuildEnd:
        """Start it, pass on its steps, and wait until it has ended."""
        with tempfile.TemporaryFile() as said:
            with self._lock:
                if self._ended:
                    return CANCELLED
                try:
                    self._process = process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=said,
                        creationflags=_MODEST,
                        start_new_session=True,  # a Ctrl-C is for the program, which ends it
                    )
                except OSError:
                    return BuildEnd(False, "The builder could not be started.")
            _step_back(process)
            report, model, cancelled = self._listen(process, told)
            status = process.wait()
            self._forget_killer()
            said.seek(0)
            words = said.read().decode(errors="replace")
        if self._ended or cancelled:
            return CANCELLED
        return _end(status, report, words, model)

    def cancel(self) -> None:
        """Ask it to end; it is ended where it does not. Finished engines stay."""
        with self._lock:
            self._ended = True
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                self._killer = threading.Timer(PATIENCE_S, self._process.kill)
                self._killer.start()

    def close(self) -> None:
        """End it now. Files appear whole, so nothing is left half."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def _listen(
        self, process: subprocess.Popen[bytes], told: Callable[[BuildStep], None]
    ) -> tuple[dict[str, Any] | None, str, bool]:
        """Its report, the model it came to last, and whether somebody else cancelled it."""
        report, model, cancelled = None, "", False
        assert process.stdout is not None, "asked for above"
        with process.stdout:
            for line in process.stdout:
                kind, document = _event(line)
                if kind == "report":
                    report = document
                elif kind == "cancelled":
                    cancelled = True
                elif kind == "progress":
                    with contextlib.suppress(TypeError):
                        step = BuildStep(**document)
                        model = step.model
                        told(step)
        return report, model, cancelled

    def _forget_killer(self) -> None:
        with self._lock:
            killer, self._killer = self._killer, None
        if killer is not None:
            killer.cancel()
            killer.join()


def _step_back(process: subprocess.Popen[bytes]) -> None:
    """Let everything else come first."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # it has ended already
            ours = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, process.pid, min(ours + NICENESS, 19))


def _event(line: bytes) -> tuple[str, dict[str, Any]]:
    """Kind and content of an event; no kind for a library's own words."""
    try:
        document = json.loads(line)
        return str(document.pop("event")), document
    except (ValueError, AttributeError, KeyError, TypeError):
        return "", {}


def _end(status: int, report: dict[str, Any] | None, words: str, model: str) -> BuildEnd:
    if report is not None:
        return _told(report)
    if status < 0 or status > 255:  # a signal; an exception of Windows
        sentence = "The builder crashed. The networks run as before."
    else:
        last = next((line for line in reversed(words.splitlines()) if line.strip()), "")
        sentence = last.partition("omokage: ")[2] or last or "The builder failed."
    return BuildEnd(False, sentence, failed={model: sentence})


def _told(report: dict[str, Any]) -> BuildEnd:
    lines, failed = [], {}
    engines = report.get("engines", [])
    for engine in engines:
        model = str(engine.get("model", ""))
        name = model.replace("_", " ")
        if engine.get("check") == "passed":
            kept = engine.get("kept_float")
            precision = str(engine.get("precision", "")).upper()
            how = f"{precision}, {kept} in FP32" if kept else precision
            lines.append(f"{name}: {how}")
        else:
            failed[model] = str(engine.get("sentence"))
            lines.append(f"{name}: not used, {failed[model]}")
    good = len(engines) - len(failed)
    if good == len(engines) and engines:
        return BuildEnd(True, "All engines are built and gave the right answers.", tuple(lines))
    sentence = f"{good} of {len(engines)} engines can be used."
    return BuildEnd(good > 0, sentence, tuple(lines), failed)
