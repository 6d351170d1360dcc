"""Engines that are built by themselves, as the window shows it, with a small program as builder."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.automatic_build import AutomaticBuild
from app.engine_builder import EngineBuild
from engines.memory import Memory
from tests.gui.desk import Desk, OpenDesk
from tests.gui.fakes import BUILD_STEP as STEP

WAIT_MS = 60_000
GOOD = {"event": "report", "engines": [{"model": "swapper", "check": "passed"}]}
BAD = {"event": "report", "engines": [{"model": "swapper", "sentence": "other answers: 9 dB"}]}


@dataclass
class Build:
    """A window with a build that begins when the test says so."""

    desk: Desk
    automatic: AutomaticBuild
    moved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self.automatic.run, args=(threading.Event(),))


Start = Callable[..., Build]


@pytest.fixture
def start(open_desk: OpenDesk, tmp_path: Path) -> Iterator[Start]:
    builds: list[Build] = []

    def begin(*lines: object, then: str = "") -> Build:
        body = "".join(f"print({json.dumps(line)!r}, flush=True)\n" for line in lines)
        path = tmp_path / "builder.py"
        path.write_text(f"import time\n{body}{then}\n", encoding="utf-8")
        moved: list[str] = []

        def adopt() -> list[str]:
            moved.append("swapper")
            return moved

        command = (sys.executable, str(path))
        offer = EngineBuild("NVIDIA GeForce RTX 3060", command, adopt, {"swapper": "key"})
        automatic = AutomaticBuild(offer, Memory(tmp_path / "engines.json"))
        desk = open_desk("Built-in", engine_build=offer, automatic_build=automatic)
        build = Build(desk, automatic, moved)
        builds.append(build)
        return build

    yield begin
    for build in builds:
        build.automatic.close()
        if build.thread.ident is not None:
            build.thread.join()


def test_it_is_seen_and_can_be_cancelled_for_good(start: Start, qtbot: QtBot) -> None:
    build = start(STEP, then="time.sleep(600)")
    window = build.desk.window
    chip = window.status_line.building
    assert window.problems.current is None
    assert not chip.isVisible()
    build.thread.start()
    qtbot.waitUntil(lambda: "left" in chip.text.text(), timeout=WAIT_MS)
    assert chip.isVisible()
    assert chip.text.text() == "Building engines 40 %, 8 s left"
    assert chip.toolTip().startswith(
        "Building swapper identity, 2 of 4; 1 min 1 s, about 8 s left\n"
    )
    chip.button.click()
    assert not chip.isVisible()
    assert not build.desk.settings.engines.build_automatically
    qtbot.waitUntil(lambda: not build.desk.saved.engines.build_automatically, timeout=WAIT_MS)
    assert window.problems.current.details == "They are not built unasked any more."
    build.thread.join()
    assert build.moved == []
    window.problems.buttons[0].click()  # by hand: wanted again
    assert build.desk.settings.engines.build_automatically
    assert window.build_desk.dialog.isVisible()
    window.build_desk.dialog.button.click()  # and again not
    qtbot.waitUntil(lambda: not build.desk.settings.engines.build_automatically, timeout=WAIT_MS)


def test_one_that_the_system_ended_is_built_again_next_time(start: Start, qtbot: QtBot) -> None:
    build = start(STEP, {"event": "cancelled"})
    desk = build.desk.window.build_desk
    desk.build()
    dialog = desk.dialog
    qtbot.waitUntil(lambda: dialog.stage.text().startswith("Cancelled"), timeout=WAIT_MS)
    assert build.desk.settings.engines.build_automatically


def test_its_end_takes_it_away(start: Start, qtbot: QtBot) -> None:
    build = start(STEP, GOOD)
    build.thread.start()
    build.thread.join()
    assert build.moved == ["swapper"]
    build.desk.window.refresh()
    assert not build.desk.window.status_line.building.isVisible()
    assert build.desk.window.problems.current is None
    assert build.desk.settings.engines.build_automatically


def test_a_failure_is_one_sentence_and_said_once(start: Start, qtbot: QtBot) -> None:
    build = start(STEP, BAD)
    build.thread.start()
    build.thread.join()
    window = build.desk.window
    window.refresh()
    said = window.problems.current
    assert said.sentence.startswith("Swapper: other answers: 9 dB. Tried again when")
    assert said.calm
    assert [button.text() for button in window.problems.buttons] == ["Try again"]
    window.problems.dismiss()
    window.refresh()
    assert window.problems.current is None


def test_what_failed_at_an_earlier_start_is_offered_only(start: Start, qtbot: QtBot) -> None:
    first = start(STEP, BAD)
    first.thread.start()
    first.thread.join()
    build = start(STEP, GOOD)
    assert not build.automatic.wanted
    offer = build.desk.window.problems.current
    assert offer.sentence == "NVIDIA GeForce RTX 3060 can run the networks faster."
    build.thread.start()
