"""Networks and pixel work that move to a card under the running picture."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import engine_builder
from app.automatic_build import AutomaticBuild, Stage
from app.capture.source import SourceInfo
from app.cli import build_offer
from app.engine_builder import EngineBuild
from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Begun, Pipeline, Processed
from app.pixel_work.contract import PixelWork
from app.pixel_work.on_host import HostWork
from app.pixel_work.opening import pixel_work, renew
from app.pixel_work.renewable import RenewableWork
from app.session import Session, State
from app.settings import BadgeSettings, ColorSettings, LatencySettings, Settings
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from engines import built
from engines.backend import Backend
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.memory import Memory
from engines.runtimes import CHAIN, Runtime
from tests.helpers import tiny_models
from tests.helpers.device_scene import Scene
from tests.helpers.emulated_device import EmulatedDriver
from tests.helpers.fake_tensorrt import GPU, FakeStream, fake_trt

WAIT_S = 120
RED = 200


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "engines.json")


class Steady:
    """A source that gives the next frame when the last one came out: none can be late."""

    def __init__(self, count: int | None = None, pause_s: float = 0.0) -> None:
        self.pixels = np.zeros((240, 320, 3), np.uint8)
        self.pixels[..., 2] = RED
        self.pixels[96:112, 160:176, 0] = 255  # a face to the tiny detector
        self.info = SourceInfo("steady", 320, 240, 30.0, True, None)
        self.out = threading.Semaphore(1)
        self.over = threading.Event()
        self._left, self._pause_s, self._index = count, pause_s, 0

    def read(self) -> Frame | None:
        if self._left == self._index or not self.out.acquire(timeout=WAIT_S):
            return None
        if self.over.wait(self._pause_s):
            return None
        self._index += 1
        return Frame(self.pixels.copy(), self._index - 1, self._index / 30)

    def close(self) -> None:
        self.over.set()
        self.out.release()


@dataclass(frozen=True)
class Made:
    """What became of a frame, what ran the swapper, and where the pixels were worked on."""

    index: int
    fine: bool  # swapped and shown
    runtime: str
    place: str
    red: float  # grey levels in the face; the swap adds 25, or 20 where it has a mask of its own


class Keeping(Pipeline):
    """Notes what became of each frame."""

    def __init__(self, engines: Engines, work: PixelWork | None, source: Steady) -> None:
        super().__init__(engines, Timing(), work, guarded=False)  # the tiny generator only tints
        self.made: list[Made] = []
        self._engines, self._source = engines, source
        self.after: Callable[[int], object] = lambda number: None

    def begin(self, frame: Frame, *asked: Any, **named: Any) -> Begun:
        begun, place = super().begin(frame, *asked, **named), self.place.name

        def finish() -> Processed:
            done = begun.finish()
            self.made.append(
                Made(
                    done.frame.index,
                    done.swapped == 1 and done.showing is Showing.LIVE,
                    self._engines.slots["swapper"].runtime,
                    place,
                    float(done.frame.pixels[100:108, 164:172, 2].mean()),
                )
            )
            self.after(len(self.made))
            self._source.out.release()
            return done

        return Begun(finish, begun.under_way)


@dataclass
class Evening:
    """Networks that run on the CPU, on a computer with a card."""

    engines: Engines
    folder: Path
    assets: Path

    def offer(self, work: PixelWork | None = None) -> EngineBuild:
        """The offer that the entry point makes, with the builder on the card made of ONNX."""
        offer = build_offer.engine_build(self.engines, work, look=lambda: GPU, load=fake_trt)
        assert offer is not None
        words = ("-m", "tests.helpers.builder_on_fake_card", "--assets", str(self.assets))
        command = (sys.executable, *words, "--wait", str(self.folder / "go"), "--", "--events")
        models = {"swapper": offer.models["swapper"]}  # the others' probes need real faces
        return replace(offer, command=command, models=models)


@pytest.fixture
def evening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Evening]:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    monkeypatch.setattr(engine_builder, "NICENESS", 0)  # else it starves on a busy computer
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    assets = tiny_models.bundle(tmp_path / "assets")

    def open_network(model: bytes, label: str, warm: object) -> Backend:
        return built.open_built(
            "TensorRT",
            model,
            label,
            load=lambda name: fake_trt(),
            look=lambda: GPU,
            open_stream=FakeStream,
        )

    card = Runtime("tensorrt", "TensorRT", "GPU", lambda: "", open_network)
    engines = load_engines(models=ModelStore(assets, tmp_path / "own"), chain=(card, CHAIN[-1]))
    yield Evening(engines, tmp_path, assets)
    engines.close()


def _session(evening: Evening, pipeline: Pipeline, settings: Settings) -> Session:
    session = Session(pipeline, Timing(), settings)
    vector = np.zeros(128, np.float32)
    vector[0] = 0.1
    swapper = evening.engines.swapper
    session.identity = Identity("id", "Name", vector, swapper.prepare(vector))
    return session


PLAIN = Settings(
    mirror=False,
    color=ColorSettings(match=0.0),
    badge=BadgeSettings(enabled=False),
    latency=LatencySettings(governor=False),  # it leaves frames out where the machine is busy
)


def test_first_start_without_engines(evening: Evening, memory: Memory) -> None:
    """The picture runs on the CPU; a process builds; the picture goes on, on the engine."""
    assert evening.engines.slots["swapper"].runtime == "onnx"
    source = Steady(pause_s=0.005)
    pipeline = Keeping(evening.engines, None, source)
    session = _session(evening, pipeline, PLAIN)
    automatic = AutomaticBuild(evening.offer(), memory)
    running, moved, ended = threading.Event(), threading.Event(), threading.Event()
    at_end: list[int] = []

    def after(number: int) -> None:
        if number == 5:
            running.set()
        if pipeline.made[-1].runtime == "tensorrt" and not at_end:
            at_end.append(number)
        if at_end and number == at_end[0] + 10:
            source.over.set()
            moved.set()

    def changed() -> None:
        if session.status().state is State.ENDED:
            ended.set()

    pipeline.after = after
    session._on_change = changed
    with ExitStack() as stack:
        stack.callback(session.close)
        session.start(lambda: source)  # live: a frame that comes too late is lost and counted
        assert running.wait(WAIT_S)
        building = threading.Thread(target=automatic.run, args=(threading.Event(),))
        building.start()
        stack.callback(building.join, WAIT_S)
        stack.callback(automatic.close)
        (evening.folder / "go").touch()
        building.join(WAIT_S)
        assert automatic.status.stage is Stage.DONE, automatic.status.sentence
        assert moved.wait(WAIT_S)
        assert ended.wait(WAIT_S)
        assert session.status().dropped == 0
    made = pipeline.made
    assert [one.index for one in made] == list(range(len(made)))
    assert all(one.fine for one in made)
    assert [one for one in made if not 15 < one.red - RED < 30] == []
    runtimes = [one.runtime for one in made]
    assert runtimes == sorted(runtimes)  # onnx, then tensorrt and never back
    assert set(runtimes) == {"onnx", "tensorrt"}
    left = build_offer.engine_build(evening.engines, look=lambda: GPU, load=fake_trt)
    assert left is not None
    assert "swapper" not in left.models


def test_the_pixel_work_moves_to_the_card_under_the_picture(scene: Scene) -> None:
    source, driver, ready = Steady(30), EmulatedDriver(4), False
    with ExitStack() as stack:

        def reopen(opened: ExitStack) -> PixelWork:
            if not ready:
                raise EngineError("There is no engine yet.")
            work = scene.work(driver)
            opened.callback(driver.close)
            opened.callback(work.close)
            return work

        closings: list[str] = []
        closing = ExitStack()
        closing.callback(closings.append, "host")
        work = RenewableWork(HostWork(scene.engines, Timing()), closing, reopen)
        stack.callback(work.close)
        assert not work.renew()
        ready = True
        pipeline = Keeping(scene.engines, work, source)
        session = Session(pipeline, Timing(), PLAIN)
        stack.callback(session.close)
        session.identity = scene.identity()
        moving, ended = threading.Thread(target=renew, args=(work,)), threading.Event()

        def after(number: int) -> None:
            if number == 8:
                moving.start()
            elif number == 20:
                moving.join()  # at the latest: the frames after it are the card's

        def changed() -> None:
            if session.status().state in (State.ENDED, State.FAILED):
                ended.set()

        pipeline.after, session._on_change = after, changed
        session.start(lambda: source, pace_loss=False)
        assert ended.wait(WAIT_S)
        status = session.status()
        assert status.state is State.ENDED
        assert closings == ["host"]
        assert not renew(work)  # the same networks again
    made = pipeline.made
    assert [one.index for one in made] == list(range(30))
    assert all(one.fine for one in made)
    assert [one for one in made if not 15 < one.red - RED < 30] == []
    places = [one.place for one in made]
    assert places == sorted(places)  # "CPU", then "emulated device"
    assert places[7] == "CPU"
    assert places[-1] == driver.name
    assert driver.closed


def test_what_was_found_too_late_is_freed(scene: Scene) -> None:
    driver = EmulatedDriver()

    def reopen(opened: ExitStack) -> PixelWork:
        work = scene.work(driver)
        opened.callback(driver.close)
        opened.callback(work.close)
        return work

    work = RenewableWork(HostWork(scene.engines, Timing()), ExitStack(), reopen)
    assert work.renew()
    work.close()
    assert driver.closed
    late = RenewableWork(HostWork(scene.engines, Timing()), ExitStack(), reopen)
    late.close()
    assert not late.renew()


def test_where_the_card_is_not_wanted_nothing_moves(scene: Scene) -> None:
    with pixel_work(scene.engines, Timing(), "cpu") as work:
        assert not renew(work)
