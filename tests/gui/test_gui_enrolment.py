"""Only me: enrol before the camera, be told, delete; and the chip says what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.enrolment import WANTED, Enrolments
from app.frame import Frame
from app.gui.background import Background
from app.gui.bridge import Bridge
from app.gui.enrolment import LONGEST_S, EnrolmentDesk, EnrolmentPanel
from app.gui.state_chip import words_for
from app.pipeline import Processed
from app.session import State
from app.stages.privacy import Reason, Showing
from tests.gui.desk import Desk
from tests.gui.fakes import DEMO_INFO, FakeSession
from tests.helpers.colour_engines import MeanRecognizer, colour_engines


class Room:
    """The panel and its desk on a fake session, with the real store."""

    def __init__(self, folder: Path) -> None:
        self.bridge = Bridge()
        self.session = FakeSession(self.bridge)
        self.background = Background("enrolment", self.bridge)
        engines = replace(colour_engines(), recognizer=MeanRecognizer(), recognizer_sha256="a")  # type: ignore[arg-type]
        self.store = Enrolments(folder / "me.npz", engines)
        self.panel = EnrolmentPanel()
        self.desk = EnrolmentDesk(self.panel, self.store, self.session, self.background)  # type: ignore[arg-type]
        self.only_me: list[bool] = []
        self.problems: list[str] = []
        self.desk.only_me.connect(self.only_me.append)
        self.desk.problem.connect(lambda problem: self.problems.append(problem.sentence))

    def show(self, at: float, *, face: bool = True) -> None:
        """A frame of the camera, looked at before the next one comes."""
        pixels = np.full((240, 320, 3), 90, np.uint8)
        if face:
            pixels[60:160, 100:200] = (0, 0, 255)
        frame = Frame(pixels, 0, at)
        self.desk.offer(Processed(frame, frame, (), 0))


@pytest.fixture
def room(qtbot: QtBot, tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    qtbot.addWidget(made.panel)
    yield made
    made.background.close()


def test_enrol_and_delete(room: Room, qtbot: QtBot) -> None:
    room.panel.enrol.click()
    assert room.panel.enrol.text() == "Cancel"
    for n in range(WANTED):
        room.show(n)
        qtbot.waitUntil(lambda: not room.background.busy)
    qtbot.waitUntil(lambda: room.only_me == [True])
    assert room.session.wishes.me is not None
    assert room.session.wishes.me.shape == (WANTED, 3)
    assert "Enrolled on" in room.panel.words.text()
    room.panel.delete.click()
    qtbot.waitUntil(lambda: room.only_me == [True, False])
    assert room.session.wishes.me is None
    assert room.store.load() is None


def test_the_demo_s_person_is_not_enrolled(room: Room) -> None:
    room.session.set_status(state=State.RUNNING, source=DEMO_INFO)
    room.panel.enrol.click()
    assert room.problems == ["The demo's person is not you."]
    assert room.panel.enrol.text() == "Enrol my face"
    room.session.set_status(source=replace(DEMO_INFO, name="demo.mp4"))
    room.panel.enrol.click()
    assert room.panel.enrol.text() == "Cancel"


def test_what_is_kept_is_used_from_the_start(room: Room, qtbot: QtBot) -> None:
    room.store.save(np.eye(2, 3, dtype=np.float32))
    room.desk.begin()
    qtbot.waitUntil(lambda: room.desk.enrolled)
    assert room.session.wishes.me is not None
    assert room.only_me == []  # it does not change who is swapped


def test_nobody_before_the_camera(room: Room, qtbot: QtBot) -> None:
    room.panel.enrol.click()
    room.show(0, face=False)
    qtbot.waitUntil(lambda: "no face" in room.panel.words.text())
    room.show(LONGEST_S + 1, face=False)
    assert room.problems == ["Your face was not seen well enough to enrol it."]
    assert room.panel.enrol.text() == "Enrol my face"


def test_cancel(room: Room, qtbot: QtBot) -> None:
    room.panel.enrol.click()
    room.panel.enrol.click()
    room.show(0)
    assert not room.background.busy
    assert room.panel.enrol.text() == "Enrol my face"


@pytest.mark.parametrize("showing", list(Showing))
def test_the_chip_has_a_word_for_every_state(desk: Desk, qtbot: QtBot, showing: Showing) -> None:
    desk.session.set_status(state=State.RUNNING, showing=showing, reason=Reason.LOST)
    desk.window.refresh()
    words = words_for(desk.session.status())
    assert words is not None
    assert desk.window.state_chip.text() == f"● {words[1]}"
    assert desk.window.state_chip.isVisible()
    desk.session.set_status(panicked=True)
    desk.window.refresh()
    assert desk.window.state_chip.text() == "● HIDDEN · by you"
    desk.session.set_status(state=State.IDLE, panicked=False)
    desk.window.refresh()
    assert not desk.window.state_chip.isVisible()
