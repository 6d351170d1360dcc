"""Recording and snapshots, and that closing the window finishes the file."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.errors import SinkError
from app.gui.transport import clock, size
from app.paths import fresh_path
from app.session import RecordingStatus, State
from tests.gui.desk import Desk, OpenDesk
from tests.gui.fakes import READ_ONLY, picture, processed


def record(desk: Desk, qtbot: QtBot) -> None:
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: desk.window.transport.recording)


def videos(desk: Desk) -> list[str]:
    return [path.suffix for path in (desk.folder / "videos").iterdir()]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (512_000, "512 kB"), (12_400_000, "12.4 MB"), (2e9, "2.0 GB")]
)
def test_size(count: int, text: str) -> None:
    assert size(int(count)) == text


def test_a_name_is_never_taken_twice(tmp_path: Path) -> None:
    now = datetime(2026, 1, 31, 12, 30, 5)
    first = fresh_path(tmp_path, ".mp4", now)
    assert first.name == "Omokage 2026-01-31 12.30.05.mp4"
    first.touch()
    assert fresh_path(tmp_path, ".mp4", now).name == "Omokage 2026-01-31 12.30.05 (2).mp4"


def test_r_records_with_time_and_size_and_r_again_finishes(desk: Desk, qtbot: QtBot) -> None:
    desk.session.feed(processed(picture(9), picture(9)))
    record(desk, qtbot)
    assert desk.window.transport.record.text().strip() == "Stop"
    running = RecordingStatus(desk.session.status().recording.path, 83.4, 12_400_000, 2)
    desk.session.set_status(recording=running)
    notice = desk.window.transport.notice
    qtbot.waitUntil(lambda: notice.text() == "1:23 · 12.4 MB · 2 frames lost")
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: "Saved Omokage" in notice.text())
    assert videos(desk) == [".mp4"]
    assert not desk.window.transport.recording


def test_closing_while_recording_finishes_the_file(desk: Desk, qtbot: QtBot) -> None:
    record(desk, qtbot)
    desk.window.close()
    assert videos(desk) == [".mp4"]
    assert desk.session.calls[-1] == "stop"
    assert not desk.window.isVisible()


def test_a_recording_that_cannot_be_finished_is_said_before_the_window_goes(
    desk: Desk, qtbot: QtBot
) -> None:
    record(desk, qtbot)
    desk.session.finish_error = SinkError("The disk is full.")
    desk.window.close()
    assert desk.window.isVisible()
    assert "The disk is full." in desk.window.problems.sentence.text()
    desk.window.problems.buttons[0].click()
    assert not desk.window.isVisible()


def test_a_recording_that_fails_under_way_gets_a_sentence(desk: Desk, qtbot: QtBot) -> None:
    record(desk, qtbot)
    desk.session.finish_error = SinkError("The disk is full.")
    desk.session.end_recording()
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.sentence.text() == "The disk is full."
    assert not desk.window.transport.recording
    assert desk.session.status().state is State.RUNNING


def test_a_recording_ends_with_its_clip_and_is_saved(desk: Desk, qtbot: QtBot) -> None:
    record(desk, qtbot)
    desk.session.end_recording()
    desk.session.set_status(state=State.ENDED)
    qtbot.waitUntil(lambda: "Saved Omokage" in desk.window.transport.notice.text())


def test_another_source_finishes_the_recording_first(desk: Desk, qtbot: QtBot) -> None:
    record(desk, qtbot)
    desk.window.source_desk.open("demo")
    qtbot.waitUntil(lambda: desk.cameras.opened[-1] == "demo")
    calls = desk.session.calls
    assert calls.index("stop recording") < len(calls) - 1 - calls[::-1].index("start")
    assert videos(desk) == [".mp4"]


def test_s_saves_a_snapshot(desk: Desk, qtbot: QtBot) -> None:
    QTest.keyClick(desk.window, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: "Saved Omokage" in desk.window.transport.notice.text())
    assert videos(desk) == [".png"]


@pytest.mark.parametrize("key", [Qt.Key.Key_R, Qt.Key.Key_S])
def test_a_disk_that_refuses_gets_a_sentence_and_a_retry(
    desk: Desk, qtbot: QtBot, key: Qt.Key
) -> None:
    desk.session.sink_error = READ_ONLY
    QTest.keyClick(desk.window, key)
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert desk.window.problems.sentence.text() == READ_ONLY.what
    desk.session.sink_error = None
    desk.window.problems.buttons[0].click()
    qtbot.waitUntil(lambda: videos(desk) != [])
    assert desk.window.problems.current is None


def test_a_folder_that_cannot_be_made_gets_a_sentence(desk: Desk, qtbot: QtBot) -> None:
    (desk.folder / "videos").write_text("in the way")
    QTest.keyClick(desk.window, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: desk.window.problems.current is not None)
    assert "cannot be made" in desk.window.problems.sentence.text()


def test_nothing_can_be_saved_without_a_picture(desk: Desk, qtbot: QtBot) -> None:
    desk.session.set_status(state=State.IDLE)
    qtbot.waitUntil(lambda: not desk.window.transport.snapshot.isEnabled())
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    QTest.keyClick(desk.window, Qt.Key.Key_S)
    assert not (desk.folder / "videos").exists()


def test_a_recording_that_is_rescued_is_told_and_nothing_waits_for_it(
    open_desk: OpenDesk, qtbot: QtBot
) -> None:
    copied = threading.Event()

    def rescue() -> list[str]:
        assert copied.wait(20)
        return ["The recording a.mp4 was cut off."]

    desk = open_desk("C920", rescue=rescue)
    bar = desk.window.problems
    qtbot.waitUntil(lambda: desk.session.status().state is State.RUNNING)
    assert bar.current is None
    copied.set()
    qtbot.waitUntil(lambda: bar.current is not None)
    assert bar.sentence.text() == "The recording a.mp4 was cut off."


def test_a_recording_that_is_stopped_at_once_is_saved_and_no_problem(
    desk: Desk, qtbot: QtBot
) -> None:
    outputs, calls = desk.window.outputs, desk.session.calls
    outputs.record(True)
    outputs.record(False)  # before the window knows that it has begun
    qtbot.waitUntil(lambda: "Saved" in desk.window.transport.notice.text())
    desk.bridge.notify_change()
    with qtbot.waitSignal(desk.window._poll.timeout, timeout=20_000):
        pass
    qtbot.waitUntil(lambda: not desk.window._session_work.busy)
    assert calls.count("stop recording") == 1
    assert desk.window.problems.current is None
