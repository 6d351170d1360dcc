"""An opened engine of TensorRT or TensorRT-RTX: its tensors, profiles and contexts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines.atomic_file import write_atomically
from engines.backend import TensorSpec
from engines.errors import EngineError
from engines.shapes import Profile, Shape
from engines.tensorrt_runtime import TensorRT

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}


class BuiltEngine:
    """An engine file's content, opened on the first GPU.

    ``plan`` is the content and ``label`` what errors call it. ``jit_cache`` is a file in which
    TensorRT-RTX keeps the kernels it compiles for this GPU; it is made, and replaced where it does
    not fit. ``EngineError`` where the engine cannot be opened here. Every context must be let go
    before ``close``.
    """

    def __init__(self, trt: TensorRT, plan: bytes, label: str, jit_cache: Path | None) -> None:
        self._trt, self._label = trt, label
        self._runtime = trt.module.Runtime(trt.logger)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(
                f"{label} cannot be opened by {trt.name} {trt.version} "
                f"({trt.complaint()[:160] or 'no reason given'}).",
                "Build it again on this computer: python build_engines.py",
            )
        self._engine: Any = engine
        names = [engine.get_tensor_name(n) for n in range(engine.num_io_tensors)]
        inputs = [name for name in names if self._is_input(name)]
        self.inputs = tuple(self._spec(name) for name in inputs)
        self.outputs = tuple(self._spec(name) for name in names if not self._is_input(name))
        self.profiles = [
            Profile(*({n: shapes[n][part] for n in inputs} for part in range(3)))
            for index in range(engine.num_optimization_profiles)
            for shapes in [{n: _profile_shapes(engine, n, index) for n in inputs}]
        ]
        self._jit = _JitCache(trt, engine, jit_cache)

    def profile_for(self, shapes: Mapping[str, Shape]) -> int:
        """Number of the first profile that takes these input shapes; ``EngineError`` for none."""
        for number, profile in enumerate(self.profiles):
            if profile.takes(shapes):
                return number
        asked = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise EngineError(f"{self._label} was not built for {asked}.")

    def context(
        self, profile: int, shapes: Mapping[str, Shape], stream: int, *, graph: bool
    ) -> Any:
        """A new execution context for these input shapes, made ready on ``stream``.

        With ``graph`` TensorRT-RTX captures its runs itself: not for one that others capture.
        """
        context = self._jit.context(graph=graph)
        if context is None:
            raise EngineError(
                f"{self._label} cannot be made ready ({self._trt.complaint()[:160]}).",
                "Close other programs that use the GPU's memory.",
            )
        if not context.set_optimization_profile_async(profile, stream):
            raise EngineError(f"{self._label} refused its shapes ({self._trt.complaint()}).")
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise EngineError(f"{self._label} refused {name} as {shape}.")
        return context

    def save_jit(self) -> None:
        """Keep the kernels compiled since, for the next start."""
        self._jit.save()

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self._jit.close()
        self._engine = self._runtime = None

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

    ``graph``: a fixed shape is run as one CUDA graph where the runtime can do that itself.
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
