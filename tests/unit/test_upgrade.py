"""Changing the engine beside the running picture, and under it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.capture.source import SourceInfo
from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Begun, Pipeline, Processed
from app.session import Session, State
from app.settings import BadgeSettings, ColorSettings, Settings
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from app.upgrade import EngineUpgrade
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.runtimes import CHAIN
from tests.helpers import tiny_models
from tests.helpers.backends import WrappedBackend

WAIT_S = 20


def test_it_runs_once_in_a_thread_of_its_own() -> None:
    ran: list[str] = []
    done = threading.Event()

    def improve(stop: threading.Event) -> None:
        ran.append(threading.current_thread().name)
        done.set()

    with EngineUpgrade(improve, delay_s=0):
        assert done.wait(WAIT_S)
    assert ran == ["engines"]


def test_stopped_before_its_time_it_does_nothing() -> None:
    upgrade = EngineUpgrade(lambda stop: pytest.fail("it ran"), delay_s=3600)
    upgrade.start()
    upgrade.stop()
    upgrade.stop()


def test_stop_reaches_the_work_under_way() -> None:
    inside = threading.Event()
    stopped: list[bool] = []

    def improve(stop: threading.Event) -> None:
        inside.set()
        stopped.append(stop.wait(WAIT_S))

    with EngineUpgrade(improve, delay_s=0):
        assert inside.wait(WAIT_S)
    assert stopped == [True]


def test_a_failure_is_logged_and_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()

    def improve(stop: threading.Event) -> None:
        failed.set()
        raise EngineError("No specimens.")

    with EngineUpgrade(improve, delay_s=0):
        assert failed.wait(WAIT_S)
    assert "No specimens." in caplog.text


class StepSource:
    """Gives a frame whenever a test allows one, ``count`` in all."""

    def __init__(self, pixels: np.ndarray, count: int) -> None:
        self._pixels, self._left, self._index = pixels, count, 0
        self.allowed = threading.Semaphore(0)
        self.info = SourceInfo("steps", pixels.shape[1], pixels.shape[0], 30.0, False, count)

    def read(self) -> Frame | None:
        """The next frame, once it is allowed."""
        if not self._left or not self.allowed.acquire(timeout=WAIT_S) or not self._left:
            return None
        self._left -= 1
        self._index += 1
        return Frame(self._pixels.copy(), self._index - 1, self._index / 30)

    def close(self) -> None:
        """End a waiting read."""
        self._left = 0
        self.allowed.release()


class KeepingPipeline(Pipeline):
    """Keeps what it made."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines, Timing(), guarded=False)  # the tiny generator only tints
        self.made: list[Processed] = []
        self.counted = threading.Semaphore(0)

    def begin(self, frame: Frame, *asked: Any, **named: Any) -> Begun:
        """As ``Pipeline.begin``."""
        begun = super().begin(frame, *asked, **named)

        def finish() -> Processed:
            done = begun.finish()
            self.made.append(done)
            self.counted.release()
            return done

        return Begun(finish, begun.under_way)


def test_a_running_session_changes_engines_without_losing_a_frame(tmp_path: Path) -> None:
    """Every frame is swapped, on the old engine or the new one, and the picture says on which."""
    store = ModelStore(tiny_models.bundle(tmp_path / "assets"), tmp_path / "own")
    engines = load_engines(models=store, chain=CHAIN[-1:])
    slot = engines.slots["swapper"]
    old = WrappedBackend(CHAIN[-1].open(slot.file.read(), "old.onnx", slot.warm))
    slot.replace("onnx", old)
    settings = Settings(
        mirror=False, color=ColorSettings(match=0.0), badge=BadgeSettings(enabled=False)
    )
    pixels = np.zeros((360, 640, 3), np.uint8)
    pixels[160:176, 300:316] = (255, 0, 0)  # the tiny detector sees a face in bright blue
    source, pipeline = StepSource(pixels, 40), KeepingPipeline(engines)
    session = Session(pipeline, Timing(), settings)
    vector = np.zeros(128, np.float32)
    vector[0] = 1
    session.identity = Identity("id", "Name", vector, engines.swapper.prepare(vector * 0))
    ended = threading.Event()

    def watch() -> None:
        if session.status().state is State.ENDED:
            ended.set()

    session._on_change = watch
    session.start(lambda: source, pace_loss=False)
    for _ in range(10):
        source.allowed.release()
        assert pipeline.counted.acquire(timeout=WAIT_S)
    shift = 60 / 255
    new = WrappedBackend(CHAIN[-1].open(slot.file.read(), "new.onnx", slot.warm), shift=shift)
    switching = threading.Thread(target=slot.replace, args=("fast", new))
    for number in range(25):
        source.allowed.release()
        if number == 5:
            switching.start()  # somewhere between or under the frames that follow
    switching.join()
    for _ in range(5):
        source.allowed.release()
    assert ended.wait(WAIT_S)
    status = session.status()
    session.stop()
    engines.close()
    assert status.dropped == 0
    assert [made.frame.index for made in pipeline.made] == list(range(40))
    assert all(made.swapped == 1 and made.showing is Showing.LIVE for made in pipeline.made)
    assert (old.runs + new.runs, old.runs >= 10, new.runs > 0) == (40, True, True)
    reds = [int(made.frame.pixels[168, 308, 2]) for made in pipeline.made]
    on_new = [red > 30 for red in reds]
    assert on_new == sorted(on_new)  # the new engine from one frame on, and never back
    assert on_new.count(True) == new.runs
    assert old.closed
    assert new.closed
