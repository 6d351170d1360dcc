"""Choosing, adding and removing faces; nobody's face is added without a recorded consent."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from app.errors import PictureError
from app.gui.consent_dialog import ConsentDialog
from app.gui.intake import Intake
from app.provenance.consent import Basis
from tests.gui.desk import Desk, OpenDesk, drop


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "my_best-friend.png"
    image = QImage(80, 60, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.darkGray)
    assert image.save(str(path))
    return path


def answer(dialog: ConsentDialog, basis: Basis, name: str = "", note: str = "") -> None:
    dialog.basis_buttons[basis].click()
    if name:
        dialog.name.setText(name)
    dialog.note.setText(note)
    dialog.accept_button.click()


def files(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def test_the_first_face_is_chosen_at_the_first_start(desk: Desk) -> None:
    assert desk.session.identity is not None
    assert desk.session.identity.face_id == "aoi"
    assert desk.window.gallery.list.currentIndex().row() == 0


def test_a_click_chooses_a_face(desk: Desk, qtbot: QtBot) -> None:
    view = desk.window.gallery.list
    spot = view.visualRect(view.faces.index(2)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "chidi")
    assert desk.settings.source_face == "chidi"


def test_arrow_keys_choose_and_the_last_one_counts(desk: Desk, qtbot: QtBot) -> None:
    view = desk.window.gallery.list
    view.setFocus()
    for _ in range(3):
        QTest.keyClick(view, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "dalia")
    qtbot.waitUntil(lambda: not desk.window.faces_desk.busy)
    assert desk.session.identity.face_id == "dalia"


def test_the_chosen_face_survives_a_restart(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk()
    first.window.gallery.list.setCurrentIndex(first.window.gallery.list.faces.index(4))
    qtbot.waitUntil(lambda: first.saved.source_face == "emil")
    second = open_desk()
    assert second.session.identity.face_id == "emil"


def test_a_face_that_is_gone_falls_back_to_the_first(open_desk: OpenDesk, qtbot: QtBot) -> None:
    first = open_desk()
    first.window.change("source_face", "somebody-removed")
    qtbot.waitUntil(lambda: first.saved.source_face == "somebody-removed")
    assert open_desk().session.identity.face_id == "aoi"


def test_a_click_beside_the_faces_takes_nothing_away(desk: Desk, qtbot: QtBot) -> None:
    view = desk.window.gallery.list
    spot = QPoint(view.viewport().width() - 3, 5)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert len(view.selectedIndexes()) == 1


def test_nothing_is_chosen_beforehand_and_ok_is_off(desk: Desk, portrait: Path) -> None:
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    dialog = desk.window.faces_desk.dialog
    assert not any(button.isChecked() for button in dialog.basis_buttons.values())
    assert not dialog.accept_button.isEnabled()
    assert dialog.name.text() == "my best friend"
    dialog.accept()  # Enter
    assert dialog.isVisible()
    assert desk.library.added == []


@pytest.mark.parametrize("basis", list(Basis))
def test_a_basis_its_name_and_its_note_make_a_record(
    desk: Desk, qtbot: QtBot, portrait: Path, basis: Basis
) -> None:
    drop(desk.window, files(portrait))
    dialog = desk.window.faces_desk.dialog
    dialog.basis_buttons[basis].click()
    if basis in (Basis.WRITTEN, Basis.LICENSED):
        assert not dialog.accept_button.isEnabled()
    dialog.name.setText("  ")
    assert not dialog.accept_button.isEnabled()
    answer(dialog, basis, "Nina", "in the drawer")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "nina")
    assert desk.library.added == [((portrait.name,), "Nina", basis, "Nina", "in the drawer")]
    assert desk.settings.source_face == "nina"
    assert desk.window.gallery.list.currentIndex().data() == "Nina"


def test_refusing_adds_nothing_and_is_explained(desk: Desk, portrait: Path) -> None:
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    desk.window.faces_desk.dialog.reject()
    assert desk.library.added == []
    assert "no consent on record" in desk.window.problems.sentence.text()


def test_a_pasted_picture_becomes_a_face(desk: Desk, qtbot: QtBot) -> None:
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.gray)
    QGuiApplication.clipboard().setImage(image)
    QTest.keyClick(desk.window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    answer(desk.window.faces_desk.dialog, Basis.OWN_FACE, "Me")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "me")
    assert desk.library.added[0][0] == ("pasted",)


def test_an_empty_clipboard_gets_a_sentence(desk: Desk) -> None:
    QGuiApplication.clipboard().setText("words")
    QTest.keyClick(desk.window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert "no picture in the clipboard" in desk.window.problems.sentence.text()


def test_other_files_get_a_sentence(desk: Desk, tmp_path: Path) -> None:
    drop(desk.window, files(tmp_path / "notes.txt"))
    assert "neither a picture nor a video" in desk.window.problems.sentence.text()


def test_a_refused_picture_gets_its_sentence_and_a_retry(
    desk: Desk, qtbot: QtBot, portrait: Path
) -> None:
    desk.library.refuse = PictureError("The picture shows 5 faces.", "Choose one with one face.")
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    answer(desk.window.faces_desk.dialog, Basis.OWN_FACE, "Me")
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.sentence.text() == "The picture shows 5 faces."
    assert desk.window.problems.details.text() == "Choose one with one face."
    assert desk.window.gallery.add.isEnabled()
    desk.library.refuse = None
    desk.window.problems.buttons[0].click()
    dialog = desk.window.faces_desk.dialog
    assert dialog.consent.name == "Me"  # nothing has to be typed again
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "me")


def test_the_preview_goes_on_while_a_face_is_added(
    desk: Desk, qtbot: QtBot, portrait: Path
) -> None:
    desk.library.hold.clear()
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    answer(desk.window.faces_desk.dialog, Basis.OWN_FACE, "Me")
    assert not desk.window.gallery.add.isEnabled()
    assert desk.window.gallery.add.text() == "Adding…"
    desk.window.change("mirror", False)
    assert desk.settings.mirror is False
    desk.library.hold.set()
    qtbot.waitUntil(desk.window.gallery.add.isEnabled)


def test_delete_removes_an_own_face_after_a_question(
    desk: Desk, qtbot: QtBot, portrait: Path
) -> None:
    desk.window.intake_desk.take_in(Intake(pictures=(portrait,)))
    answer(desk.window.faces_desk.dialog, Basis.OWN_FACE, "Me")
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "me")
    QTest.keyClick(desk.window.gallery.list, Qt.Key.Key_Delete)
    question = desk.window.faces_desk.question
    assert "Remove Me?" in question.text()
    remove = next(b for b in question.buttons() if b.text() == "Remove")
    remove.click()
    qtbot.waitUntil(lambda: desk.library.own == [])
    qtbot.waitUntil(lambda: desk.session.identity.face_id == "aoi")


def test_a_persona_cannot_be_removed(desk: Desk) -> None:
    QTest.keyClick(desk.window.gallery.list, Qt.Key.Key_Delete)
    assert desk.window.faces_desk.question is None
    assert not desk.window.findChildren(QMessageBox)


def test_several_pictures_are_one_face(desk: Desk, qtbot: QtBot, portrait: Path) -> None:
    second = portrait.with_name("second.png")
    second.write_bytes(portrait.read_bytes())
    drop(desk.window, files(portrait, second))
    answer(desk.window.faces_desk.dialog, Basis.SYNTHETIC, "Twin")
    qtbot.waitUntil(lambda: desk.library.added != [])
    assert desk.library.added[0][0] == (portrait.name, "second.png")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_a_picture_that_cannot_be_shown_still_asks(desk: Desk, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    desk.window.intake_desk.take_in(Intake(pictures=(path,)))
    assert desk.window.faces_desk.dialog.isVisible()
    desk.window.faces_desk.dialog.reject()
