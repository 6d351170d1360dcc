"""A built engine behind the ``Backend`` contract, for TensorRT and TensorRT-RTX alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.atomic_file import write_atomically
from engines.backend import Tensor, TensorSpec, check_tensors
from engines.cuda import CudaStream, Stream
from engines.errors import EngineError
from engines.shapes import Profile, Shape
from engines.tensorrt_runtime import TensorRT

MOST_SHAPES = 8  # kept ready at once; the one unused longest gives way

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}


@dataclass
class _Bound:
    """A context with buffers bound for one set of input shapes."""

    context: Any
    stream: Stream
    inputs: dict[str, tuple[Tensor, int]]  # pinned array and device address, by name
    outputs: dict[str, tuple[Tensor, int]]


class TensorRTBackend:
    """One engine on the first GPU, with a stream and pinned buffers for each shape in use.

    ``plan`` is the engine file's content and ``label`` what errors call it. ``jit_cache`` is a file
    in which TensorRT-RTX keeps the kernels it compiles for this GPU when an engine is first opened;
    it is made, and replaced where it does not fit. Raises ``EngineError`` where the engine cannot
    be opened here. Runs each fixed profile once, so that the first frame does not wait.
    """

    def __init__(
        self,
        trt: TensorRT,
        plan: bytes,
        label: str,
        *,
        jit_cache: Path | None = None,
        open_stream: Callable[[], Stream] = CudaStream,
    ) -> None:
        self._trt, self._label, self._open_stream = trt, label, open_stream
        self._name = f"{trt.name} {'.'.join(trt.version.split('.')[:2])}, CUDA"
        self._runtime = trt.module.Runtime(trt.logger)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(
                f"{label} cannot be opened by {trt.name} {trt.version} "
                f"({trt.complaint()[:160] or 'no reason given'}).",
                "Build it again on this computer: python build_engines.py",
            )
        self._engine: Any = engine
        self._bound: dict[tuple[Shape, ...], _Bound] = {}
        names = [engine.get_tensor_name(n) for n in range(engine.num_io_tensors)]
        inputs = [name for name in names if self._is_input(name)]
        self._inputs = tuple(self._spec(name) for name in inputs)
        self._outputs = tuple(self._spec(name) for name in names if not self._is_input(name))
        self._profiles = [
            Profile(*({n: shapes[n][part] for n in inputs} for part in range(3)))
            for index in range(engine.num_optimization_profiles)
            for shapes in [{n: _profile_shapes(engine, n, index) for n in inputs}]
        ]
        self._jit = _JitCache(trt, engine, jit_cache)
        try:
            for profile in self._profiles:
                if profile.fixed:
                    self.run({s.name: np.zeros(profile.best[s.name], s.dtype) for s in self.inputs})
        except BaseException:
            self.close()
            raise
        self._jit.save()

    @property
    def name(self) -> str:
        """Runtime and device, e.g. ``TensorRT-RTX 1.7, CUDA``."""
        return self._name

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs, in order."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs, in order."""
        return self._outputs

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copy in, compute, copy out, all in order on one stream; waits for the result."""
        if self._engine is None:
            raise EngineError(f"{self._label} was closed and cannot run.")
        check_tensors(self._label, tensors, self._inputs)
        bound = self._bound_for({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        for name, (pinned, address) in bound.inputs.items():
            np.copyto(pinned, tensors[name])
            bound.stream.up(address, pinned)
        if not bound.context.execute_async_v3(bound.stream.handle):
            raise EngineError(f"{self._label} failed to run ({self._trt.complaint()[:160]}).")
        for pinned, address in bound.outputs.values():
            bound.stream.down(pinned, address)
        bound.stream.wait()
        return {name: pinned.copy() for name, (pinned, _) in bound.outputs.items()}

    def close(self) -> None:
        """Free contexts, buffers and the engine; may be called twice."""
        for key in list(self._bound):
            self._release(key)
        self._jit.close()
        self._engine = self._runtime = None

    def _bound_for(self, shapes: dict[str, Shape]) -> _Bound:
        key = tuple(shapes[spec.name] for spec in self._inputs)
        known = self._bound.pop(key, None)
        if known is None:
            if len(self._bound) >= MOST_SHAPES:
                self._release(next(iter(self._bound)))
            known = self._bind(shapes)
        self._bound[key] = known  # the newest lies last
        return known

    def _bind(self, shapes: dict[str, Shape]) -> _Bound:
        fitting = [n for n, profile in enumerate(self._profiles) if profile.takes(shapes)]
        if not fitting:
            asked = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise EngineError(f"{self._label} was not built for {asked}.")
        stream = self._open_stream()
        try:
            fixed = self._profiles[fitting[0]].fixed
            context = self._jit.context(graph=fixed)
            if context is None:
                raise EngineError(
                    f"{self._label} cannot be made ready ({self._trt.complaint()[:160]}).",
                    "Close other programs that use the GPU's memory.",
                )
            if not context.set_optimization_profile_async(fitting[0], stream.handle):
                raise EngineError(f"{self._label} refused its shapes ({self._trt.complaint()}).")
            for name, shape in shapes.items():
                if not context.set_input_shape(name, shape):
                    raise EngineError(f"{self._label} refused {name} as {shape}.")
            inputs = {spec.name: self._buffers(context, stream, spec) for spec in self._inputs}
            outputs = {spec.name: self._buffers(context, stream, spec) for spec in self._outputs}
            stream.wait()
        except BaseException:
            stream.close()
            raise
        return _Bound(context, stream, inputs, outputs)

    def _buffers(self, context: Any, stream: Stream, spec: TensorSpec) -> tuple[Tensor, int]:
        shape = tuple(context.get_tensor_shape(spec.name))
        pinned = stream.pinned(shape, spec.dtype)
        address = stream.allocate(pinned.nbytes)
        if not context.set_tensor_address(spec.name, address):
            raise EngineError(f"{self._label} refused the memory of {spec.name}.")
        return pinned, address

    def _release(self, key: tuple[Shape, ...]) -> None:
        bound = self._bound.pop(key)
        bound.context = None  # before its memory goes
        bound.stream.close()

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.module.TensorIOMode.INPUT)

    def _spec(self, name: str) -> TensorSpec:
        kind = str(self._engine.get_tensor_dtype(name).name)
        if kind not in _DTYPES:
            raise EngineError(f"{self._label} has a tensor {name} of type {kind}, not a plain one.")
        shape = tuple(size if size >= 0 else None for size in self._engine.get_tensor_shape(name))
        return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))


class _JitCache:
    """Makes contexts; with TensorRT-RTX, kernels compiled before are read from a file.

    A fixed shape is run as one CUDA graph where the runtime can do that itself.
    """

    def __init__(self, trt: TensorRT, engine: Any, path: Path | None) -> None:
        self._trt, self._engine, self._path = trt, engine, path
        self._cache: Any = None
        self._loaded = b""
        if path is None or not hasattr(trt.module, "IRuntimeCache"):
            return
        self._cache = engine.create_runtime_config().create_runtime_cache()
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            if self._cache.deserialize(data):
                self._loaded = data

    def context(self, *, graph: bool) -> Any:
        """A new execution context, or ``None`` where the GPU has no room."""
        if not hasattr(self._trt.module, "IRuntimeConfig"):
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        if self._cache is not None:
            config.set_runtime_cache(self._cache)
        if graph and hasattr(self._trt.module, "CudaGraphStrategy"):
            config.cuda_graph_strategy = self._trt.module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return self._engine.create_execution_context(config)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine = self._cache = None

    def save(self) -> None:
        """Keep what was compiled since; a disk that refuses costs a slower next start alone."""
        if self._cache is None or self._path is None:
            return
        data = bytes(self._cache.serialize())
        if data != self._loaded:
            with contextlib.suppress(OSError):
                write_atomically(self._path, data)


def _profile_shapes(engine: Any, name: str, index: int) -> tuple[Shape, Shape, Shape]:
    least, best, most = engine.get_tensor_profile_shape(name, index)
    return tuple(least), tuple(best), tuple(most)
