"""The consent page: what is on record, exporting it, revoking it; and why a face is hidden."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.consents import Consents, ConsentState
from app.gui.consents import EMPTY, ConsentsPage
from app.gui.intake import Intake
from app.provenance.consent import Basis, ConsentRecord, record_consent
from tests.gui.desk import Desk


def granted(desk: Desk, person: str, **terms: str) -> ConsentRecord:
    record = record_consent("", person, Basis.WRITTEN, "letter", [person.encode()], **terms)
    desk.library.consents.add(record)
    return record


def opened(desk: Desk, qtbot: QtBot) -> ConsentsPage:
    qtbot.mouseClick(desk.window.source_bar.consents, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not desk.window.faces_desk.busy)
    page = desk.window.consent_desk.page
    assert page is not None
    assert page.isVisible()
    return page


def row(page: ConsentsPage, number: int) -> list[str]:
    return [page.table.item(number, place).text() for place in range(page.table.columnCount())]


def test_without_records_it_says_so(desk: Desk, qtbot: QtBot) -> None:
    page = opened(desk, qtbot)
    assert page.details.text() == EMPTY
    assert not page.revoke.isEnabled()
    assert not page.export.isEnabled()


def test_records_are_shown_newest_first(desk: Desk, qtbot: QtBot) -> None:
    granted(desk, "Ana", scope="one <b>film</b>")
    granted(desk, "Bea", expires="2099-01-02")
    page = opened(desk, qtbot)
    today = date.today().isoformat()[:4]
    assert row(page, 0)[:2] == ["Bea", "Written consent"]
    assert row(page, 0)[2].startswith(today)
    assert row(page, 0)[3:] == ["2099-01-02", "In force"]
    page.table.selectRow(1)
    assert "Covers: one <b>film</b>" in page.details.text()
    assert page.details.textFormat() is Qt.TextFormat.PlainText
    page.close()


def test_revoking_asks_first_and_shows_it(desk: Desk, qtbot: QtBot) -> None:
    record = granted(desk, "Ana")
    page = opened(desk, qtbot)
    qtbot.mouseClick(page.revoke, Qt.MouseButton.LeftButton)
    question = desk.window.consent_desk.question
    assert "Ana" in question.text()
    assert desk.library.consents.refusal(record) == ""
    next(b for b in question.buttons() if b.text() == "Revoke").click()
    qtbot.waitUntil(lambda: row(page, 0)[-1] == "Revoked")
    assert not page.revoke.isEnabled()
    assert "revoked" in page.details.text()
    (consent,) = Consents(desk.folder / "faces").list()
    assert consent.state is ConsentState.REVOKED


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_exporting(desk: Desk, qtbot: QtBot, suffix: str) -> None:
    granted(desk, "Ana")
    page = opened(desk, qtbot)
    qtbot.mouseClick(page.export, Qt.MouseButton.LeftButton)
    dialog = desk.window.consent_desk.file_dialog
    assert dialog is not None
    path = desk.folder / f"all{suffix}"
    dialog.fileSelected.emit(str(path))
    dialog.reject()
    qtbot.waitUntil(path.exists)
    text = path.read_text(encoding="utf-8-sig")
    assert "Ana" in text
    if suffix == ".json":
        assert json.loads(text)["consents"][0]["person"] == "Ana"
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.current.calm


def test_an_export_that_fails_is_told(desk: Desk, qtbot: QtBot) -> None:
    desk.window.consent_desk.export_to(desk.folder / "missing" / "all.csv")
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert "cannot be written" in desk.window.problems.sentence.text()


def test_damaged_records_are_told(desk: Desk, qtbot: QtBot) -> None:
    granted(desk, "Ana")
    (desk.folder / "faces" / ".consent" / "history" / "later.toml").write_text("version = 9")
    page = opened(desk, qtbot)
    assert "later.toml is not understood" in page.problems.text()
    assert page.problems.isVisible()


def test_the_page_opens_once(desk: Desk, qtbot: QtBot) -> None:
    page = opened(desk, qtbot)
    assert opened(desk, qtbot) is page
    with qtbot.waitSignal(page.destroyed):
        page.close()
    assert opened(desk, qtbot) is not page


def test_the_window_says_why_a_face_is_hidden(desk: Desk, qtbot: QtBot) -> None:
    desk.session.set_status(refusal="The consent for Ana was revoked on 2031-01-01.")
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert "revoked" in desk.window.problems.sentence.text()
    desk.window.problems.buttons[0].click()
    qtbot.waitUntil(lambda: desk.window.consent_desk.page is not None)
    desk.session.set_status(refusal="The consent for Ana was revoked on 2031-01-02.")
    qtbot.waitUntil(lambda: "01-02" in desk.window.problems.sentence.text())
    desk.session.set_status(refusal="")
    qtbot.waitUntil(lambda: desk.window.problems.current is None)


def test_scope_and_time_are_asked_when_a_face_is_added(
    desk: Desk, qtbot: QtBot, tmp_path: Path
) -> None:
    picture = tmp_path / "ana.png"
    picture.write_bytes(b"none")
    desk.window.intake_desk.take_in(Intake(pictures=(picture,)))
    dialog = desk.window.faces_desk.dialog
    dialog.basis_buttons[Basis.OWN_FACE].click()
    dialog.scope.setText(" calls ")
    dialog.holds.setCurrentIndex(dialog.holds.findText("30 days"))
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: desk.library.added != [])
    last = (date.today() + timedelta(days=30)).isoformat()
    assert desk.library.terms == {"scope": "calls", "expires": last}
