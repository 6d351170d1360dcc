"""What a session saves says that AI was at work, unless nothing but the plain picture is in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.frame import Frame
from app.pipeline import Processed
from app.provenance.credentials import Credentials, read_credentials
from app.session import Session
from app.settings import Settings
from app.stages.identity import NO_WISHES, Wishes
from app.stages.privacy import Showing
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource


class Scripted(FakePipeline):
    """Says ``showing`` of every frame; counts those it gave back."""

    def __init__(self, showing: Showing) -> None:
        super().__init__()
        self.showing = showing

    def process(
        self, frame: Frame, settings: Settings, identity: object, wishes: Wishes = NO_WISHES
    ) -> Processed:
        done = super().process(frame, settings, identity, wishes)
        return replace(done, showing=self.showing)


class Evening:
    """A session that runs."""

    def __init__(self, folder: Path, showing: Showing) -> None:
        self.key = folder / "data" / "key.pem"
        self.pipeline = Scripted(showing)
        self.preview = threading.Event()
        self.session = Session(
            self.pipeline,  # type: ignore[arg-type]
            Timing(),
            Settings(),
            on_preview=self.preview.set,
            seal=Credentials(self.key),
        )
        self.session.start(lambda: StillSource(pause_s=0.005))

    def wait_for_frames(self, count: int) -> None:
        wanted = sum(self.session.status().shown.values()) + count
        deadline = time.monotonic() + 20
        while sum(self.session.status().shown.values()) < wanted:
            assert time.monotonic() < deadline
            self.preview.clear()
            self.preview.wait(0.2)

    def stated(self, path: Path) -> str | None:
        found = read_credentials(path, self.key)
        return None if found is None else found.state


@pytest.fixture
def evening(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Evening]:
    made = Evening(tmp_path, request.param)
    yield made
    made.session.close()


CASES = [(showing, None if showing is Showing.BYPASS else "own") for showing in Showing]


@pytest.mark.parametrize(("evening", "stated"), CASES, indirect=["evening"])
def test_snapshots(evening: Evening, tmp_path: Path, stated: str | None) -> None:
    evening.wait_for_frames(2)
    evening.session.snapshot(tmp_path / "a.png")
    assert evening.stated(tmp_path / "a.png") == stated


@pytest.mark.parametrize(("evening", "stated"), CASES, indirect=["evening"])
def test_recordings(evening: Evening, tmp_path: Path, stated: str | None) -> None:
    evening.session.start_recording(tmp_path / "a.mp4")
    evening.wait_for_frames(5)
    assert evening.session.stop_recording() == tmp_path / "a.mp4"
    assert evening.stated(tmp_path / "a.mp4") == stated
    assert evening.session.status().unsealed == ""


@pytest.mark.parametrize("evening", [Showing.BYPASS], indirect=True)
def test_one_swapped_frame_is_enough(evening: Evening, tmp_path: Path) -> None:
    evening.session.start_recording(tmp_path / "a.mp4")
    evening.wait_for_frames(3)
    evening.pipeline.showing = Showing.LIVE
    evening.wait_for_frames(3)
    evening.pipeline.showing = Showing.BYPASS
    evening.wait_for_frames(3)
    evening.session.stop_recording()
    assert evening.stated(tmp_path / "a.mp4") == "own"


@pytest.mark.parametrize("evening", [Showing.LIVE], indirect=True)
def test_the_end_of_the_session_finishes_it_with_its_credentials(
    evening: Evening, tmp_path: Path
) -> None:
    evening.session.start_recording(tmp_path / "a.mp4")
    evening.wait_for_frames(5)
    evening.session.close()
    assert evening.stated(tmp_path / "a.mp4") == "own"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "data"}
