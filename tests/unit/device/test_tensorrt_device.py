"""Built engines inside of the chain: the fake runtime's on the emulated device."""

from __future__ import annotations

import gc
import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.errors import EngineError
from app.pixel_work import opening
from app.pixel_work.on_device import DeviceWork
from app.pixel_work.on_host import HostWork
from app.pixel_work.renewable import RenewableWork
from app.timing import Timing
from engines import tensorrt_device
from engines.build_target import Target, key_for
from engines.cuda import Gpu
from engines.device.driver import Address, Stream
from engines.device.network import DeviceNetworks
from engines.device.slots import Streams
from engines.engine_file import EngineFiles, EngineRecord
from engines.loading import UNASKED, Engines
from engines.onnx_graph import input_shapes, read_graph
from engines.shapes import FACES, PICTURE_SIZES, profiles_for
from engines.tensorrt_plan import build_plan
from engines.tensorrt_runtime import TensorRT
from tests.helpers.device_scene import BADGE, SETTINGS, Scene, face, picture
from tests.helpers.emulated_device import (
    EmulatedDetectorNetworks,
    EmulatedDriver,
    EmulatedNetwork,
    Operation,
)
from tests.helpers.fake_tensorrt import GPU, fake_trt


class OnDevice:
    """A stream of the emulated device, for the fake runtime's engines."""

    def __init__(self, driver: EmulatedDriver, handle: int) -> None:
        self._driver, self._stream = driver, Stream(handle)

    def view(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape)) * 4
        return self._driver.bytes_at(Address(address), size).view(np.float32).reshape(shape)

    def queue(self, work: Callable[[], None], reads: Sequence[int], writes: Sequence[int]) -> None:
        from_, to = (tuple(self._driver.at(Address(a))[0] for a in p) for p in (reads, writes))
        self._driver.push(Operation("an engine", work, from_, to), self._stream)


@dataclass
class Rig:
    """An emulated device, the fake runtime on it, a folder of engines, and all that is alive."""

    scene: Scene
    files: EngineFiles
    driver: EmulatedDriver = field(default_factory=EmulatedDriver)
    alive: list[weakref.ref[Any]] = field(default_factory=list)
    gpu: Gpu = GPU

    def __post_init__(self) -> None:
        self.trt = fake_trt(memory=lambda handle: OnDevice(self.driver, handle))
        alive = self.alive

        class Runtime(self.trt.module.Runtime):  # type: ignore[misc,name-defined] # a fake's
            def deserialize_cuda_engine(self, plan: bytes) -> Any:
                engine = super().deserialize_cuda_engine(plan)
                if engine is not None:
                    kind = type(engine)

                    class Engine(kind):  # type: ignore[misc,valid-type]
                        def create_execution_context(self) -> Any:
                            context = super().create_execution_context()
                            alive.append(weakref.ref(context))
                            return context

                    engine.__class__ = Engine
                    alive.append(weakref.ref(engine))
                return engine

        self.trt.module.Runtime = Runtime

    def build(self, role: str, *, check: str = "passed") -> EngineRecord:
        """An engine of a role's network, as a build leaves it."""
        file = self.scene.engines.slots[role].file
        model, label = file.read(), file.path.stem
        profiles = profiles_for(input_shapes(read_graph(model, label)))
        plan, _ = build_plan(self.trt, model, label, profiles)
        target = Target(GPU.name, GPU.compute_capability, True)
        key = key_for(self.trt, target, label, file.sha256, "fp16")
        digest = hashlib.sha256(plan).hexdigest()
        record = EngineRecord(key, digest, len(plan), check, "as a test says")  # type: ignore[arg-type]
        self.files.save(record, plan)
        return record

    def load(self, name: str) -> TensorRT:
        """The runtime, of which only the first is installed."""
        if name != "TensorRT":
            raise EngineError(f"{name} is not installed.", "Install it.")
        return self.trt

    def open(self, streams: Streams, runtimes: Sequence[str] = ("TensorRT",)) -> DeviceNetworks:
        """Both networks."""
        slots = self.scene.engines.slots
        return tensorrt_device.open_networks(
            slots["detector"].file,
            slots["swapper"].file,
            self.scene.swapper.layout,
            streams,
            runtimes=runtimes,
            folder=self.files.folder,
            load=self.load,
            look=lambda: self.gpu,
        )

    @property
    def living(self) -> int:
        """How many engines and contexts there are."""
        gc.collect()
        return sum(ref() is not None for ref in self.alive)


