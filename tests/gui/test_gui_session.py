"""The window on the real session, with its threads, its recorder and sources that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.capture.source import Source
from app.errors import CaptureError
from app.gui.application import prepare_application
from app.gui.bridge import Bridge
from app.gui.services import EngineLine, GuiServices
from app.gui.window import MainWindow
from app.session import Session, State
from app.settings import CaptureSettings, Settings
from app.timing import Timing
from tests.gui.fakes import FakeLibrary
from tests.helpers.fakes import FakePipeline, StillSource, picture

Open = Callable[..., tuple[MainWindow, Session, FakePipeline]]


@pytest.fixture
def open_window(qtbot: QtBot, tmp_path: Path) -> Iterator[Open]:
    prepare_application()
    windows: list[MainWindow] = []

    def build(
        opener: Callable[[], Source], pipeline: FakePipeline | None = None
    ) -> tuple[MainWindow, Session, FakePipeline]:
        bridge, timing = Bridge(), Timing()
        pipeline = pipeline or FakePipeline()
        session = Session(
            pipeline,
            timing,
            Settings(),
            on_change=bridge.notify_change,
            on_preview=bridge.notify_preview,
        )

        def open_source(text: str, settings: CaptureSettings) -> Source:
            return opener()

        services = GuiServices(
            list,
            open_source,
            lambda: EngineLine("fake, CPU"),
            tmp_path / "settings.toml",
            tmp_path / "videos",
        )
        window = MainWindow(session, FakeLibrary(), services, bridge)
        windows.append(window)
        window.show()
        return window, session, pipeline

    yield build
    for window in windows:
        window.close()
        window.deleteLater()


def still() -> StillSource:
    return StillSource(picture(320, 180), pause_s=0.01)


def recorded_seconds(session: Session) -> float:
    recording = session.status().recording
    return recording.seconds if recording else 0.0


def test_frames_arrive_and_settings_and_identity_reach_the_pipeline(
    open_window: Open, qtbot: QtBot
) -> None:
    window, session, pipeline = open_window(still)
    qtbot.waitUntil(lambda: window.preview.shown is not None)
    qtbot.waitUntil(lambda: window.preview.message is None)
    window.change("mask.feather", 0.2)
    qtbot.waitUntil(lambda: pipeline.seen[-1][1].mask.feather == 0.2)
    qtbot.waitUntil(lambda: getattr(pipeline.seen[-1][2], "face_id", "") == "aoi")
    qtbot.waitUntil(lambda: "fps" in window.status_line.rate.text())
    assert session.status().state is State.RUNNING


def test_closing_while_recording_leaves_a_whole_video(
    open_window: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    window, session, _ = open_window(still)
    qtbot.waitUntil(window.transport.record.isEnabled)
    QTest.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.transport.recording)
    qtbot.waitUntil(lambda: recorded_seconds(session) > 0.2)
    window.close()
    (video,) = (tmp_path / "videos").iterdir()
    assert video.suffix == ".mp4"
    reader = cv2.VideoCapture(str(video))
    assert reader.read()[0]
    reader.release()


def test_a_snapshot_is_written(open_window: Open, qtbot: QtBot, tmp_path: Path) -> None:
    window, _, _ = open_window(still)
    qtbot.waitUntil(window.transport.snapshot.isEnabled)
    QTest.keyClick(window, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: "Saved" in window.transport.notice.text())
    (file,) = (tmp_path / "videos").iterdir()
    assert cv2.imread(str(file)).shape == (180, 320, 3)


def test_a_fault_in_the_pipeline_is_a_sentence_and_retry_starts_again(
    open_window: Open, qtbot: QtBot
) -> None:
    window, session, _ = open_window(still, FakePipeline(fail_after=3))
    qtbot.waitUntil(lambda: window.problems.current is not None)
    assert "the fake pipeline failed on purpose" in window.problems.sentence.text()
    assert session.status().state is State.FAILED
    session._pipeline = FakePipeline()
    window.problems.buttons[0].click()
    qtbot.waitUntil(lambda: session.status().state is State.RUNNING)
    assert window.problems.current is None


def test_a_camera_that_stops_is_a_sentence_and_retry_opens_it_again(
    open_window: Open, qtbot: QtBot
) -> None:
    sources = [StillSource(fail_after=5, error=CaptureError("The camera stopped.")), still()]
    window, session, _ = open_window(lambda: sources.pop(0))
    qtbot.waitUntil(lambda: window.problems.current is not None)
    assert window.problems.sentence.text() == "The camera stopped."
    window.preview.action_button.click()
    qtbot.waitUntil(lambda: session.status().state is State.RUNNING)


def test_a_source_that_does_not_open_is_a_sentence(open_window: Open, qtbot: QtBot) -> None:
    def refuse() -> Source:
        raise CaptureError("There is no such camera.", "Plug it in.")

    window, _, _ = open_window(refuse)
    qtbot.waitUntil(lambda: window.problems.current is not None)
    assert window.problems.sentence.text() == "There is no such camera."


def test_a_clip_ends_and_is_played_again(open_window: Open, qtbot: QtBot) -> None:
    window, session, _ = open_window(lambda: StillSource(count=5))
    qtbot.waitUntil(lambda: session.status().state is State.ENDED)
    qtbot.waitUntil(window.preview.action_button.isVisible)
    first = window.preview.shown
    window.preview.action_button.click()
    qtbot.waitUntil(lambda: window.preview.shown not in (None, first))


def test_switching_sources_quickly_ends_with_the_last(open_window: Open, qtbot: QtBot) -> None:
    window, session, _ = open_window(still)
    for text in ("a", "b", "c", "demo"):
        window.source_desk.open(text)
    qtbot.waitUntil(lambda: not window.source_desk.busy)
    qtbot.waitUntil(lambda: session.status().state is State.RUNNING)
    assert session.settings.capture.source == "demo"
