"""A camera that goes away while the session runs: noticed, slated, back, nothing restarted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.capture.diagnosis import CameraFacts
from app.capture.listing import CameraEntry
from app.capture.recovery import Recovering
from app.capture.source import SourceAway
from app.errors import CaptureError
from app.frame import Frame
from app.governor import EFFORTS
from app.session import AWAY, PANIC, Session, State
from app.settings import OutputSettings, Settings, with_value
from app.sinks.outputs import WEB_PAGE
from app.slates import slate_pixels
from app.stages.privacy import Reason, Showing
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource, picture
from tests.helpers.ports import FakePort

FACTS = CameraFacts(CameraEntry("0", "Cam", "usb:1:2", "1-1:1.0"), (64, 48), 30, (64, 48), 30)
SLATE = slate_pixels(64, 48, *AWAY)


class Plug:
    """A camera on a plug: read through it; ``pull`` and ``put_back`` as a hand would."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.opened = 0
        self.size = (64, 48)
        self.there = threading.Event()
        self.there.set()

    def open(self) -> PluggedSource:
        if not self.there.is_set():
            raise CaptureError("Cam is not plugged in.")
        self.opened += 1
        return PluggedSource(self)

    def pull(self) -> None:
        self.there.clear()

    def put_back(self) -> None:
        self.there.set()


class PluggedSource(StillSource):
    """Ends with its plug, or hangs until that is back."""

    def __init__(self, plug: Plug) -> None:
        super().__init__(picture(*plug.size), pause_s=0.002)
        self._plug = plug
        self.info = replace(self.info, name="Cam", camera=FACTS)

    def read(self) -> Frame | None:
        if not self._plug.there.is_set():
            if not self._plug.hangs:
                raise SourceAway("Cam was unplugged.")
            while not self._plug.there.wait(0.05):
                if self._closing.is_set():
                    return None
        return super().read()


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


@pytest.fixture
def running() -> Iterator[Any]:
    sessions: list[Session] = []

    def build(plug: Plug, **settings: Any) -> tuple[Session, FakePipeline, FakePort]:
        port, pipeline = FakePort(), FakePipeline()
        session = Session(
            pipeline,  # type: ignore[arg-type]
            Timing(),
            Settings(),
            openers={WEB_PAGE: lambda wanted, form: port},
        )
        sessions.append(session)
        session.outputs.apply(OutputSettings(web_page=True, width=64, height=48))
        session.start(lambda: Recovering(plug.open, pause_s=0.01))
        wait_for(lambda: session.status().state is State.RUNNING)
        return session, pipeline, port

    yield build
    for session in sessions:
        session.close()


@pytest.mark.parametrize("hangs", [False, True], ids=["unplugged", "hanging"])
def test_away_and_back(running: Any, hangs: bool) -> None:
    plug = Plug(hangs=hangs)
    session, pipeline, port = running(plug)
    plug.pull()
    wait_for(lambda: session.status().away is not None)
    status = session.status()
    assert status.state is State.RUNNING
    assert status.showing is Showing.SLATE
    assert ("gives no picture" if hangs else "was unplugged") in str(status.away)
    wait_for(lambda: bool(port.sent) and np.array_equal(port.sent[-1], SLATE))
    shown = session.take_preview(5)
    while shown is not None and shown.reason is not Reason.AWAY:
        shown = session.take_preview(5)
    assert shown is not None
    assert shown.showing is Showing.SLATE
    assert not np.array_equal(shown.frame.pixels, picture())
    seen, resets = len(pipeline.seen), pipeline.resets
    plug.put_back()
    wait_for(lambda: session.status().away is None)
    wait_for(lambda: len(pipeline.seen) > seen + 3)
    assert pipeline.resets == resets  # nothing was started over
    assert session.status().recoveries == 1
    assert plug.opened == (1 if hangs else 2)
    wait_for(lambda: not np.array_equal(port.sent[-1], SLATE))


def test_many_times(running: Any) -> None:
    plug = Plug()
    session, pipeline, _ = running(plug)
    for turn in range(1, 21):
        plug.pull()
        wait_for(lambda: session.status().away is not None)
        plug.put_back()
        wait_for(lambda turn=turn: session.status().recoveries == turn)  # type: ignore[misc]
    indices = [index for index, _, _ in pipeline.seen]
    assert indices == sorted(set(indices))


def test_back_in_another_size(running: Any) -> None:
    plug = Plug()
    session, pipeline, _ = running(plug)
    plug.pull()
    wait_for(lambda: session.status().away is not None)
    plug.size = (32, 24)
    resets = pipeline.resets
    plug.put_back()
    wait_for(lambda: session.status().away is None)
    shown = session.take_preview(5)
    while shown is not None and shown.frame.pixels.shape != (24, 32, 3):
        shown = session.take_preview(5)
    assert shown is not None
    assert pipeline.resets == resets + 1


