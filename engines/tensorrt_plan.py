"""From an ONNX network to the bytes of an engine, for this GPU or, with TensorRT-RTX, another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engines.errors import AppError, EngineError
from engines.shapes import Profile
from engines.tensorrt_runtime import TensorRT

WORKSPACE_LOW_BYTES = 256 << 20  # scratch memory a layer may use where memory is short

Step = Callable[[float], bool]  # told the share done, 0 to 1; False ends the build


class BuildCancelledError(AppError):
    """The user ended the build."""

    def __init__(self) -> None:
        super().__init__("The build was cancelled.", "What was finished before is kept.")


def build_plan(
    trt: TensorRT,
    model: bytes,
    label: str,
    profiles: Sequence[Profile],
    *,
    compute_capability: str | None = None,
    low_memory: bool = False,
    timing_cache: bytes = b"",
    step: Step = lambda share: True,
) -> tuple[bytes, bytes]:
    """The engine's bytes and the new timing cache (empty where the runtime has none).

    ``model`` is an ONNX file whose own types are the precision; ``compute_capability`` is another
    GPU's (TensorRT-RTX only), ``None`` this one's. ``BuildCancelledError`` once ``step`` says
    ``False``, ``EngineError`` in the runtime's words where it cannot be built.
    """
    module = trt.module
    builder = module.Builder(trt.logger)
    if builder is None:
        raise EngineError(f"{trt.name} cannot build here ({trt.complaint() or 'no builder'}).")
    network = builder.create_network(_network_flags(module))
    parser = module.OnnxParser(network, trt.logger)
    if not parser.parse(model):
        words = parser.get_error(0).desc() if parser.num_errors else trt.complaint()
        raise EngineError(f"{trt.name} cannot read {label} ({' '.join(words.split())[:200]}).")
    config = builder.create_builder_config()
    monitor = _monitor(module, step)
    config.progress_monitor = monitor
    config.clear_flag(module.BuilderFlag.TF32)  # its 10 bits are FP16's: float32 means float32
    if low_memory:
        builder.max_threads = 1
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, WORKSPACE_LOW_BYTES)
    if compute_capability is not None:
        target = trt.target(compute_capability)
        config.num_compute_capabilities = 1
        if not config.set_compute_capability(target, 0):
            raise EngineError(f"{trt.name} refused compute capability {compute_capability}.")
    for profile in profiles if not (len(profiles) == 1 and profiles[0].fixed) else ():
        offered = builder.create_optimization_profile()
        for name in profile.best:
            offered.set_shape(name, profile.least[name], profile.best[name], profile.most[name])
        if config.add_optimization_profile(offered) < 0:
            raise EngineError(f"{trt.name} refused the shapes of {label} ({trt.complaint()}).")
    cache = None if trt.for_any_gpu else config.create_timing_cache(timing_cache)
    if cache is not None:  # TensorRT-RTX times nothing while it builds
        config.set_timing_cache(cache, ignore_mismatch=True)
    plan = builder.build_serialized_network(network, config)
    if monitor.failure is not None:
        raise monitor.failure
    if monitor.cancelled:
        raise BuildCancelledError
    if plan is None:
        raise EngineError(f"{trt.name} could not build {label} ({trt.complaint()[:200]}).")
    return bytes(plan), b"" if cache is None else bytes(cache.serialize())


def _network_flags(module: Any) -> int:
    """Strongly typed, by its flag where the version still has one."""
    flag = getattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _monitor(module: Any, step: Step) -> Any:
    """The runtime's nested phases as one share: each phase is a part of its parent's step."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc] # as above
        def __init__(self) -> None:
            super().__init__()
            self.cancelled = False
            self.failure: Exception | None = None
            self._phases: dict[str, list[Any]] = {}  # name: parent, steps, steps done

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._phases[phase] = [parent, max(1, steps), 0]

        def step_complete(self, phase: str, number: int) -> bool:
            if phase in self._phases:
                self._phases[phase][2] = number + 1
            try:
                wanted = step(self._share())
            except Exception as error:  # must not pass through the runtime; raised after it
                self.failure, wanted = error, False
            self.cancelled = self.cancelled or not wanted
            return not self.cancelled

        def phase_finish(self, phase: str) -> None:
            self._phases.pop(phase, None)

        def _share(self) -> float:
            share, weight, parent = 0.0, 1.0, None
            while True:
                below = [p for p in self._phases.values() if p[0] == parent]
                if not below:
                    return min(share, 1.0)
                name = next(n for n, p in self._phases.items() if p is below[0])
                _, steps, done = below[0]
                share += weight * min(done / steps, 1.0)
                weight, parent = weight / steps, name

    return Monitor()
