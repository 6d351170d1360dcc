"""Two frames under way through the application's own pipeline and session, on the emulated device.

The device does its work late and in random order; what comes out must be what the host makes one
frame after the other, in order, each with its own verdict.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as fuzz
from hypothesis import strategies as st

from app.capture.source import SourceAway, SourceInfo
from app.errors import EngineError
from app.frame import Frame, Pixels
from app.pipeline import Begun, Pipeline, Processed
from app.pixel_work.on_device import DeviceWork
from app.session import Session, State
from app.settings import Settings, with_value
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.stages.privacy import Reason, Showing
from app.timing import Timing
from tests.helpers.device_scene import Scene, open_scene, picture
from tests.helpers.emulated_device import EmulatedDriver

WAIT_S = 60
SHAPES = ((240, 320), (160, 224))
LIVE = Settings(mirror=False)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = open_scene(tmp_path_factory.mktemp("models"))
    yield made
    made.close()


@pytest.fixture(autouse=True, scope="module")
def _tinting_is_swapping() -> Iterator[None]:
    """The tiny generator tints and keeps the structure, which a guarded pipeline would hide."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.stages.doubt.MOST_ALIKE", 1.1)
        patched.setattr("app.stages.doubt.LEAST_COVER", 0.0)
        yield


@contextmanager
def on_device(scene: Scene, seed: int = 0, slots: int = 2) -> Iterator[DeviceWork]:
    driver = EmulatedDriver(seed)
    work = scene.work(driver, slots=slots)
    yield work
    work.close()
    driver.close()


def seen(index: int, *, there: bool = True, shape: tuple[int, int] = SHAPES[0]) -> Frame:
    """A room that differs from frame to frame, with a face (bright blue) or without."""
    pixels = picture(*shape, seed=1) // 2
    pixels[..., 0] //= 4  # what is a little blue may be a face to the tiny detector
    if there:
        x = 120 + 2 * (index % 8)
        pixels[64:80, x : x + 16] = (255, 0, 0)
    pixels[:4, :4] = index
    return Frame(pixels, index, index / 30)


@dataclass(frozen=True)
class Moment:
    """A frame to come: what is seen, what the user has set, and whether the next one waits."""

    there: bool = True
    swap: bool = True
    shape: int = 0
    waits: bool = True
    permitted: bool = True


MOMENTS = st.builds(
    Moment,
    there=st.sampled_from((True, True, True, False)),
    swap=st.sampled_from((True, True, True, True, False)),
    shape=st.sampled_from((0, 0, 0, 0, 1)),
    waits=st.booleans(),
    permitted=st.sampled_from((True,) * 7 + (False,)),
)


@given(SEEDS, st.lists(MOMENTS, min_size=2, max_size=12))
@fuzz(max_examples=25, deadline=None)
def test_each_frame_is_the_host_s_in_order(scene: Scene, seed: int, moments: list[Moment]) -> None:
    with on_device(scene, seed) as work:
        device, host = Pipeline(scene.engines, Timing(), work), Pipeline(scene.engines, Timing())
        refusal = [""]
        identity = replace(scene.identity(), permit=lambda: refusal[0])
        done: list[Processed] = []
        expected: list[Processed] = []
        waiting: list[Begun] = []

        def land() -> None:
            while waiting:
                done.append(waiting.pop(0).finish())

        shape = moments[0].shape
        for index, moment in enumerate(moments):
            frame = seen(index, there=moment.there, shape=SHAPES[moment.shape])
            if moment.shape != shape:
                shape = moment.shape
                land()
                device.reset()
                host.reset()
            if not moment.permitted:
                land()  # a frame under way would be refused as well: another test's
            refusal[0] = "" if moment.permitted else "The consent was withdrawn."
            settings = replace(LIVE, swap=moment.swap)
            begun = device.begin(frame, settings, identity)
            land()
            waiting.append(begun)
            if not (begun.under_way and moment.waits):
                land()
            expected.append(host.process(frame, settings, identity))
        land()
        assert work.problem is None
    assert [one.frame.index for one in done] == list(range(len(moments)))
    for one, two in zip(done, expected, strict=True):
        assert (one.showing, one.reason, one.refusal) == (two.showing, two.reason, two.refusal)
        assert (one.swapped, len(one.faces)) == (two.swapped, len(two.faces))
        assert one.frame.captured_at == two.frame.captured_at
        assert np.array_equal(one.before.pixels, two.before.pixels)
        # What is held of a frame carries the marks where it stayed on the card: 3 levels more.
        most = 5 if one.showing in (Showing.HELD, Showing.BLURRED) else 2
        assert np.abs(one.frame.pixels.astype(int) - two.frame.pixels).max() <= most


