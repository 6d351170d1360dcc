"""Building engines from the window, with a small program in the builder's place."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app import engine_builder
from app.engine_builder import BuildEnd, BuildStep, EngineBuild
from app.gui.builder_process import WatchedBuilder
from app.gui.building import BuildDialog
from tests.gui.desk import Desk, OpenDesk
from tests.gui.fakes import BUILD_STEP as STEP

PASSED = {"model": "swapper", "check": "passed", "precision": "fp16", "kept_float": ""}
MIXED = PASSED | {"model": "detector", "kept_float": "the last quarter"}
WRONG = {"model": "recognizer", "check": "failed", "sentence": "other answers: cosine 0.9"}
Command = Callable[..., tuple[str, ...]]


@pytest.fixture
def program(tmp_path: Path) -> Command:
    """A program that prints the given lines and then does ``then``."""

    def write(*lines: object, then: str = "") -> tuple[str, ...]:
        path = tmp_path / "builder.py"
        said = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        body = "".join(f"print({line!r}, flush=True)\n" for line in said)
        path.write_text(f"import os, sys, time\n{body}{then}\n", encoding="utf-8")
        return (sys.executable, str(path))

    return write


def _report(*engines: dict[str, object]) -> dict[str, object]:
    return {"event": "report", "ok": True, "engines": list(engines)}


def _run(qtbot: QtBot, command: tuple[str, ...]) -> tuple[list[BuildStep], BuildEnd]:
    builder, steps = WatchedBuilder(command), []
    builder.stepped.connect(steps.append)
    with qtbot.waitSignal(builder.ended, timeout=30_000) as ended:
        builder.start()
    assert not builder.running
    return steps, ended.args[0]


def test_steps_and_the_end_are_passed_on(qtbot: QtBot, program: Command) -> None:
    steps, end = _run(qtbot, program("[TRT] words", STEP, _report(PASSED, MIXED)))
    assert [(step.model, step.share) for step in steps] == [("swapper_identity", 0.4)]
    assert end.ok
    assert end.lines == ("swapper: FP16", "detector: FP16, the last quarter in FP32")


def test_an_engine_that_failed_its_check_is_named(qtbot: QtBot, program: Command) -> None:
    _, end = _run(qtbot, program(_report(PASSED, WRONG)))
    assert end.ok
    assert end.sentence == "1 of 2 engines can be used."
    assert end.lines[1] == "recognizer: not used, other answers: cosine 0.9"


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("os.abort()", "crashed"),
        ("sys.exit('omokage: No NVIDIA GPU can be used.')", "No NVIDIA GPU can be used."),
        ("", "The builder failed."),
    ],
)
def test_other_ends_are_a_sentence(qtbot: QtBot, program: Command, then: str, words: str) -> None:
    _, end = _run(qtbot, program(STEP, "{}", '{"event": "progress"}', then=then))
    assert not end.ok
    assert words in end.sentence


def test_a_builder_that_is_not_there_is_a_sentence(qtbot: QtBot, tmp_path: Path) -> None:
    _, end = _run(qtbot, (str(tmp_path / "none"),))
    assert end.sentence == "The builder could not be started."


def test_one_that_hangs_is_said_and_can_be_ended(qtbot: QtBot, program: Command) -> None:
    builder = WatchedBuilder(program(STEP, then="time.sleep(600)"), silent_ms=50)
    dialog = BuildDialog("RTX 3060", builder)
    qtbot.addWidget(dialog)
    dialog.show()
    with qtbot.waitSignal(builder.stepped, timeout=30_000):
        builder.start()
    assert dialog.stage.text() == "Building swapper identity, 2 of 4"
    assert dialog.time.text() == "1 min 1 s, about 8 s left"
    with qtbot.waitSignal(builder.silent, timeout=30_000):
        pass
    assert "may have hung" in dialog.stage.text()
    with qtbot.waitSignal(builder.ended, timeout=30_000):
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        assert dialog.isVisible()
        assert not dialog.button.isEnabled()
    assert dialog.stage.text() == "Cancelled. What was finished before is kept."
    assert dialog.button.text() == "Close"
    dialog.button.click()
    assert not dialog.isVisible()


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be ignored there")
def test_one_that_will_not_end_is_ended(
    qtbot: QtBot, program: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_builder, "PATIENCE_S", 0.05)
    path = Path(program(STEP, then="time.sleep(600)")[1])
    deaf = "import signal\nsignal.signal(15, signal.SIG_IGN)\n"
    path.write_text(deaf + path.read_text(encoding="utf-8"), encoding="utf-8")
    builder = WatchedBuilder((sys.executable, str(path)))
    with qtbot.waitSignal(builder.stepped, timeout=30_000):
        builder.start()
    with qtbot.waitSignal(builder.ended, timeout=30_000) as ended:
        builder.cancel()
    assert ended.args[0].sentence.startswith("Cancelled")


def _desk(open_desk: OpenDesk, command: tuple[str, ...], adopt: Callable[[], list[str]]) -> Desk:
    build = EngineBuild("NVIDIA GeForce RTX 3060", command, adopt)
    return open_desk("Built-in", engine_build=build)


def test_the_offer_builds_and_the_networks_move(
    open_desk: OpenDesk, qtbot: QtBot, program: Command
) -> None:
    moved: list[str] = []

    def adopt() -> list[str]:
        moved.append("swapper")
        return moved

    desk = _desk(open_desk, program(STEP, _report(PASSED)), adopt)
    bar = desk.window.problems
    assert bar.current.sentence == "NVIDIA GeForce RTX 3060 can run the networks faster."
    bar.buttons[0].click()
    dialog = desk.window.build_desk.dialog
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: dialog.button.text() == "Close", timeout=30_000)
    assert dialog.stage.text() == "All engines are built and gave the right answers."
    assert dialog.bar.value() == dialog.bar.maximum()
    qtbot.waitUntil(lambda: moved == ["swapper"])
    dialog.button.click()
    qtbot.waitUntil(lambda: desk.window.build_desk.dialog is None)


def test_a_crash_of_the_builder_leaves_the_window(
    open_desk: OpenDesk, qtbot: QtBot, program: Command
) -> None:
    desk = _desk(open_desk, program(STEP, then="os.abort()"), list)
    desk.window.problems.buttons[0].click()
    dialog = desk.window.build_desk.dialog
    qtbot.waitUntil(lambda: "crashed" in dialog.stage.text(), timeout=30_000)
    assert desk.window.isVisible()


def test_closing_the_window_ends_the_builder(
    open_desk: OpenDesk, qtbot: QtBot, program: Command
) -> None:
    desk = _desk(open_desk, program(STEP, then="time.sleep(600)"), list)
    desk.window.problems.buttons[0].click()
    builder = desk.window.build_desk._builder
    qtbot.waitUntil(lambda: builder.running, timeout=30_000)
    desk.window.close()
    assert not builder.running


def test_without_a_runtime_nothing_is_offered(desk: Desk) -> None:
    assert desk.window.problems.current is None
