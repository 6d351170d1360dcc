"""The window with everything real but the networks: a picture as the camera, painted faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.capture.opening import open_source
from app.faces import FaceLibrary
from app.gui.application import prepare_application
from app.gui.bridge import Bridge
from app.gui.intake import Intake
from app.gui.services import EngineLine, GuiServices
from app.gui.window import MainWindow
from app.pipeline import Pipeline
from app.provenance.consent import Basis
from app.session import Session
from app.settings import Settings, with_value
from app.stages.privacy import Showing
from app.timing import Timing
from tests.helpers.colour_engines import PAINT, colour_engines, picture_of, write_personas


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    prepare_application()
    engines, bridge, timing = colour_engines(), Bridge(), Timing()
    camera = picture_of(tmp_path / "camera.png", (200, 100, 200))
    session = Session(
        Pipeline(engines, timing),
        timing,
        with_value(with_value(Settings(), "capture.source", str(camera)), "color.match", 0.0),
        on_change=bridge.notify_change,
        on_preview=bridge.notify_preview,
    )
    library = FaceLibrary(tmp_path / "faces", engines, personas=write_personas(tmp_path / "p"))
    services = GuiServices(
        lambda: [],
        open_source,
        lambda: EngineLine(engines.engine),
        tmp_path / "settings.toml",
        tmp_path / "videos",
    )
    window = MainWindow(session, library, services, bridge)
    window.show()
    qtbot.waitUntil(lambda: session.identity is not None, timeout=10_000)
    yield window
    window.close()
    window.deleteLater()


def middle(window: MainWindow) -> tuple[np.ndarray, np.ndarray]:
    """The face's middle after and before."""
    shown = window.preview.shown
    assert shown is not None
    return shown.frame.pixels[200, 340], shown.before.pixels[200, 340]


def swapped(window: MainWindow) -> bool:
    if window.preview.shown is None:
        return False
    after, _ = middle(window)
    return bool(np.abs(after.astype(int) - PAINT).max() < 8)


def press(window: MainWindow, label: str) -> None:
    """Press the button of the bar that says so."""
    next(button for button in window.problems.buttons if button.text() == label).click()


def test_space_hides_the_picture_and_the_real_face_is_asked_for_twice(
    window: MainWindow, qtbot: QtBot
) -> None:
    def shows(showing: Showing) -> bool:
        shown = window.preview.shown
        return shown is not None and shown.showing is showing

    qtbot.waitUntil(lambda: swapped(window))
    assert middle(window)[1].tolist() == [0, 0, 255]
    window.preview.setFocus()
    QTest.keyClick(window.preview, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: shows(Showing.SLATE))
    press(window, "Show my real face…")
    press(window, "Stay hidden")
    press(window, "Show my real face…")
    assert shows(Showing.SLATE)
    press(window, "Show my real face")
    qtbot.waitUntil(lambda: shows(Showing.BYPASS))
    assert middle(window)[0].tolist() == [0, 0, 255]
    qtbot.waitUntil(lambda: "REAL FACE" in window.state_chip.text())
    press(window, "Swap again")
    qtbot.waitUntil(lambda: swapped(window))
    QTest.keyClick(window.preview, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: shows(Showing.SLATE))  # the real face has to be asked for again


def test_an_added_face_is_kept_with_its_consent_and_used(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.intake_desk.take_in(Intake(pictures=(picture_of(tmp_path / "me.png", (200, 100, 150)),)))
    dialog = window.faces_desk.dialog
    assert dialog is not None
    dialog.basis_buttons[Basis.OWN_FACE].click()
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: window.gallery.list.currentIndex().data() == "me")
    qtbot.waitUntil(lambda: window._session.identity.name == "me")
    kept = FaceLibrary(tmp_path / "faces", colour_engines(), personas=tmp_path / "p").get("me")
    assert kept is not None
    assert kept.consent.basis is Basis.OWN_FACE


def test_five_faces_are_refused_in_a_sentence(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    crowd = picture_of(tmp_path / "crowd.png", *((10 + 120 * n, 10, 80) for n in range(5)))
    window.intake_desk.take_in(Intake(pictures=(crowd,)))
    dialog = window.faces_desk.dialog
    assert dialog is not None
    dialog.basis_buttons[Basis.OWN_FACE].click()
    dialog.accept_button.click()
    qtbot.waitUntil(lambda: window.problems.current is not None)
    assert "5 faces" in window.problems.sentence.text()


def test_a_source_that_is_not_there_gets_a_sentence_and_the_demo_is_offered(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.source_desk.open("/no/such/clip.mp4")
    qtbot.waitUntil(lambda: len(window.problems.buttons) == 2)
    assert "clip.mp4" in window.problems.sentence.text()
