"""A runtime with TensorRT's interface whose engines are ONNX files run by ONNX Runtime.

Its streams are as late as CUDA's: nothing queued happens before ``wait``. ``spoil`` may change what
a build makes, as a GPU's arithmetic might.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from engines.cuda import Gpu
from engines.tensorrt_runtime import TensorRT

GPU = Gpu("NVIDIA GeForce RTX 3060", "8.6", 12 << 30, "13.0")
_KINDS = {"tensor(float)": "FLOAT", "tensor(float16)": "HALF"}
_STREAMS: dict[int, FakeStream] = {}


class FakeStream:
    """Host arrays play both memories; counts what it gave and whether it was closed."""

    def __init__(self) -> None:
        self.handle = len(_STREAMS) + 1
        _STREAMS[self.handle] = self
        self.device: dict[int, np.ndarray] = {}
        self.queue: list[Callable[[], None]] = []
        self.closed = False

    def pinned(self, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
        return np.full(shape, 7, dtype)

    def allocate(self, size_bytes: int) -> int:
        address = 1000 * self.handle + len(self.device) + 1
        self.device[address] = np.full(size_bytes, 9, np.uint8)
        return address

    def up(self, address: int, array: np.ndarray) -> None:
        def copy() -> None:
            self.device[address][:] = np.frombuffer(array.tobytes(), np.uint8)

        self.queue.append(copy)

    def down(self, array: np.ndarray, address: int) -> None:
        def copy() -> None:
            array[...] = self.device[address].view(array.dtype).reshape(array.shape)

        self.queue.append(copy)

    def wait(self) -> None:
        for act in self.queue:
            act()
        self.queue.clear()

    def close(self) -> None:
        self.closed = True
        self.device.clear()


class Memory(Protocol):
    """Where a fake engine's tensors lie, and the stream that its runs are queued on."""

    def view(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        """The float32 tensor at an address; asked when the stream comes to the run."""

    def queue(self, work: Callable[[], None], reads: Sequence[int], writes: Sequence[int]) -> None:
        """Put a run that uses these addresses on the stream."""


class _OfStream:
    """The memory of a ``FakeStream``."""

    def __init__(self, handle: int) -> None:
        self._stream = _STREAMS[handle]

    def view(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        return self._stream.device[address].view(np.float32).reshape(shape)

    def queue(self, work: Callable[[], None], reads: Sequence[int], writes: Sequence[int]) -> None:
        self._stream.queue.append(work)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._profile: int | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, index: int, handle: int) -> bool:
        self._profile = index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine.get_tensor_profile_shape(name, self._profile or 0)
        self._shapes[name] = shape
        return all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return self._shapes[name]
        return self._run({n: np.zeros(s, np.float32) for n, s in self._shapes.items()})[name].shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, handle: int) -> bool:
        places = dict(self._addresses)  # as queued: they may be set anew before it is run
        memory = self._engine.memory(handle)

        def compute() -> None:
            inputs = {
                name: memory.view(places[name], shape).copy()
                for name, shape in self._shapes.items()
            }
            for name, value in self._run(inputs).items():
                memory.view(places[name], value.shape)[...] = value

        reads = [places[name] for name in self._shapes]
        memory.queue(compute, reads, [a for a in places.values() if a not in reads])
        return True

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = self._engine.session
        names = [node.name for node in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))


