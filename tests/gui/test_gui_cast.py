"""Each person their own face: chips, gallery, settings, session, scenes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from app.gui.consent_dialog import Consent
from app.gui.face_tile import PEOPLE
from app.gui.intake import Intake
from app.provenance.consent import Basis
from app.settings import Settings, with_value
from tests.gui.desk import Desk, OpenDesk
from tests.gui.fakes import source_face


def click_face(desk: Desk, face_id: str) -> None:
    faces = desk.window.gallery.list
    place = faces.visualRect(faces.faces.index(faces.faces.row_of(face_id))).center()
    QTest.mouseClick(faces.viewport(), Qt.MouseButton.LeftButton, pos=place)


def further(desk: Desk) -> list[str]:
    return [identity.face_id for identity in desk.session.wishes.further]


def shown(desk: Desk) -> list[tuple[str, bool]]:
    return [(chip.text(), chip.isChecked()) for chip in desk.window.cast_desk._strip.chips]


def people(desk: Desk) -> dict[str, str]:
    """Whose number is on which tile."""
    faces = desk.window.gallery.list.faces
    rows = [faces.index(row) for row in range(faces.rowCount())]
    numbers = {row.data(faces.FACE).face_id: row.data(PEOPLE) for row in rows}
    return {face_id: number for face_id, number in numbers.items() if number}


def test_a_second_person_gets_a_face_of_their_own(desk: Desk, qtbot: QtBot) -> None:
    strip = desk.window.cast_desk._strip
    assert shown(desk) == []
    assert strip.add.text() == " Second person"
    click_face(desk, "bruno")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "bruno")
    strip.add.click()
    assert desk.settings.detector.faces == "each"
    qtbot.waitUntil(lambda: further(desk) == ["aoi"])  # the first that nobody has
    assert shown(desk) == [("1  Bruno", False), ("2  Aoi", True)]
    assert people(desk) == {"bruno": "1", "aoi": "2"}
    click_face(desk, "dalia")
    qtbot.waitUntil(lambda: further(desk) == ["dalia"])
    assert desk.session.identity.face_id == "bruno"
    assert desk.settings.further_faces == "dalia"
    strip.chips[0].click()
    assert shown(desk) == [("1  Bruno", True), ("2  Dalia", False)]
    assert desk.window.gallery.list.currentIndex().data() == "Bruno"
    click_face(desk, "emil")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "emil")
    assert further(desk) == ["dalia"]
    assert shown(desk) == [("1  Emil", True), ("2  Dalia", False)]
    strip.remove.click()
    qtbot.waitUntil(lambda: further(desk) == [])
    assert desk.settings.detector.faces == "largest"
    assert shown(desk) == []
    assert people(desk) == {}


def test_a_new_face_is_for_the_person_whose_turn_it_is(desk: Desk, qtbot: QtBot) -> None:
    desk.window.cast_desk._strip.add.click()
    portrait = desk.folder / "mo.png"
    portrait.write_bytes(b"a picture")
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    dialog = desk.window.faces_desk.dialog
    dialog.fill(Consent("Mo", Basis.SYNTHETIC, ""))
    dialog.accept()
    qtbot.waitUntil(lambda: further(desk) == ["mo"])
    assert desk.session.identity.face_id == "aoi"


@pytest.mark.parametrize("of_the_first", [False, True])
def test_a_removed_face_is_nobodys_any_more(desk: Desk, qtbot: QtBot, of_the_first: bool) -> None:
    """Of a further person, of the first one too, and everybody keeps their number."""
    own = [source_face(name, builtin=False, value=200) for name in ("mo", "nia")]
    desk.library.own = own
    desk.window.faces_desk.begin("mo" if of_the_first else "bruno")
    first = "mo" if of_the_first else "bruno"
    qtbot.waitUntil(lambda: desk.session.identity.face_id == first)
    desk.window.change("further_faces", "mo dalia nia+mo")
    desk.window.change("detector.faces", "each")
    qtbot.waitUntil(lambda: further(desk) == ["mo", "dalia", "nia+mo"])
    desk.window.gallery.list.removal_wanted.emit(own[0])
    question = desk.window.faces_desk.question
    next(b for b in question.buttons() if b.text() == "Remove").click()
    instead = "aoi" if of_the_first else "bruno"
    qtbot.waitUntil(lambda: further(desk) == [instead, "dalia", "nia"])
    qtbot.waitUntil(lambda: desk.session.identity.face_id == instead)
    assert desk.settings.further_faces == f"{instead} dalia nia"
    assert [text for text, _ in shown(desk)][1:] == [f"2  {instead.title()}", "3  Dalia", "4  Nia"]


def test_who_has_which_face_is_kept(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk("Logitech C920")
    for _ in range(2):
        first.window.cast_desk._strip.add.click()
    qtbot.waitUntil(lambda: first.saved.further_faces == "bruno chidi")
    second = open_desk("Logitech C920")
    qtbot.waitUntil(lambda: further(second) == ["bruno", "chidi"])
    assert [text for text, _ in shown(second)] == ["1  Aoi", "2  Bruno", "3  Chidi"]


@pytest.mark.parametrize("before", ["me", "all", "centre"])
def test_without_a_second_person_the_choice_of_faces_comes_back(
    open_desk: OpenDesk, qtbot: QtBot, before: str
) -> None:
    first = open_desk("C920", settings=with_value(Settings(), "detector.faces", before))
    first.window.cast_desk._strip.add.click()
    assert first.settings.detector.faces == "each"
    first.window.cast_desk._strip.remove.click()
    assert first.settings.detector.faces == before
    combo = first.window.controls.rows["detector.faces"].editor
    assert isinstance(combo, QComboBox)
    combo.setCurrentIndex(combo.findData("each"))
    for _ in range(2):
        first.window.cast_desk._strip.add.click()
    qtbot.waitUntil(lambda: first.saved.further_faces == "bruno chidi")
    second = open_desk("C920", settings=first.saved)  # another day
    for _ in range(2):
        second.window.cast_desk._strip.remove.click()
    assert second.settings.detector.faces == before


def test_who_took_back_their_enrolment_is_not_looked_for_later(desk: Desk) -> None:
    desk.window.change("detector.faces", "me")
    desk.window.cast_desk._strip.add.click()
    desk.window.enrolment_desk.only_me.emit(False)
    assert desk.settings.detector.faces == "each"
    desk.window.cast_desk._strip.remove.click()
    assert desk.settings.detector.faces == "largest"


def test_a_face_that_is_gone_is_named(open_desk: OpenDesk, qtbot: QtBot) -> None:
    settings = with_value(Settings(), "further_faces", "nobody")
    desk = open_desk("C920", settings=with_value(settings, "detector.faces", "each"))
    said = desk.window.problems.sentence.text
    qtbot.waitUntil(lambda: "Person 2 uses a face that is not there: nobody" in said())
    assert further(desk) == []
    click_face(desk, "bruno")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "bruno")


def test_a_scene_brings_everybody_at_once(desk: Desk, qtbot: QtBot) -> None:
    strip = desk.window.cast_desk._strip
    strip.add.click()
    qtbot.waitUntil(lambda: further(desk) == ["bruno"])
    desk.window.commands.scenes.ask_for_name()
    dialog = desk.window.commands.scenes.dialog
    dialog.name.setText("Both")
    dialog.save.click()
    strip.remove.click()
    qtbot.waitUntil(lambda: further(desk) == [])
    scenes = desk.window.commands.scenes._strip
    assert not scenes.buttons["Both"].isChecked()
    scenes.buttons["Both"].click()
    qtbot.waitUntil(lambda: further(desk) == ["bruno"])
    assert desk.settings.detector.faces == "each"
    assert [text for text, _ in shown(desk)] == ["1  Aoi", "2  Bruno"]
    assert scenes.buttons["Both"].isChecked()
