"""The settings file replaced under the window, and a window closed on a disk that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.frame import Frame
from app.settings import Settings
from app.settings_file import load
from app.sinks.recorder import Recorder
from tests.gui.desk import Desk, OpenDesk
from tests.gui.test_gui_session import Open, open_window, still

__all__ = ["open_window"]  # the fixture


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


REPLACED: dict[str, Callable[[Path], object]] = {
    "by garbage": lambda path: path.write_bytes(b"\xff\x00[[["),
    "by nesting": lambda path: path.write_text("a = " + "[" * 5000),
    "by nothing": lambda path: path.unlink(),
    "by an empty file": lambda path: path.write_bytes(b""),
}


@pytest.fixture
def saved(open_desk: OpenDesk, qtbot: QtBot) -> Desk:
    """A window that has saved its settings once."""
    desk = open_desk("FaceTime HD")
    desk.window.change("mask.feather", 0.2)
    qtbot.waitUntil(lambda: desk.saved.mask.feather == 0.2)
    return desk


@pytest.mark.parametrize("kind", REPLACED)
def test_a_settings_file_replaced_while_running_changes_nothing_that_runs(
    saved: Desk, qtbot: QtBot, kind: str
) -> None:
    path = saved.folder / "settings.toml"
    REPLACED[kind](path)
    assert saved.settings.mask.feather == 0.2
    saved.window.change("mask.feather", 0.1)
    qtbot.waitUntil(lambda: load(path)[0].mask.feather == 0.1)
    assert load(path)[1] == []
    assert saved.window.problems.current is None
    assert not list(saved.folder.glob(".settings*"))


def test_a_folder_in_place_of_the_settings_gets_a_sentence(saved: Desk, qtbot: QtBot) -> None:
    path = saved.folder / "settings.toml"
    as_folder(path)
    saved.window.change("mask.feather", 0.1)
    qtbot.waitUntil(lambda: "cannot be saved" in saved.window.problems.sentence.text())
    assert saved.settings.mask.feather == 0.1  # what runs is what was asked for
    path.rmdir()
    saved.window.change("mask.feather", 0.15)
    qtbot.waitUntil(lambda: saved.saved.mask.feather == 0.15)


def test_a_name_that_is_not_utf_8_can_be_saved(saved: Desk, qtbot: QtBot) -> None:
    saved.window.change("capture.source", "\udcff.mp4")
    qtbot.waitUntil(lambda: saved.saved.capture.source == "?.mp4")
    assert saved.saved != Settings()


def test_a_window_closed_while_recording_to_a_disk_that_hangs(
    open_window: Open, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, write = threading.Event(), Recorder.write

    def hanging(recorder: Recorder, frame: Frame) -> None:
        assert back.wait(60)
        write(recorder, frame)

    monkeypatch.setattr("app.sinks.recorder.Recorder.write", hanging)
    monkeypatch.setattr("app.sinks.feed.PATIENCE_S", 0.05)
    window, session, _ = open_window(still)
    qtbot.waitUntil(window.transport.record.isEnabled)
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: session.status().recording is not None)
    qtbot.waitUntil(lambda: any((tmp_path / "videos").iterdir()))
    window.close()
    if window.isVisible():  # what is lost is said first, once
        assert "takes no more data" in window.problems.sentence.text()
        window.close()
    assert not window.isVisible()
    back.set()
    qtbot.waitUntil(lambda: not any((tmp_path / "videos").iterdir()))
    qtbot.waitUntil(lambda: not any(t.name == "sink" for t in threading.enumerate()))
