"""Engines built beside the running picture, by a process of its own, and used under it."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.automatic_build import AutomaticBuild, BuildStatus, Stage
from app.engine_builder import NICENESS, BuilderProcess, BuildStep, EngineBuild
from engines.memory import Memory

WAIT_S = 120
STEP = {
    "event": "progress",
    "model": "swapper",
    "number": 1,
    "count": 2,
    "stage": "building",
    "share": 0.4,
    "elapsed_s": 3.0,
    "remaining_s": None,
}
REPORT = {
    "event": "report",
    "engines": [
        {"model": "swapper", "check": "failed", "sentence": "other answers: 12 dB."},
        {"model": "detector", "check": "passed", "precision": "fp16", "kept_float": ""},
    ],
}
MODELS = {"swapper": "card | runtime 1 | swapper abc", "detector": "card | runtime 1 | det def"}


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "engines.json")


@dataclass
class Program:
    """A small program in the builder's place, which notes each time it was started."""

    folder: Path

    def offer(self, *lines: object, then: str = "", models: dict[str, str] = MODELS) -> EngineBuild:
        """It prints ``lines`` and does ``then``."""
        body = "".join(f"print({json.dumps(line)!r}, flush=True)\n" for line in lines)
        noted = f"open({str(self.folder / 'started')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
        path = self.folder / "builder.py"
        path.write_text(f"import os, sys, time\n{noted}\n{body}{then}\n", encoding="utf-8")
        return EngineBuild("RTX 3060", (sys.executable, str(path)), self.adopt, models)

    def adopt(self) -> list[str]:
        """Moves nothing."""
        return []

    @property
    def starts(self) -> list[str]:
        """The words of each start."""
        file = self.folder / "started"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def _run(offer: EngineBuild | None, memory: Memory) -> AutomaticBuild:
    automatic = AutomaticBuild(offer, memory)
    automatic.run(threading.Event())
    return automatic


def test_what_failed_is_said_once_and_not_tried_at_the_next_start(
    program: Program, memory: Memory
) -> None:
    status = _run(program.offer(STEP, REPORT), memory).status
    assert status.stage is Stage.FAILED
    assert status.sentence.startswith("Swapper: other answers: 12 dB. Tried again")
    again = _run(program.offer(STEP, REPORT), memory)
    assert again.wanted  # the detector's was not to blame
    assert program.starts == ["--model swapper --model detector", "--model detector"]
    left = AutomaticBuild(program.offer(models={"swapper": MODELS["swapper"]}), memory)
    assert not left.wanted
    left.run(threading.Event())
    assert left.status.stage is Stage.WAITING
    assert len(program.starts) == 2
    newer = {"swapper": MODELS["swapper"].replace("runtime 1", "runtime 2")}
    assert AutomaticBuild(program.offer(models=newer), memory).wanted


@pytest.mark.parametrize(
    ("lines", "then", "words", "left"),
    [
        ((STEP,), "os.abort()", "The builder crashed", {"detector"}),
        ((), "os.abort()", "The builder crashed", set()),
        ((), "sys.exit('omokage: The folder cannot be written.')", "cannot be written", set()),
    ],
    ids=["crash", "crash at once", "sentence"],
)
def test_what_a_crash_came_to_is_not_tried_again(
    program: Program,
    memory: Memory,
    lines: tuple[object, ...],
    then: str,
    words: str,
    left: set[str],
) -> None:
    status = _run(program.offer(*lines, then=then), memory).status
    assert status.stage is Stage.FAILED
    assert words in status.sentence
    after = AutomaticBuild(program.offer(), memory)
    assert set(after._models) == left


def test_a_stop_before_it_starts_and_no_offer_do_nothing(program: Program, memory: Memory) -> None:
    stop = threading.Event()
    stop.set()
    AutomaticBuild(program.offer(REPORT), memory).run(stop)
    closed = AutomaticBuild(program.offer(REPORT), memory)
    closed.close()
    closed.run(threading.Event())
    _run(None, memory)
    assert program.starts == []


def test_one_that_was_ended_from_outside_blames_nobody(program: Program, memory: Memory) -> None:
    """As when the user logs off, and the system ends the processes in any order."""
    offer = program.offer(STEP, {"event": "cancelled"}, then="sys.exit('omokage: Cancelled.')")
    assert _run(offer, memory).status == BuildStatus()
    assert set(AutomaticBuild(offer, memory)._models) == set(MODELS)


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_it_can_be_ended_and_blames_nobody(program: Program, memory: Memory, how: str) -> None:
    offer = program.offer(STEP, then="time.sleep(600)")
    automatic = AutomaticBuild(offer, memory)
    running = threading.Thread(target=automatic.run, args=(threading.Event(),))
    running.start()
    told = threading.Event()
    while automatic.status.step is None:
        assert running.is_alive()
        told.wait(0.01)
    assert automatic.status.stage is Stage.BUILDING
    assert automatic.status.step.share == 0.4
    getattr(automatic, how)()
    running.join(WAIT_S)
    assert not running.is_alive()
    assert (automatic.status.stage is Stage.CANCELLED) == (how == "cancel")
    automatic.cancel()
    automatic.close()
    assert AutomaticBuild(offer, memory).wanted


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are classes there")
def test_the_process_lets_everything_else_come_first(program: Program) -> None:
    offer = program.offer(
        then="mine = lambda: os.getpriority(os.PRIO_PROCESS, 0)\n"
        "while mine() == os.getpriority(os.PRIO_PROCESS, os.getppid()): time.sleep(0.01)\n"
        "step = " + repr(STEP | {"number": 0}) + "\nimport json\n"
        "step['number'] = mine()\nprint(json.dumps(step), flush=True)"
    )
    steps: list[BuildStep] = []
    BuilderProcess(offer.command).run(steps.append)
    lower = min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)
    assert [step.number for step in steps] == [lower]