@pytest.fixture
def rig(scene: Scene, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(scene, EngineFiles(tmp_path / "engines"))
    yield made
    made.driver.close()


@pytest.fixture
def built(rig: Rig) -> Rig:
    rig.build("detector")
    rig.build("swapper")
    return rig


def _use(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real opener find the rig's runtime, GPU and engines."""
    whole = tensorrt_device.open_networks

    def open_networks(*given: Any, **more: Any) -> DeviceNetworks:
        seams = {"folder": rig.files.folder, "load": rig.load, "look": lambda: rig.gpu}
        return whole(*given, **more, **seams)

    monkeypatch.setattr(tensorrt_device, "open_networks", open_networks)


def _emulated(rig: Rig) -> opening.OpenNetworks:
    def networks(engines: Engines, streams: Streams) -> DeviceNetworks:
        detectors = EmulatedDetectorNetworks(rig.driver, rig.scene.detector)
        generator = EmulatedNetwork(rig.driver, rig.scene.generator)
        return DeviceNetworks(detectors, generator, rig.scene.swapper.layout)

    return networks


def test_frames_are_the_hosts_and_the_engine_is_in_the_graph(
    built: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(built, monkeypatch)
    assert opening.NETWORKS[0] is opening.tensorrt_networks
    scene, faces = built.scene, [face(100, 120, 90), face(210, 120, 80, track=2)]
    host = HostWork(scene.engines, Timing())
    with opening.pixel_work(
        scene.engines, Timing(), "gpu", open_driver=lambda cache: built.driver
    ) as work:
        assert isinstance(work, RenewableWork)
        device = work.current
        assert isinstance(device, DeviceWork)
        assert work.place.engine == f"TensorRT 11.0, {GPU.name}"
        assert work.place.why == ""
        for number in range(8):
            seen, shown = picture(seed=number), []
            for one in (work, host):
                canvas = one.open(seen)
                for n, who in enumerate(faces):
                    canvas.swap(who, SETTINGS, scene.identity(0.1 + 0.1 * n))
                shown.append(canvas.finished(BADGE).astype(int))
            assert np.abs(shown[0] - seen).max() > 10
            difference = np.abs(shown[0] - shown[1])
            assert difference.max() <= 2
            assert (difference > 1).mean() < 1e-4
        assert device.problem is None
        assert device.graphs == 2  # one for each slot: the generator is inside of it
        assert built.driver.launched.count("an engine") == 8  # both faces at once
    assert built.living == 0


@pytest.mark.parametrize("shape", [(180, 320), (240, 320), (320, 240)])
def test_faces_are_found_by_the_engine(
    built: Rig, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    _use(built, monkeypatch)
    scene, seen = built.scene, np.zeros((*shape, 3), np.uint8)
    seen[96:128, 128:160, 0] = 250
    with opening.pixel_work(
        scene.engines, Timing(), "gpu", open_driver=lambda cache: built.driver
    ) as work:
        work.open(seen)
        expected, got = (one.detect(seen, 0.5) for one in (scene.engines.detector, work.finder))
        assert len(got) == len(expected) > 0
        for one, two in zip(got, expected, strict=True):
            np.testing.assert_allclose(one.landmarks, two.landmarks, atol=0.01)
        assert "an engine" in built.driver.launched


def test_canvases_that_cannot_be_had_are_left_to_the_host(built: Rig) -> None:
    networks = built.open(Streams(built.driver))
    before = built.living
    found = networks.detector
    for height, width in PICTURE_SIZES:
        network = found.network(width, height)
        assert network is not None
        assert network.inputs[0].shape == (1, 3, height, width)
        assert network.outputs[0].shape == (1, width * height // 64, 1)
        assert network.capturable
    assert built.living == before  # those were made at the start
    assert found.network(1280, 64) is None
    made = [found.network(64 + 32 * n, 64) for n in range(tensorrt_device.MOST_CANVASES + 2)]
    assert made.count(None) >= 2
    assert found.network(64, 64) is made[0] is not None
    networks.close()
    networks.close()
    assert built.living == 0
    with pytest.raises(EngineError, match="was closed"):
        networks.generator.enqueue(Stream(1), {})


def test_why_there_are_none(rig: Rig) -> None:
    streams = Streams(rig.driver)
    with pytest.raises(EngineError, match=r"No engine was built for detector yet\."):
        rig.open(streams)
    rig.build("detector")
    with pytest.raises(EngineError, match=r"for swapper yet\. TensorRT-RTX is not installed"):
        rig.open(streams, ("TensorRT", "TensorRT-RTX"))
    rig.build("swapper", check="failed")
    with pytest.raises(EngineError, match="did not pass its check"):
        rig.open(streams)
    rig.build("swapper", check="not run")
    with pytest.raises(EngineError, match="its check was"):
        rig.open(streams)
    rig.gpu = replace(GPU, name="NVIDIA GeForce RTX 4090", compute_capability="8.9")
    rig.build("swapper")
    with pytest.raises(EngineError, match=r"built for NVIDIA GeForce RTX 3060 .* this is .*4090"):
        rig.open(streams)
    rig.gpu = GPU
    networks = rig.open(streams)
    networks.close()
    assert rig.living == 0


def test_without_a_gpu_there_is_a_sentence(built: Rig) -> None:
    def none() -> Gpu:
        raise EngineError("There is no NVIDIA driver.", "Get one.")

    slots = built.scene.engines.slots
    with pytest.raises(EngineError, match="no NVIDIA driver"):
        tensorrt_device.open_networks(
            slots["detector"].file,
            slots["swapper"].file,
            built.scene.swapper.layout,
            Streams(built.driver),
            folder=built.files.folder,
            load=built.load,
            look=none,
        )
    assert built.living == 0


@pytest.mark.parametrize("refused", ["detector", "swapper"])
def test_nothing_stays_where_the_gpu_has_no_room(
    built: Rig, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """No context can be made of one of the two engines; the other, open already, goes as well."""
    runtime = built.trt.module.Runtime
    opened: list[Any] = []

    def refusing(self: Any, plan: bytes) -> Any:
        engine = runtime.deserialize_cuda_engine(self, plan)
        opened.append(None)
        if len(opened) == (1 if refused == "detector" else 2):
            monkeypatch.setattr(engine, "create_execution_context", lambda: None, raising=False)
        return engine

    made = type("Refusing", (runtime,), {"deserialize_cuda_engine": refusing})
    built.trt.module.Runtime = made
    with pytest.raises(EngineError, match=f"{refused}.onnx cannot be made ready"):
        built.open(Streams(built.driver))
    assert len(opened) == (1 if refused == "detector" else 2)
    monkeypatch.undo()
    assert built.living == 0


def test_the_next_runtime_takes_over_and_the_reason_is_kept(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(rig, monkeypatch)
    rig.build("detector")
    rig.build("swapper", check="failed")
    with opening.pixel_work(
        rig.scene.engines,
        Timing(),
        "gpu",
        open_driver=lambda cache: rig.driver,
        networks=(opening.tensorrt_networks, _emulated(rig)),
    ) as work:
        assert work.place.engine.startswith("emulated ONNX Runtime")
        assert "The engine of swapper is not used: it did not pass its check" in work.place.why
        assert "TensorRT-RTX is not installed." in work.place.why
    assert rig.living == 0


def test_with_no_onnx_runtime_for_cuda_either_both_reasons_are_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(rig, monkeypatch)
    monkeypatch.setattr("engines.onnx_backend.available_devices", lambda: ["CPU"])
    with opening.pixel_work(
        rig.scene.engines, Timing(), "auto", open_driver=lambda cache: rig.driver
    ) as work:
        assert work.place.name == "CPU"
        assert "No engine was built for detector yet." in work.place.why
        assert "is built without CUDA" in work.place.why


def test_another_engine_asked_for_is_not_replaced(built: Rig) -> None:
    asked = replace(built.scene.engines, asked_for=True)
    with pytest.raises(EngineError, match=UNASKED):
        opening.tensorrt_networks(asked, Streams(built.driver))


def test_a_context_that_is_still_compiling_is_not_captured(built: Rig) -> None:
    """TensorRT-RTX says for each context whether its next run may be captured."""
    ready: list[int] = []
    networks = built.open(Streams(built.driver))
    context = next(c for r in built.alive if hasattr(c := r(), "execute_async_v3"))
    type(context).is_stream_capturable = lambda self, stream: bool(ready)
    try:
        assert not networks.generator.capturable
        ready.append(1)
        assert networks.generator.capturable
    finally:
        del type(context).is_stream_capturable
    networks.close()


def test_contexts_of_tensorrt_rtx_leave_capturing_to_the_chain(built: Rig) -> None:
    """Its own graphs are off, and what it compiled is kept beside the engine."""
    module, configs = built.trt.module, []
    module.IRuntimeCache = module.IRuntimeConfig = object
    module.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="graph")
    cache = SimpleNamespace(deserialize=lambda data: True, serialize=lambda: b"compiled")

    class Config(SimpleNamespace):
        def create_runtime_cache(self) -> SimpleNamespace:
            return cache

        def set_runtime_cache(self, given: SimpleNamespace) -> None:
            assert given is cache

    class Runtime(module.Runtime):  # type: ignore[misc,name-defined] # a fake's
        def deserialize_cuda_engine(self, plan: bytes) -> Any:
            engine = super().deserialize_cuda_engine(plan)
            plain = engine.create_execution_context

            def create(config: Config) -> Any:
                configs.append(config)
                return plain()

            engine.create_runtime_config, engine.create_execution_context = Config, create
            return engine

    module.Runtime = Runtime
    networks = built.open(Streams(built.driver))
    assert len(configs) == len(PICTURE_SIZES) + len(FACES)
    assert not any(hasattr(config, "cuda_graph_strategy") for config in configs)
    networks.close()
    kept = [path.read_bytes() for path in built.files.folder.glob("*.jit")]
    assert kept == [b"compiled"] * 2
    assert built.living == 0
