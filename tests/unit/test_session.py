"""The session: states, first causes, nothing lost, nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from app.errors import AppError, CaptureError, SinkError
from app.session import FAILED, OVER, PANIC, STOPPED, Session, State
from app.settings import OutputSettings, Settings, with_value
from app.sinks.live_output import CLOSED
from app.sinks.outputs import WEB_PAGE
from app.slates import slate_pixels
from app.stages.privacy import Showing
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource, picture
from tests.helpers.ports import FakePort

Make = Callable[..., Session]


@pytest.fixture
def make() -> Any:
    sessions: list[Session] = []

    def build(pipeline: FakePipeline | None = None, **callbacks: Any) -> Session:
        session = Session(pipeline or FakePipeline(), Timing(), Settings(), **callbacks)  # type: ignore[arg-type]
        sessions.append(session)
        return session

    yield build
    for session in sessions:
        session.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_runs_previews_and_stops(make: Make) -> None:
    source, changes, previews = StillSource(), [], threading.Event()
    session = make(on_change=lambda: changes.append(1), on_preview=previews.set)
    assert session.status().state is State.IDLE
    assert session.take_preview() is None
    session.start(lambda: source)
    assert previews.wait(5)
    processed = session.take_preview(5)
    assert processed is not None
    assert processed.frame.pixels.shape == (48, 64, 3)
    wait_for(lambda: session.status().timing.frames > 5)
    status = session.status()
    assert status.state is State.RUNNING
    assert status.source == source.info
    assert status.measured_rate > 30
    assert status.timing.latency_ms.p95 > 0
    session.stop()
    session.stop()
    assert session.status().state is State.IDLE
    assert session.take_preview() is None
    assert source.closes
    assert len(changes) >= 3


def test_source_that_ends_reaches_ended(make: Make) -> None:
    session = make()
    session.start(lambda: StillSource(count=3))
    wait_for(lambda: session.status().state is State.ENDED)
    assert session.status().problem is None


def refusing() -> StillSource:
    raise CaptureError("Camera 0 cannot be opened.", "Close what uses it.")


@pytest.mark.parametrize(
    ("opener", "pipeline", "sentence"),
    [
        (refusing, FakePipeline(), "Camera 0 cannot be opened. Close what uses it."),
        (lambda: StillSource(fail_after=5), FakePipeline(), "The fake source stopped on purpose."),
        (
            StillSource,
            FakePipeline(fail_after=3, error=AppError("The model is gone.")),
            "The model is gone.",
        ),
        (StillSource, FakePipeline(fail_after=3), "RuntimeError: the fake pipeline failed"),
    ],
    ids=["opening", "source", "pipeline", "bug"],
)
def test_failure_reaches_failed_with_its_first_cause(
    make: Make, opener: Callable[[], StillSource], pipeline: FakePipeline, sentence: str
) -> None:
    session = make(pipeline)
    session.start(opener)
    wait_for(lambda: session.status().state is State.FAILED)
    assert sentence in str(session.status().problem)
    session.start(lambda: StillSource(count=0))  # the retry
    wait_for(lambda: session.status().state is State.ENDED)
    assert session.status().problem is None


def test_pipeline_failure_wakes_and_closes_a_waiting_source(make: Make) -> None:
    source = StillSource(pause_s=0.05)
    session = make(FakePipeline(fail_after=0))
    session.start(lambda: source)
    wait_for(lambda: session.status().state is State.FAILED)
    wait_for(lambda: source.closes > 0)


def test_slow_pipeline_drops_and_counts_live_frames(make: Make) -> None:
    pipeline = FakePipeline(slow_s=0.02)
    session = make(pipeline)
    session.start(lambda: StillSource(pause_s=0.002))
    wait_for(lambda: len(pipeline.seen) >= 5)
    assert session.status().dropped >= 5
    indices = [index for index, _, _ in pipeline.seen]
    assert indices == sorted(set(indices))


def test_without_pace_loss_every_frame_is_processed_and_recorded(
    make: Make, tmp_path: Path
) -> None:
    pipeline = FakePipeline(slow_s=0.003)
    session = make(pipeline)
    session.start_recording(tmp_path / "out.mp4")
    session.start(lambda: StillSource(count=40, pause_s=0), pace_loss=False)
    wait_for(lambda: session.status().state is State.ENDED)
    assert [index for index, _, _ in pipeline.seen] == list(range(40))
    assert session.status().dropped == 0
    assert session.stop_recording() == tmp_path / "out.mp4"
    assert session.stop_recording() is None
    assert frames_of(tmp_path / "out.mp4") == 40


def test_settings_and_identity_hold_from_the_next_frame(make: Make) -> None:
    pipeline = FakePipeline()
    session = make(pipeline)
    session.start(StillSource)
    session.settings = with_value(session.settings, "swap", False)
    session.identity = identity = object()  # type: ignore[assignment]
    wait_for(lambda: bool(pipeline.seen) and pipeline.seen[-1][2] is identity)
    assert pipeline.seen[-1][1].swap is False


def test_records_while_running(make: Make, tmp_path: Path) -> None:
    session = make()
    session.start(lambda: StillSource(pause_s=0.02))
    session.start_recording(tmp_path / "a.mp4")
    with pytest.raises(SinkError, match=r"a\.mp4 is being recorded"):
        session.start_recording(tmp_path / "b.mp4")
    wait_for(lambda: (r := session.status().recording) is not None and r.seconds > 0.3)
    assert session.stop_recording() == tmp_path / "a.mp4"
    status = session.status()
    assert status.recording is None
    assert "a.mp4" in status.notice
    assert status.state is State.RUNNING
    assert frames_of(tmp_path / "a.mp4") >= 9
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_recording_is_kept_when_the_source_fails(make: Make, tmp_path: Path) -> None:
    session = make()
    session.start_recording(tmp_path / "a.mp4")
    session.start(lambda: StillSource(fail_after=20, pause_s=0.01))
    wait_for(lambda: session.status().state is State.FAILED)
    assert frames_of(tmp_path / "a.mp4") >= 3


def test_stop_finishes_the_recording(make: Make, tmp_path: Path) -> None:
    session = make()
    session.start_recording(tmp_path / "a.mp4")
    session.start(StillSource)
    wait_for(lambda: session.status().timing.frames > 3)
    session.stop()
    assert frames_of(tmp_path / "a.mp4") >= 1


def test_refused_recording_raises_and_changes_nothing(make: Make, tmp_path: Path) -> None:
    session = make()
    session.start(StillSource)
    with pytest.raises(SinkError, match="no folder"):
        session.start_recording(tmp_path / "none" / "a.mp4")
    with pytest.raises(SinkError, match="MP4"):
        session.start_recording(tmp_path / "a.gif")
    assert session.status().recording is None
    wait_for(lambda: session.status().state is State.RUNNING)


def test_sink_failure_ends_only_the_recording(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: object, frame: object) -> None:
        raise SinkError("The disk is full.", "Free some space.")

    monkeypatch.setattr("app.sinks.recorder.Recorder.write", failing)
    session = make()
    session.start(StillSource)
    session.start_recording(tmp_path / "a.mp4")
    wait_for(lambda: "The disk is full. Free some space." in session.status().notice)
    wait_for(lambda: session.status().recording is None)
    before = session.status().timing.frames
    wait_for(lambda: session.status().timing.frames > before)
    assert session.status().state is State.RUNNING
    assert session.stop_recording() is None
    assert list(tmp_path.iterdir()) == []


def test_snapshot(make: Make, tmp_path: Path) -> None:
    session = make()
    with pytest.raises(SinkError, match="no picture yet"):
        session.snapshot(tmp_path / "a.png")
    session.start(StillSource)
    wait_for(lambda: session.status().state is State.RUNNING)
    session.snapshot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 100


def test_two_hundred_starts_and_stops_leave_no_thread(make: Make) -> None:
    session = make()
    before = threading.active_count()
    for cycle in range(200):
        fail_after = 3 if cycle % 3 == 0 else None
        session.start(lambda n=fail_after: StillSource(fail_after=n))
        if cycle % 2:
            session.take_preview(0.01)
        session.stop()
    assert threading.active_count() == before


def test_panic_shows_a_slate_within_one_frame_until_resumed(make: Make, tmp_path: Path) -> None:
    session = make()
    session.start(lambda: StillSource(pause_s=0.005))
    wait_for(lambda: session.status().timing.frames > 3)
    session.panic()
    for _ in range(5):
        hidden = session.take_preview(5)
        assert hidden is not None
        assert hidden.showing is Showing.SLATE
        assert hidden.before is hidden.frame
    assert session.status().panicked
    session.start(lambda: StillSource(pause_s=0.005))
    wait_for(lambda: session.status().shown.get(Showing.SLATE, 0) > 3)
    assert set(session.status().shown) == {Showing.SLATE}
    session.resume()
    wait_for(lambda: session.status().showing is Showing.LIVE)
    assert not session.status().panicked


OUTPUT = OutputSettings(web_page=True, width=64, height=48, rate=100)


def live_port(make: Make) -> tuple[Session, FakePort]:
    """A session with one live output, which is open."""
    ports: list[FakePort] = []

    def opened(settings: OutputSettings, form: Any) -> FakePort:
        ports.append(FakePort(form))
        return ports[-1]

    session = make(openers={WEB_PAGE: opened})
    session.outputs.apply(OUTPUT)
    wait_for(lambda: bool(ports))
    return session, ports[0]


def shows(port: FakePort, wanted: Any) -> bool:
    return bool(port.sent) and np.array_equal(port.sent[-1], wanted)


def slated(port: FakePort, words: tuple[str, str]) -> bool:
    return shows(port, slate_pixels(64, 48, *words))


def test_live_outputs_show_the_frames_and_a_slate_when_stopped(make: Make) -> None:
    session, port = live_port(make)
    session.start(lambda: StillSource(pause_s=0.005))
    wait_for(lambda: shows(port, picture()))
    (status,) = session.status().outputs
    assert (status.kind, status.reopened, status.problem) == (WEB_PAGE, 0, None)
    session.stop()
    wait_for(lambda: slated(port, STOPPED))
    session.start(lambda: StillSource(pause_s=0.005))  # the device stayed open in between
    wait_for(lambda: shows(port, picture()))
    session.close()
    session.close()
    assert slated(port, CLOSED)
    assert port.closes == 1
    assert session.status().outputs == ()


@pytest.mark.parametrize(
    ("source", "words"), [({"count": 5}, OVER), ({"fail_after": 5}, FAILED)], ids=["end", "failure"]
)
def test_live_outputs_show_a_slate_when_the_run_is_over(
    make: Make, source: dict[str, int], words: tuple[str, str]
) -> None:
    session, port = live_port(make)
    session.start(lambda: StillSource(**source))
    wait_for(lambda: session.status().state in (State.ENDED, State.FAILED))
    wait_for(lambda: slated(port, words))
    start = len(port.sent)
    sent = port.wait_for(lambda now: len(now) >= start + 5)
    assert not any(np.array_equal(shown, picture()) for shown in sent[start:])


def test_panic_reaches_live_outputs_before_the_next_frame(make: Make) -> None:
    session, port = live_port(make)
    source = StillSource(pause_s=0.005)
    session.start(lambda: source)
    wait_for(lambda: shows(port, picture()))
    port.gate.clear()
    port.sending.clear()
    assert port.sending.wait(10)
    session.panic()
    before = len(port.sent)
    port.gate.set()
    sent = port.wait_for(lambda now: len(now) >= before + 10)
    hidden = slate_pixels(64, 48, *PANIC)
    assert all(np.array_equal(shown, hidden) for shown in sent[before + 1 :])


@pytest.mark.parametrize("how", ["stop", "panic", "swap"])
def test_the_wish_for_the_real_face_does_not_outlive_its_run(make: Make, how: str) -> None:
    session = make()
    session.settings = with_value(session.settings, "swap", False)
    session.wish(real_face=True, me=None)
    session.start(StillSource)
    wait_for(lambda: session.status().timing.frames > 3)
    assert session.wishes.real_face
    if how == "swap":
        session.settings = with_value(session.settings, "swap", True)
    else:
        getattr(session, how)()
    wait_for(lambda: not session.wishes.real_face)


def test_a_wish_that_does_not_exist_is_a_bug(make: Make) -> None:
    with pytest.raises(TypeError):
        make().wish(nothing=True)