def test_a_frame_under_way_is_not_shown_once_the_consent_has_ended(scene: Scene) -> None:
    with on_device(scene) as work:
        pipeline, refusal = Pipeline(scene.engines, Timing(), work), [""]
        identity = replace(scene.identity(), permit=lambda: refusal[0])
        first = pipeline.begin(seen(0), LIVE, identity)
        assert first.under_way
        refusal[0] = "The consent was withdrawn."
        second = pipeline.begin(seen(1), LIVE, identity)
        for begun in (first, second):
            done = begun.finish()
            assert (done.showing, done.reason) == (Showing.SLATE, Reason.CONSENT)
            assert done.refusal == refusal[0]
        refusal[0] = ""
        gone = pipeline.begin(seen(2, there=False), LIVE, identity).finish()
        assert gone.showing is not Showing.HELD  # nothing of the frames before is laid again


def test_a_device_that_fails_hides_both_frames_and_the_host_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = EmulatedDriver()
    work = scene.work(driver)
    pipeline, identity = Pipeline(scene.engines, Timing(), work), scene.identity()
    first = pipeline.begin(seen(0), LIVE, identity)
    second = pipeline.begin(seen(1), LIVE, identity)
    assert first.under_way
    assert second.under_way

    def broken(*arguments: object) -> None:
        raise EngineError("The GPU fell off the bus.")

    with monkeypatch.context() as patched:
        patched.setattr(driver, "synchronize", broken)
        for begun in (first, second):
            done = begun.finish()
            assert (done.showing, done.reason) == (Showing.SLATE, Reason.FAILED)
        third = pipeline.begin(seen(2), LIVE, identity)
        assert not third.under_way
    assert third.finish().swapped == 1
    assert pipeline.place.name == "CPU"
    work.close()
    driver.close()


def test_with_one_slot_nothing_is_under_way(scene: Scene) -> None:
    with on_device(scene, slots=1) as work:
        pipeline = Pipeline(scene.engines, Timing(), work)
        for index in range(3):
            begun = pipeline.begin(seen(index), LIVE, scene.identity())
            assert not begun.under_way
            assert begun.finish().swapped == 1


def test_what_nobody_waits_for_any_more_makes_room(scene: Scene) -> None:
    with on_device(scene) as work:
        pipeline, identity = Pipeline(scene.engines, Timing(), work), scene.identity()
        begun = [pipeline.begin(seen(index), LIVE, identity) for index in range(3)]
        assert begun[0].finish().showing is Showing.SLATE  # two later ones took its slot
        assert [one.finish().swapped for one in begun[1:]] == [1, 1]
        assert work.problem is None


class Told(Pipeline):
    """Notes when frames are begun and finished; ``at_begin`` is called before each.

    A frame is begun only when the next one of ``source`` waits, where it is given.
    """

    def __init__(self, scene: Scene, work: DeviceWork, *, guarded: bool = True) -> None:
        super().__init__(scene.engines, Timing(), work, guarded=guarded)
        self.log: list[tuple[str, int]] = []
        self.at_begin: Callable[[int], object] = lambda index: None
        self.source: Listed | None = None

    def begin(
        self,
        frame: Frame,
        settings: Settings,
        identity: Identity | None,
        wishes: Wishes = NO_WISHES,
    ) -> Begun:
        if self.source is not None:
            self.source.await_asked(frame.index + 3)
        self.at_begin(frame.index)
        self.log.append(("begin", frame.index))
        begun = super().begin(frame, settings, identity, wishes)

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
    from app.cli.headless import CountedPipeline

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
