"""Two frames under way through a session: order, ends, panics, sources that are away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from app.capture.source import SourceAway, SourceInfo
from app.cli.headless import CountedPipeline
from app.frame import Frame, Pixels
from app.pipeline import Begun, Pipeline, Processed
from app.pixel_work.on_device import DeviceWork
from app.session import Session, State
from app.settings import with_value
from app.stages.privacy import Showing
from app.timing import Timing
from tests.helpers.device_scene import Scene
from tests.helpers.in_flight import LIVE, SHAPES, on_device, seen

WAIT_S = 60
pytestmark = pytest.mark.usefixtures("tinting_is_swapping")


class Told(Pipeline):
    """Notes when frames are begun and finished; ``at_begin`` is called before each.

    A frame is begun only when the next one of ``source`` waits, where it is given.
    """

    def __init__(self, scene: Scene, work: DeviceWork, *, guarded: bool = True) -> None:
        super().__init__(scene.engines, Timing(), work, guarded=guarded)
        self.log: list[tuple[str, int]] = []
        self.at_begin: Callable[[int], object] = lambda index: None
        self.source: Listed | None = None

    def begin(self, frame: Frame, *asked: Any, **named: Any) -> Begun:
        if self.source is not None:
            self.source.await_asked(frame.index + 3)
        self.at_begin(frame.index)
        self.log.append(("begin", frame.index))
        begun = super().begin(frame, *asked, **named)

        def finish() -> Processed:
            self.log.append(("finish", frame.index))
            return begun.finish()

        return Begun(finish, begun.under_way)


class Listed:
    """A source of given frames; each waits for ``allowed``, which lets any number pass."""

    def __init__(self, frames: list[Frame | SourceAway]) -> None:
        self._frames = list(frames)
        self._most = len(frames) + 1
        self._asked, self._asking = 0, threading.Condition()
        self.allowed = threading.Semaphore(0)
        self.info = SourceInfo("listed", 320, 240, 30.0, False, len(frames))

    def await_asked(self, times: int) -> None:
        """Wait until it was asked so often for a frame: then the one before last is in a queue."""
        with self._asking:
            assert self._asking.wait_for(lambda: self._asked >= min(times, self._most), WAIT_S)

    def read(self) -> Frame | None:
        with self._asking:
            self._asked += 1
            self._asking.notify_all()
        if not self._frames or not self.allowed.acquire(timeout=WAIT_S) or not self._frames:
            return None
        frame = self._frames.pop(0)
        if isinstance(frame, SourceAway):
            raise frame
        return frame

    def close(self) -> None:
        self._frames.clear()
        self.allowed.release()


@dataclass
class Evening:
    """A session on the device, and what its outputs got."""

    session: Session
    pipeline: Told
    work: DeviceWork
    written: list[Pixels]
    arrived: threading.Semaphore
    ended: threading.Event

    def run(self, source: Listed, *, ahead: bool = True) -> None:
        """Start ``source``, of which no frame may be lost; ``ahead``: the next one always waits."""
        self.ended.clear()
        self.pipeline.source = source if ahead else None
        self.session.start(lambda: source, pace_loss=False)


@pytest.fixture
def evening(scene: Scene) -> Iterator[Evening]:
    with on_device(scene, 3) as work:
        pipeline = Told(scene, work)
        session = Session(pipeline, Timing(), LIVE)
        session.identity = scene.identity()
        written, arrived, ended = list[Pixels](), threading.Semaphore(0), threading.Event()

        def write(frame: Frame) -> None:
            written.append(frame.pixels)
            arrived.release()

        def changed() -> None:
            if session.status().state in (State.ENDED, State.FAILED):
                ended.set()

        session.outputs.write = write  # type: ignore[method-assign]  # the end of the line
        session._on_change = changed
        yield Evening(session, pipeline, work, written, arrived, ended)
        session.close()


def test_a_session_has_two_frames_under_way_and_loses_none(evening: Evening) -> None:
    source = Listed([seen(index) for index in range(12)])
    source.allowed.release(12)
    evening.run(source)
    assert evening.ended.wait(WAIT_S)
    log = evening.pipeline.log
    assert [index for what, index in log if what == "finish"] == list(range(12))
    # Each but the last is finished when the next one has been begun.
    assert log[:3] == [("begin", 0), ("begin", 1), ("finish", 0)]
    assert all(
        log.index(("begin", index + 1)) < log.index(("finish", index)) for index in range(11)
    )
    status = evening.session.status()
    assert (status.state, status.dropped) == (State.ENDED, 0)
    assert status.timing.frames == 12
    assert status.shown == {Showing.LIVE: 12}
    assert status.timing.latency_ms.p50 > 0


def test_a_frame_is_passed_on_without_waiting_for_another(evening: Evening) -> None:
    source = Listed([seen(index) for index in range(5)])
    evening.run(source, ahead=False)
    for _ in range(5):
        source.allowed.release()
        assert evening.arrived.acquire(timeout=WAIT_S)  # else the next one never comes
    assert evening.ended.wait(WAIT_S)
    assert evening.pipeline.log == [
        (what, index) for index in range(5) for what in ("begin", "finish")
    ]


def test_a_panic_hides_the_frame_under_way_even_if_it_is_over(evening: Evening) -> None:
    """It comes and goes while frame 3 is under way and 4 begins: both were seen before it."""

    def at_begin(index: int) -> None:
        if index == 4:
            assert ("finish", 3) not in evening.pipeline.log
            evening.session.panic()
            evening.session.resume()

    evening.pipeline.at_begin = at_begin
    source = Listed([seen(index) for index in range(8)])
    source.allowed.release(8)
    evening.run(source)
    assert evening.ended.wait(WAIT_S)
    assert evening.session.status().shown == {Showing.LIVE: 6, Showing.SLATE: 2}
    assert len(evening.written) == 8
    room = seen(0).pixels[150:200, :100].astype(int)  # where there is neither face nor badge
    off = [int(np.abs(one[150:200, :100] - room).max()) for one in evening.written]
    assert [index for index, levels in enumerate(off) if levels > 20] == [3, 4]


def test_a_source_that_is_away_is_told_after_the_frame_under_way(evening: Evening) -> None:
    away = SourceAway("The camera is unplugged.", "Plug it in.")
    source = Listed([seen(0), seen(1), away, seen(2)])
    source.allowed.release(4)
    evening.run(source)
    assert evening.ended.wait(WAIT_S)
    assert [index for what, index in evening.pipeline.log if what == "finish"] == [0, 1, 2]
    assert evening.session.status().recoveries == 1


def test_another_size_waits_for_the_frame_under_way(evening: Evening) -> None:
    frames = [seen(index, shape=SHAPES[index // 3 % 2]) for index in range(9)]
    source = Listed(list(frames))
    source.allowed.release(9)
    evening.run(source)
    assert evening.ended.wait(WAIT_S)
    assert [one.shape for one in evening.written] == [frame.pixels.shape for frame in frames]
    assert evening.session.status().shown == {Showing.LIVE: 9}


def test_a_stop_drops_the_frame_under_way_and_a_new_start_works(evening: Evening) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def at_begin(index: int) -> None:
        if index == 4:
            reached.set()
            assert go_on.wait(WAIT_S)

    evening.pipeline.at_begin = at_begin
    source = Listed([seen(index) for index in range(8)])
    source.allowed.release(8)
    evening.run(source)
    assert reached.wait(WAIT_S)
    stopping = threading.Thread(target=evening.session.stop)
    stopping.start()
    go_on.set()
    stopping.join()
    evening.pipeline.at_begin = lambda index: None
    evening.pipeline.log.clear()
    again = Listed([seen(index) for index in range(4)])
    again.allowed.release(4)
    evening.run(again)
    assert evening.ended.wait(WAIT_S)
    assert [index for what, index in evening.pipeline.log if what == "finish"] == [0, 1, 2, 3]
    assert evening.work.problem is None


def test_the_last_of_so_many_frames_is_passed_on(scene: Scene) -> None:
    with on_device(scene) as work:
        pipeline = CountedPipeline(scene.engines, Timing(), work, 3)
        settings = with_value(LIVE, "privacy.empty_ms", 2000)
        session = Session(pipeline, Timing(), settings)
        session.identity = scene.identity()
        ended = threading.Event()
        session._on_change = lambda: ended.set() if session.status().state is State.ENDED else None
        source = Listed([seen(index) for index in range(8)])
        source.allowed.release(8)
        session.start(lambda: source, pace_loss=False)
        assert ended.wait(WAIT_S)
        assert session.status().timing.frames == 3
        session.close()
