"""A built engine behind the ``Backend`` contract, for TensorRT and TensorRT-RTX alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.backend import Tensor, TensorSpec, check_tensors, closed
from engines.cuda import CudaStream, Stream
from engines.errors import EngineError
from engines.shapes import Shape
from engines.tensorrt_engine import BuiltEngine
from engines.tensorrt_runtime import TensorRT

MOST_SHAPES = 8  # kept ready at once; the one unused longest gives way


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
    be opened here. Runs each fixed profile of one face or picture once, so that the first frame
    does not wait.
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
        self.name = f"{trt.title}, CUDA"
        self._engine: BuiltEngine | None = BuiltEngine(trt, plan, label, jit_cache)
        self.inputs, self.outputs = self._engine.inputs, self._engine.outputs
        self._profiles = self._engine.profiles
        self._bound: dict[tuple[Shape, ...], _Bound] = {}
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for profile in self._profiles:
                if profile.fixed and all(shape[0] == 1 for shape in profile.best.values()):
                    self.run({s.name: np.zeros(profile.best[s.name], s.dtype) for s in self.inputs})
            undo.pop_all()
        self._engine.save_jit()

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copy in, compute, copy out, all in order on one stream; waits for the result."""
        if self._engine is None:
            raise closed(self._label)
        check_tensors(self._label, tensors, self.inputs)
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
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _bound_for(self, shapes: dict[str, Shape]) -> _Bound:
        key = tuple(shapes[spec.name] for spec in self.inputs)
        known = self._bound.pop(key, None)
        if known is None:
            if len(self._bound) >= MOST_SHAPES:
                self._release(next(iter(self._bound)))
            known = self._bind(shapes)
        self._bound[key] = known  # the newest lies last
        return known

    def _bind(self, shapes: dict[str, Shape]) -> _Bound:
        engine = self._engine
        assert engine is not None, "run asks first"
        number = engine.profile_for(shapes)
        stream = self._open_stream()
        with contextlib.ExitStack() as undo:
            undo.callback(stream.close)
            fixed = self._profiles[number].fixed
            context = engine.context(number, shapes, stream.handle, graph=fixed)
            inputs = {spec.name: self._buffers(context, stream, spec) for spec in self.inputs}
            outputs = {spec.name: self._buffers(context, stream, spec) for spec in self.outputs}
            stream.wait()
            undo.pop_all()
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
