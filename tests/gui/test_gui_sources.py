"""Cameras, files and the demo; what the preview and the bar say while there is no picture."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QUrl
from pytestqt.qtbot import QtBot

from app.capture.opening import CameraEntry
from app.errors import AppError, CaptureError
from app.gui.services import EngineLine
from app.session import State
from tests.gui.desk import Desk, OpenDesk, drop
from tests.gui.fakes import picture, processed


def pick(desk: Desk, text: str) -> None:
    combo = desk.window.source_bar.combo
    combo.setCurrentIndex(combo.findText(text))
    combo.activated.emit(combo.currentIndex())


def test_the_first_camera_opens_by_itself(desk: Desk) -> None:
    assert desk.cameras.opened == [""]
    assert desk.window.source_bar.combo.currentText() == "Logitech C920"
    assert desk.window.source_bar.info.text() == "1280 × 720 · 30.0 fps"


def test_without_a_camera_the_demo_runs_and_a_hint_says_so_once(open_desk: OpenDesk) -> None:
    first = open_desk()
    assert first.window.source_bar.combo.currentText() == "Demo"
    assert "built-in demo" in first.window.problems.sentence.text()
    first.window.problems.buttons[0].click()
    assert first.window.problems.current is None
    assert open_desk().window.problems.current is None


def test_another_camera_is_opened_and_remembered(desk: Desk, qtbot: QtBot) -> None:
    pick(desk, "Built-in")
    qtbot.waitUntil(lambda: desk.cameras.opened[-1] == "1")
    assert desk.settings.capture.source == "1"
    qtbot.waitUntil(lambda: desk.saved.capture.source == "1")


def test_the_measured_rate_replaces_the_stated_one(desk: Desk, qtbot: QtBot) -> None:
    desk.session.run_figures()
    qtbot.waitUntil(lambda: desk.window.source_bar.info.text() == "1280 × 720 · 29.9 fps")
    status = desk.window.status_line
    assert status.rate.text() == "30.0 fps"
    assert status.latency.text() == "Latency 12 / 19 ms"
    assert status.dropped.text() == "Dropped 3"
    assert status.device.text() == "ONNX Runtime 1.31, CPU"


def test_the_line_says_which_engine_runs_and_why_not_the_others(desk: Desk, qtbot: QtBot) -> None:
    label = desk.window.status_line.device
    assert label.text() == "ONNX Runtime 1.31, CPU"
    others = ("CUDA: none.", "ONNX Runtime CPU: swapper: 9.9 ms a run, 5.2 ms on OpenVINO bf16.")
    desk.engines.append(EngineLine("OpenVINO 2026.4 bf16, CPU", others))
    qtbot.waitUntil(lambda: label.text() == "OpenVINO 2026.4 bf16, CPU")
    assert all(line in label.toolTip() for line in others)


def test_refresh_finds_a_new_camera(desk: Desk, qtbot: QtBot) -> None:
    desk.cameras.entries.append(CameraEntry("2", "New one"))
    desk.window.source_bar.refresh.click()
    qtbot.waitUntil(lambda: desk.window.source_bar.combo.findText("New one") >= 0)
    assert desk.window.source_bar.refresh.isEnabled()


def test_a_dropped_clip_is_played_and_can_be_played_again(
    desk: Desk, qtbot: QtBot, tmp_path: Path
) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "walk.MP4"))])
    drop(desk.window, data)
    qtbot.waitUntil(lambda: desk.cameras.opened[-1].endswith("walk.MP4"))
    qtbot.waitUntil(lambda: not desk.window.source_desk.busy)
    assert desk.window.source_bar.combo.currentText() == "walk.MP4"
    desk.session.set_status(state=State.ENDED)
    qtbot.waitUntil(lambda: desk.window.preview.message.title == "The video has ended")
    before = len(desk.cameras.opened)
    desk.window.preview.action_button.click()
    qtbot.waitUntil(lambda: len(desk.cameras.opened) == before + 1)


def test_a_camera_that_does_not_open_gets_a_sentence_and_a_retry(
    open_desk: OpenDesk, qtbot: QtBot
) -> None:
    def break_it(desk: Desk) -> None:
        desk.cameras.broken[""] = CaptureError("The camera is in use.", "Close other programs.")

    desk = open_desk("Logitech C920", prepare=break_it)
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.sentence.text() == "The camera is in use."
    assert desk.window.problems.details.text() == "Close other programs."
    assert desk.window.preview.message.title == "No picture"
    desk.cameras.broken.clear()
    desk.window.problems.buttons[0].click()
    qtbot.waitUntil(lambda: desk.session.status().state is State.RUNNING)
    assert desk.window.problems.current is None


def test_the_demo_is_offered_instead(open_desk: OpenDesk, qtbot: QtBot) -> None:
    desk = open_desk(
        "Logitech C920",
        prepare=lambda desk: desk.cameras.broken.update({"": CaptureError("No camera.")}),
    )
    qtbot.waitUntil(lambda: len(desk.window.problems.buttons) == 2)
    desk.window.problems.buttons[1].click()
    qtbot.waitUntil(lambda: desk.cameras.opened[-1] == "demo")
    assert desk.window.source_bar.combo.currentText() == "Demo"


def test_a_source_that_stops_is_said_once_and_can_be_dismissed(desk: Desk, qtbot: QtBot) -> None:
    desk.session.set_status(state=State.FAILED, problem=AppError("The camera stopped."))
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    desk.window.problems.dismiss_button.click()
    desk.window.refresh()
    assert desk.window.problems.current is None
    assert desk.window.preview.message.title == "No picture"
    assert not desk.window.transport.record.isEnabled()


def test_the_words_go_with_the_first_picture(desk: Desk, qtbot: QtBot) -> None:
    assert desk.window.preview.message.busy
    desk.session.feed(processed(picture(90), picture(50)))
    qtbot.waitUntil(lambda: desk.window.preview.message is None)


def test_notes_of_the_start_are_shown(open_desk: OpenDesk) -> None:
    desk = open_desk("Cam", notes=("The settings file was damaged; it was kept.",))
    assert "damaged" in desk.window.problems.sentence.text()