def test_panic_stays_while_it_is_away(running: Any) -> None:
    plug = Plug()
    session, _, port = running(plug)
    session.panic()
    plug.pull()
    wait_for(lambda: session.status().away is not None)
    wait_for(lambda: np.array_equal(port.sent[-1], slate_pixels(64, 48, *PANIC)))
    plug.put_back()
    wait_for(lambda: session.status().recoveries == 1)
    assert session.status().panicked


def test_stopping_while_it_is_away(running: Any) -> None:
    plug = Plug()
    session, _, _ = running(plug)
    plug.pull()
    wait_for(lambda: session.status().away is not None)
    session.stop()
    assert session.status().state is State.IDLE
    assert session.status().away is None


def test_a_recording_shows_the_slate_meanwhile(running: Any, tmp_path: Path) -> None:
    plug = Plug()
    session, _, _ = running(plug)
    session.start_recording(tmp_path / "a.mp4")
    wait_for(lambda: (status := session.status().recording) is not None and status.seconds > 0.1)
    plug.pull()
    wait_for(lambda: session.status().away is not None)
    long = session.status().recording
    assert long is not None
    wait_for(lambda: (now := session.status().recording) is not None and now.seconds > long.seconds)
    plug.put_back()
    wait_for(lambda: session.status().away is None)
    assert session.stop_recording() == tmp_path / "a.mp4"


def test_a_camera_that_is_slower_than_it_says_is_there(
    monkeypatch: pytest.MonkeyPatch, running: Any
) -> None:
    monkeypatch.setattr("app.run.WATCHED_S", 0.02)
    session, pipeline, _ = running(Plug())
    slow = StillSource(picture(64, 48), pause_s=0.2)
    slow.info = replace(slow.info, name="Cam", camera=FACTS)
    session.start(lambda: slow)
    wait_for(lambda: len({index for index, _, _ in pipeline.seen}) > 2)
    away = session.status().recoveries
    seen = len(pipeline.seen)
    wait_for(lambda: len(pipeline.seen) > seen + 5)
    assert session.status().recoveries == away
    assert session.status().away is None


def test_the_governor_spares_frames_and_says_so() -> None:
    pipeline = FakePipeline(slow_s=0.03)
    settings = with_value(Settings(), "latency.target_ms", 15)
    session = Session(pipeline, Timing(), settings)  # type: ignore[arg-type]
    session.start(lambda: StillSource(pause_s=0.01))
    last = len(EFFORTS) - 1
    wait_for(lambda: (status := session.status().governor) is not None and status.step == last, 30)
    status = session.status().governor
    assert status is not None
    assert not status.holds
    assert "frame" in status.says
    assert status.fresh_only
    assert pipeline.wishes.patient
    out = [index for index, _, _ in pipeline.seen][:-1]  # the last one may be under way
    assert set(out) <= set(pipeline.caught_up)
    assert pipeline.seen[-1][1].mask.occluder_every == 4
    session.settings = with_value(settings, "latency.governor", False)
    wait_for(lambda: (now := session.status().governor) is not None and now.step == 0)
    wait_for(lambda: not pipeline.wishes.patient)
    session.close()


class DeafSource(StillSource):
    """Hangs in its second read, whatever is asked of it, until ``comes_to`` is set."""

    def __init__(self) -> None:
        super().__init__(picture(64, 48), pause_s=0.002)
        self.comes_to = threading.Event()
        self._reads = 0

    def read(self) -> Frame | None:
        self._reads += 1
        if self._reads > 1:
            assert self.comes_to.wait(30)
        return super().read()


@pytest.mark.parametrize("opens", [True, False], ids=["reading", "opening"])
def test_a_driver_that_hangs_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, running: Any, opens: bool
) -> None:
    session, _, port = running(Plug())
    monkeypatch.setattr("app.run.STOPPED_S", 0.1)
    deaf = DeafSource()

    def opened() -> StillSource:
        assert opens or deaf.comes_to.wait(30)
        return deaf

    threads = set(threading.enumerate())
    session.start(opened)
    if opens:
        wait_for(lambda: session.status().state is State.RUNNING)
    session.stop()
    assert session.status().state is State.IDLE
    (left,) = {t for t in threading.enumerate() if t.name == "capture"} - threads
    assert left.daemon
    session.start(lambda: StillSource(picture(64, 48), pause_s=0.002))
    wait_for(lambda: session.status().state is State.RUNNING)
    sent = len(port.sent)
    deaf.comes_to.set()
    left.join(5)
    assert not left.is_alive()
    wait_for(lambda: len(port.sent) > sent)
    assert session.status().state is State.RUNNING