class _Engine:
    def __init__(
        self,
        session: ort.InferenceSession,
        profiles: list[dict[str, Any]],
        memory: Callable[[int], Memory],
    ) -> None:
        self.session, self.memory = session, memory
        self._inputs = {node.name: node for node in session.get_inputs()}
        self._all = [*session.get_inputs(), *session.get_outputs()]
        self._profiles = profiles
        self.num_io_tensors = len(self._all)
        self.num_optimization_profiles = len(profiles) or 1

    def get_tensor_name(self, index: int) -> str:
        return str(self._all[index].name)

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name in self._inputs else "output"

    def get_tensor_dtype(self, name: str) -> SimpleNamespace:
        node = next(node for node in self._all if node.name == name)
        return SimpleNamespace(name=_KINDS[node.type])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        node = next(node for node in self._all if node.name == name)
        return tuple(size if isinstance(size, int) else -1 for size in node.shape)

    def get_tensor_profile_shape(self, name: str, index: int) -> tuple[tuple[int, ...], ...]:
        if self._profiles:
            found: tuple[tuple[int, ...], ...] = self._profiles[index][name]
            return found
        shape = self.get_tensor_shape(name)
        least, most = (tuple(n if s < 0 else s for s in shape) for n in (1, 4096))
        return least, tuple(1 if s < 0 else s for s in shape), most

    def create_execution_context(self) -> _Context:
        return _Context(self)


def fake_trt(
    *,
    name: str = "TensorRT",
    version: str = "11.0.0",
    spoil: Callable[[bytes], bytes] = lambda model: model,
    steps: int = 3,
    memory: Callable[[int], Memory] = _OfStream,
) -> TensorRT:
    """The runtime; ``spoil`` turns the ONNX bytes of a build into those the engine runs.

    ``memory`` finds by its handle the stream that a run is to be queued on.
    """
    profiles_of: dict[bytes, list[dict[str, Any]]] = {}
    logger = SimpleNamespace(take=lambda: "no words")

    class Builder:
        def __init__(self, logger: object) -> None:
            self.max_threads = 2

        def create_network(self, flags: int) -> SimpleNamespace:
            return SimpleNamespace(model=b"")

        def create_optimization_profile(self) -> SimpleNamespace:
            shapes: dict[str, Any] = {}
            return SimpleNamespace(
                shapes=shapes,
                set_shape=lambda n, least, best, most: shapes.update({n: (least, best, most)}),
            )

        def create_builder_config(self) -> SimpleNamespace:
            profiles: list[dict[str, Any]] = []

            def add(profile: SimpleNamespace) -> int:
                profiles.append(profile.shapes)
                return len(profiles) - 1

            return SimpleNamespace(
                profiles=profiles,
                add_optimization_profile=add,
                clear_flag=lambda flag: None,
                set_memory_pool_limit=lambda pool, size: None,
                create_timing_cache=lambda old: SimpleNamespace(serialize=lambda: old + b"t"),
                set_timing_cache=lambda cache, ignore_mismatch: True,
                set_compute_capability=lambda target, index: True,
            )

        def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
            monitor = config.progress_monitor
            monitor.phase_start("build", None, 2)
            for outer in range(2):
                monitor.phase_start("layers", "build", steps)
                for step in range(steps):
                    if not monitor.step_complete("layers", step):
                        return None
                monitor.phase_finish("layers")
                if not monitor.step_complete("build", outer):
                    return None
            plan = spoil(network.model)
            profiles_of[plan] = config.profiles
            return plan

    class OnnxParser:
        def __init__(self, network: SimpleNamespace, logger: object) -> None:
            self._network, self.num_errors = network, 0

        def parse(self, model: bytes) -> bool:
            self._network.model = model
            return True

    class Runtime:
        def __init__(self, logger: object) -> None:
            pass

        def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
            options = ort.SessionOptions()
            options.log_severity_level = 4
            try:
                session = ort.InferenceSession(plan, options)
            except Exception:
                return None
            return _Engine(session, profiles_of.get(plan, []), memory)

    module = SimpleNamespace(
        Builder=Builder,
        OnnxParser=OnnxParser,
        Runtime=Runtime,
        IProgressMonitor=object,
        TensorIOMode=SimpleNamespace(INPUT="input"),
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        BuilderFlag=SimpleNamespace(TF32=1),
        MemoryPoolType=SimpleNamespace(WORKSPACE=1),
        ComputeCapability=SimpleNamespace(SM86=86, SM89=89),
    )
    return TensorRT(name, version, module, logger)
