"""Sinks that block, vanish, fail to close or fill the disk: the picture goes on without them."""

from __future__ import annotations

import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import SinkError
from app.frame import Frame
from app.session import STOPPED, State
from app.sinks.live_output import OutputState
from app.sinks.recorder import Recorder
from tests.faults.scene import Scene
from tests.helpers.fakes import StillSource
from tests.helpers.sentences import one_sentence

Build = Callable[..., Scene]


def source() -> StillSource:
    return StillSource(pause_s=0.01)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that hangs from the first frame on until this is set; patience is short."""
    opened, write = threading.Event(), Recorder.write

    def hanging(recorder: Recorder, frame: Frame) -> None:
        opened.wait()
        write(recorder, frame)

    monkeypatch.setattr("app.sinks.recorder.Recorder.write", hanging)
    monkeypatch.setattr("app.sinks.feed.PATIENCE_S", 0.05)
    yield opened
    opened.set()


@pytest.mark.parametrize("end", ["stop recording", "stop", "source dies", "source ends"])
@pytest.mark.parametrize("pace_loss", [True, False], ids=["live", "lossless"])
def test_a_disk_that_hangs_stops_nothing_else(
    scene: Build, gate: threading.Event, tmp_path: Path, end: str, pace_loss: bool
) -> None:
    stage = scene()
    session = stage.session
    session.start_recording(tmp_path / "a.mp4")
    finite = {"source dies": {"fail_after": 30}, "source ends": {"count": 30}}
    if not pace_loss and end in finite:
        finite = {name: {key: 5} for name, kind in finite.items() for key in kind}
    session.start(lambda: StillSource(pause_s=0.005, **finite.get(end, {})), pace_loss=pace_loss)
    stage.wait_for(lambda: session.status().state is not State.STARTING)
    if end == "stop recording":
        assert session.stop_recording() is None
        stage.running()
        assert session.status().state is State.RUNNING
    elif end == "stop":
        session.stop()
        assert session.status().state is State.IDLE
        assert session.stop_recording() is None
    else:
        stage.until(State.FAILED if end == "source dies" else State.ENDED)
    status = session.status()
    assert status.recording is None
    assert "takes no more data" in status.notice
    one_sentence(status.notice)
    session.stop()
    stage.shows_slate(STOPPED)
    gate.set()  # the disk comes back: what is half-written goes
    stage.wait_for(lambda: list(tmp_path.iterdir()) == [])
    stage.wait_for(lambda: not any(t.name == "sink" for t in threading.enumerate()))


def test_a_folder_that_vanishes_while_recording(scene: Build, tmp_path: Path) -> None:
    stage, folder = scene(), tmp_path / "stick"
    folder.mkdir()
    stage.session.start(source)
    stage.session.start_recording(folder / "a.mp4")
    stage.running(12)
    shutil.rmtree(folder)
    assert stage.session.stop_recording() is None
    notice = stage.session.status().notice
    one_sentence(notice)
    assert "cannot be written" in notice
    assert stage.session.status().state is State.RUNNING
    with pytest.raises(SinkError, match="cannot be written"):
        stage.session.snapshot(folder / "a.png")


def test_a_sink_that_fails_to_close_is_told_and_removed(
    scene: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Recorder) -> None:
        raise RuntimeError("the muxer\nis confused")

    monkeypatch.setattr("app.sinks.recorder.Recorder.close", failing)
    stage = scene()
    stage.session.start(source)
    stage.session.start_recording(tmp_path / "a.mp4")
    stage.running(8)
    assert stage.session.stop_recording() is None
    status = stage.session.status()
    assert status.recording is None
    assert "RuntimeError: the muxer is confused" in status.notice
    one_sentence(status.notice)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file grows beyond 64 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_fills_ends_only_the_recording(scene: Build, tmp_path: Path) -> None:
    stage = scene()
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    stage.session.start(lambda: StillSource(noise, pause_s=0.02))
    stage.session.start_recording(tmp_path / "a.mp4")
    stage.wait_for(lambda: "cannot be written" in stage.session.status().notice)
    one_sentence(stage.session.status().notice)
    stage.running()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SinkError, match="cannot be written"):
        stage.session.snapshot(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_blocks_stops_neither_frames_nor_panic(scene: Build) -> None:
    stage = scene()
    stage.session.start(source)
    stage.running()
    port = stage.ports[0]
    port.gate.clear()
    port.sending.clear()
    assert port.sending.wait(20)
    stage.running(20)
    stage.session.stop()
    assert stage.session.status().state is State.IDLE
    port.gate.set()
    stage.shows_slate(STOPPED)


@pytest.mark.parametrize("error", [SinkError("Unplugged.", "Plug it in."), OSError(19, "gone")])
def test_an_output_that_vanishes_stops_nothing_else(scene: Build, error: Exception) -> None:
    stage = scene()
    stage.session.start(source)
    stage.running()
    stage.ports[0].broken = error
    known = isinstance(error, SinkError)
    if known:  # it comes back by itself
        stage.wait_for(lambda: len(stage.ports) == 2)
    else:  # a fault of ours: told, and the output is closed
        stage.wait_for(lambda: stage.session.status().outputs[0].state is OutputState.CLOSED)
        one_sentence(str(stage.session.status().outputs[0].problem))
    assert stage.ports[0].closes == 1
    stage.running()
    assert stage.session.status().state is State.RUNNING
