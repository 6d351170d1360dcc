"""The panel of live outputs: what is wanted reaches the session, what became of it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.errors import SinkError
from app.gui.output_panel import SWITCHES, OutputRow, copied_text, state_text
from app.settings import OutputSettings, Settings
from app.sinks.live_output import OutputState, OutputStatus
from app.sinks.outputs import VIRTUAL_CAMERA, WEB_PAGE, kinds
from app.timing import Percentiles
from tests.gui.desk import Desk, OpenDesk

ADDRESS = "http://127.0.0.1:8756/?token=abc"
PAGE = OutputStatus(
    kind=WEB_PAGE,
    name="127.0.0.1:8756",
    state=OutputState.LIVE,
    problem=None,
    address=ADDRESS,
    viewers=2,
    fps=29.97,
    sent=300,
    repeated=3,
    dropped=0,
    reopened=0,
    opened=True,
    latency_ms=Percentiles(),
)
CAMERA = replace(
    PAGE,
    kind=VIRTUAL_CAMERA,
    state=OutputState.WAITING,
    problem=SinkError("There is no virtual camera device.", "Run: sudo modprobe v4l2loopback"),
    address="",
    viewers=None,
)


def row(desk: Desk, kind: str) -> OutputRow:
    return desk.window.output_panel.rows[kind]


@pytest.mark.parametrize(
    ("status", "text", "copied"),
    [
        (PAGE, "Live · 30 fps · 2 watch", ADDRESS),
        (replace(PAGE, viewers=1), "Live · 30 fps · 1 watches", ADDRESS),
        (replace(PAGE, viewers=0, state=OutputState.SLATE), "Shows the slate", ADDRESS),
        (CAMERA, "There is no virtual camera device.", "sudo modprobe v4l2loopback"),
        (replace(CAMERA, problem=SinkError("Busy.", "Close OBS.")), "Busy.", ""),
    ],
)
def test_what_is_shown_and_copied(status: OutputStatus, text: str, copied: str) -> None:
    assert state_text(status) == text
    assert copied_text(status) == copied


def test_every_kind_of_this_system_has_a_row_and_starts_off(desk: Desk) -> None:
    assert tuple(desk.window.output_panel.rows) == kinds()
    for kind in kinds():
        assert not row(desk, kind).switch.isChecked()
        assert not row(desk, kind).state.isVisible()
        assert not row(desk, kind).copy.isVisible()


@pytest.mark.parametrize("kind", kinds())
def test_a_switch_reaches_the_session_and_the_disk(desk: Desk, qtbot: QtBot, kind: str) -> None:
    applied = desk.session.outputs.applied
    qtbot.waitUntil(lambda: applied == [OutputSettings()])  # once, at the start
    QTest.mouseClick(row(desk, kind).switch, Qt.MouseButton.LeftButton)
    wanted = replace(OutputSettings(), **{SWITCHES[kind]: True})
    qtbot.waitUntil(lambda: applied == [OutputSettings(), wanted])
    assert desk.settings.outputs == wanted
    desk.window.change("mirror", False)  # something else does not open them anew
    QTest.mouseClick(row(desk, kind).switch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: applied[2:] == [OutputSettings()])
    desk.window.close()
    assert desk.saved.outputs == OutputSettings()


def test_what_was_on_is_on_again(open_desk: OpenDesk, qtbot: QtBot) -> None:
    settings = Settings(outputs=OutputSettings(web_page=True))
    desk = open_desk(settings=settings)
    assert row(desk, WEB_PAGE).switch.isChecked()
    qtbot.waitUntil(lambda: desk.session.outputs.applied == [settings.outputs])


def test_the_address_is_copied(desk: Desk, qtbot: QtBot) -> None:
    desk.session.set_status(outputs=(PAGE,))
    page = row(desk, WEB_PAGE)
    qtbot.waitUntil(page.copy.isVisible)
    assert page.state.text() == "Live · 30 fps · 2 watch"
    assert "token" not in page.state.text()  # a shared screen must not show it
    assert "token" not in page.state.toolTip()
    QTest.mouseClick(page.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == ADDRESS
    desk.session.set_status(outputs=())
    qtbot.waitUntil(lambda: not page.copy.isVisible())


def test_a_missing_device_gives_its_sentence_and_the_command(desk: Desk, qtbot: QtBot) -> None:
    desk.session.set_status(outputs=(CAMERA,))
    camera = row(desk, VIRTUAL_CAMERA)
    qtbot.waitUntil(camera.state.isVisible)
    assert camera.state.text() == "There is no virtual camera device."
    assert camera.state.toolTip() == str(CAMERA.problem)
    QTest.mouseClick(camera.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "sudo modprobe v4l2loopback"
    desk.session.set_status(outputs=(replace(CAMERA, problem=None, state=OutputState.SLATE),))
    qtbot.waitUntil(lambda: camera.state.text() == "Shows the slate")
    assert not camera.copy.isVisible()


def test_in_the_lowest_window_no_sentence_is_cut(desk: Desk, qtbot: QtBot) -> None:
    desk.window.enrolment.show()
    desk.window.resize(desk.window.minimumSize())
    long = SinkError("There is no virtual camera device, and to say so takes more than a line.")
    desk.session.set_status(
        outputs=tuple(replace(CAMERA, kind=kind, problem=long) for kind in kinds())
    )
    labels = [row(desk, kind).state for kind in kinds()]
    qtbot.waitUntil(lambda: all(label.isVisible() for label in labels))
    desk.window.grab()  # lays it out
    qtbot.waitUntil(lambda: all(at.height() >= at.heightForWidth(at.width()) for at in labels))


def test_in_the_lowest_window_the_bar_of_problems_pushes_nothing_over_another(
    desk: Desk, qtbot: QtBot
) -> None:
    window = desk.window
    window.resize(window.minimumSize())
    window.swap_button.click()
    qtbot.waitUntil(window.problems.isVisible)
    window.grab()  # lays it out
    parts = (window.problems, window.preview, window.transport, window.gallery)
    edges = [edge for part in parts for edge in (part.y(), part.y() + part.height())]
    assert edges == sorted(edges)
    assert window.gallery.geometry().bottom() < window.status_line.y()


def test_switches_are_reached_by_key_and_named(desk: Desk) -> None:
    for kind in kinds():
        assert row(desk, kind).switch.accessibleName() == kind
        assert row(desk, kind).copy.accessibleName() or not row(desk, kind).copy.isVisible()
