"""The dialog about camera and delay: what is known is shown, wishes reach settings and driver."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.capture.diagnosis import CameraFacts
from app.capture.listing import CameraEntry
from app.capture.source import SourceAway, SourceInfo
from app.errors import CaptureError
from app.governor import EFFORTS, Governor, GovernorStatus
from app.gui.camera_page import connection_text, given_text
from app.gui.delay_page import chip_text, governor_text
from app.settings import CaptureSettings
from app.timing import Percentiles, TimingReport
from tests.gui.desk import Desk, OpenDesk

USB2 = CameraEntry("0", "Logitech C920", "usb:046d:082d:1A", "1-2:1.0", 480)
FACTS = CameraFacts(USB2, (1280, 720), 30, (1280, 720), 30, "MJPG", ("MJPG", "YUYV"), True)
RUNNING = TimingReport(frames=300, fps=29.97, latency_ms=Percentiles(12.4, 18.6, 24.0))
HELD = GovernorStatus(True, 50, 18.6, 0, len(EFFORTS) - 1, EFFORTS[0].says, 0)


def film(desk: Desk, facts: CameraFacts = FACTS, measured: float = 29.9) -> None:
    """As a real session says it of a camera."""
    info = SourceInfo(facts.entry.name, 1280, 720, 30, live=True, camera=facts)
    desk.session.set_status(source=info, timing=RUNNING, measured_rate=measured, governor=HELD)


def click(desk: Desk, qtbot: QtBot, card: int = 0) -> None:
    page = desk.window.camera_desk.dialog.camera
    qtbot.waitUntil(lambda: len(page.cards) > card)
    button = page.cards[card].button
    assert button is not None
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_button_opens_it_with_what_is_known(desk: Desk, qtbot: QtBot) -> None:
    film(desk)
    QTest.mouseClick(desk.window.source_bar.camera, Qt.MouseButton.LeftButton)
    dialog = desk.window.camera_desk.dialog
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: dialog.camera.name.text() == "Logitech C920")
    facts = {name: label.text() for name, label in dialog.camera.facts.items()}
    assert facts == {
        "Asked": "1280 × 720 · 30 fps",
        "Given": "1280 × 720 · 30 fps · MJPG",
        "Measured": "29.9 fps",
        "Connection": "USB 2 · port 1-2 · 046d:082d",
    }
    assert dialog.camera.cards == []
    assert not desk.window.source_bar.camera.property("warned")
    assert dialog.delay.figures["p95"].text() == "19 ms"
    dialog.close()


def test_dim_light_is_said_and_mended(open_desk: OpenDesk, qtbot: QtBot) -> None:
    desk = open_desk("Logitech C920")
    kept: list[str] = []
    services = replace(desk.window.camera_desk._services, keep_camera_rate=kept.append)
    desk.window.camera_desk._services = services
    film(desk, measured=15)
    qtbot.waitUntil(lambda: bool(desk.window.source_bar.camera.property("warned")))
    assert "15 of 30" in desk.window.source_bar.camera.toolTip()
    starts = desk.session.calls.count("start")
    click(desk, qtbot)
    qtbot.waitUntil(lambda: desk.session.calls.count("start") == starts + 1)
    assert kept == ["0"]


def test_a_driver_that_refuses_gets_a_sentence(desk: Desk, qtbot: QtBot) -> None:
    def refuse(_: str) -> None:
        raise CaptureError("The driver refuses.", "Use more light.")

    services = replace(desk.window.camera_desk._services, keep_camera_rate=refuse)
    desk.window.camera_desk._services = services
    film(desk, measured=15)
    click(desk, qtbot)
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    current = desk.window.problems.current
    assert current is not None
    assert current.sentence == "The driver refuses."


def test_uncompressed_offers_a_size_that_fits(desk: Desk, qtbot: QtBot) -> None:
    film(desk, replace(FACTS, given_format="YUYV", formats=("YUYV",)), 10)
    click(desk, qtbot)
    qtbot.waitUntil(lambda: desk.settings.capture.width == 640)
    assert desk.settings.capture.height == 360


def test_size_and_rate_are_asked_for(desk: Desk, qtbot: QtBot) -> None:
    film(desk)
    page = desk.window.camera_desk.dialog.camera
    starts = desk.session.calls.count("start")
    page.size_choice.setCurrentIndex(page.size_choice.findText("640 × 480"))
    page.size_choice.activated.emit(page.size_choice.currentIndex())
    page.rate_choice.setCurrentIndex(page.rate_choice.findText("60 fps"))
    page.rate_choice.activated.emit(page.rate_choice.currentIndex())
    wanted = CaptureSettings(width=640, height=480, rate=60)
    qtbot.waitUntil(lambda: desk.settings.capture == wanted)
    qtbot.waitUntil(lambda: desk.session.calls.count("start") == starts + 2)
    qtbot.waitUntil(lambda: desk.saved.capture == wanted)
    assert page.size_choice.currentText() == "640 × 480"


def test_away_and_back(desk: Desk, qtbot: QtBot) -> None:
    film(desk)
    desk.session.set_status(away=SourceAway("C920 was unplugged.", "It is used again."))
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.sentence.text() == "C920 was unplugged."
    qtbot.waitUntil(lambda: "away" in desk.window.status_line.state.text())
    desk.session.set_status(away=None)
    qtbot.waitUntil(lambda: desk.window.problems.current is None)


def test_the_demo_instead_of_a_camera_that_is_away(desk: Desk, qtbot: QtBot) -> None:
    film(desk)
    desk.session.set_status(away=SourceAway("C920 was unplugged."))
    qtbot.waitUntil(lambda: bool(desk.window.problems.buttons))
    QTest.mouseClick(desk.window.problems.buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: desk.cameras.opened[-1] == "demo")


def test_a_report_is_saved(desk: Desk, qtbot: QtBot) -> None:
    film(desk)
    desk.window.camera_desk.show_dialog()
    delay = desk.window.camera_desk.dialog.delay
    QTest.mouseClick(delay.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Saved" in delay.saved.text())
    (file,) = (desk.folder / "videos").iterdir()
    assert file.name.endswith(" delay.html")
    assert "Logitech C920" in file.read_text()
    desk.window.camera_desk.dialog.close()


def test_a_report_that_cannot_be_saved(desk: Desk, qtbot: QtBot) -> None:
    (desk.folder / "videos").write_text("a file in the folder's place")
    film(desk)
    desk.window.camera_desk.save_report()
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert "cannot be written" in desk.window.problems.sentence.text()


def test_the_target_is_a_setting(desk: Desk, qtbot: QtBot) -> None:
    row = desk.window.camera_desk.dialog.delay.rows["latency.target_ms"]
    row.edited.emit("latency.target_ms", 80)
    qtbot.waitUntil(lambda: desk.saved.latency.target_ms == 80)


@pytest.mark.parametrize(
    ("status", "chip", "sentence"),
    [
        (None, "", "Nothing was measured"),
        (Governor().status(), "Target 0 ms", "Nothing was measured"),
        (HELD, "Target 50 ms", "held with full quality"),
        (replace(HELD, enabled=False), "", "left as it is"),
        (replace(HELD, step=3, says="every 2nd frame"), "every 2nd frame", "showing every 2nd"),
        (replace(HELD, p95_ms=80.0), "exceeded", "now trying"),
        (replace(HELD, fresh_only=True), "fresh frames only", "held by leaving out frames that"),
        (replace(HELD, p95_ms=80.0, step=3, says="every 2nd frame"), "2nd", "Even showing"),
    ],
)
def test_what_the_governor_says(status: GovernorStatus | None, chip: str, sentence: str) -> None:
    assert chip in chip_text(status)
    assert sentence in governor_text(status)


def test_words_for_a_camera() -> None:
    assert connection_text(CameraEntry("0", "Cam")) == "–"
    assert connection_text(CameraEntry("0", "Cam", "", "3-1:1.0", 5000)) == "USB 3 · port 3-1"
    assert given_text((640, 480), 0) == "640 × 480"
