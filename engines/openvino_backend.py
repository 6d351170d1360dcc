"""OpenVINO on the CPU behind the ``Backend`` contract; the only file that imports it.

The package sends a usage event to its maker when it is imported, unless a file in the home folder
forbids it. Hiding its telemetry package during the import makes it take its own empty stand-in:
nothing leaves the machine, and no file is written.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from engines.backend import (
    Shapes,
    Tensor,
    TensorSpec,
    check_tensors,
    closed,
    sensible_threads,
    zeros,
)
from engines.errors import EngineError

if TYPE_CHECKING:
    import openvino

Precision = Literal["f32", "bf16", "int8"]  # int8 is the file's own, the rest of it is float32
INSTALL = 'Run: pip install "openvino>=2025.0"'

_TELEMETRY = "openvino_telemetry"
_guard = threading.Lock()
_core: openvino.Core | None = None


def why_not(precision: Precision = "f32") -> str:
    """Why this machine cannot run networks this way, in a sentence; empty where it can."""
    try:
        core = _loaded()
    except EngineError as error:
        return error.what
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "This processor does not calculate in bfloat16."
    return ""


def version() -> str:
    """Runtime and version, e.g. ``OpenVINO 2026.4``; ``EngineError`` where it is missing."""
    _loaded()
    return "OpenVINO " + ".".join(sys.modules["openvino"].__version__.split(".")[:2])


class OpenVinoBackend:
    """One ONNX network on the CPU, calculated in ``precision``; its tensors keep their types.

    ``model`` is the file's content and ``label`` what errors call it. ``warm`` gives the shapes of
    inputs with dynamic axes that are worth a network of their own: other shapes run on a shared
    one, compiled when first needed (some 0.1 s), which is slower. Raises ``EngineError`` where the
    bytes are no usable network or the processor has not the precision.
    """

    def __init__(
        self,
        model: bytes,
        label: str,
        *,
        precision: Precision = "f32",
        threads: int | None = None,
        warm: Sequence[Shapes] = ({},),
    ) -> None:
        missing = why_not(precision)
        if missing:
            raise EngineError(f"{label} cannot run on OpenVINO: {missing}")
        self._label = label
        self.name = f"{version()}{'' if precision == 'f32' else f' {precision}'}, CPU"
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads or sensible_threads(),
            "ENABLE_CPU_PINNING": False,  # pinned threads would fight the other backends' for cores
        }
        self._core: openvino.Core | None = _loaded()
        try:
            self._model = self._core.read_model(model)
            self.inputs = tuple(_spec(node, label) for node in self._model.inputs)
            self.outputs = tuple(_spec(node, label) for node in self._model.outputs)
        except RuntimeError as error:
            raise EngineError(
                f"{label} is no network that {version()} can open ({_complaint(error)})."
            ) from error
        self._fixed: dict[tuple[tuple[int, ...], ...], openvino.InferRequest] = {}
        self._any: openvino.InferRequest | None = None
        for shapes in warm:
            if any(None in spec.shape[1:] and spec.name not in shapes for spec in self.inputs):
                self._any = self._compiled(None)  # nothing says which sizes will come
                continue
            tensors = {spec.name: zeros(spec, shapes) for spec in self.inputs}
            self._fixed[self._key(tensors)] = self._compiled(tensors)
            self.run(tensors)

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; ``EngineError`` where names, shapes or types do not fit or it was closed."""
        if self._core is None:
            raise closed(self._label)
        check_tensors(self._label, tensors, self.inputs)
        request = self._fixed.get(self._key(tensors))
        if request is None:
            self._any = request = self._any or self._compiled(None)
        try:
            request.infer([np.ascontiguousarray(tensors[spec.name]) for spec in self.inputs])
        except RuntimeError as error:
            raise EngineError(f"{self._label} failed to run ({_complaint(error)}).") from error
        return {
            spec.name: request.get_output_tensor(place).data.copy()
            for place, spec in enumerate(self.outputs)
        }

    def close(self) -> None:
        """Free the compiled networks; may be called twice."""
        self._core, self._any, self._model = None, None, None
        self._fixed.clear()

    def _key(self, tensors: Mapping[str, Tensor]) -> tuple[tuple[int, ...], ...]:
        return tuple(tensors[spec.name].shape for spec in self.inputs)

    def _compiled(self, tensors: Mapping[str, Tensor] | None) -> openvino.InferRequest:
        """A request of the network at the shapes of ``tensors``; at any shape where it is None."""
        assert self._core is not None
        try:
            model = self._model.clone()
            if tensors is not None:
                model.reshape({name: list(value.shape) for name, value in tensors.items()})
            return self._core.compile_model(model, "CPU", self._options).create_infer_request()
        except RuntimeError as error:
            raise EngineError(
                f"{self._label} is no network that {version()} can compile ({_complaint(error)})."
            ) from error


def _loaded() -> openvino.Core:
    """The one core of this process; ``EngineError`` where the package is missing or broken."""
    global _core
    with _guard:
        if _core is None:
            hidden = sys.modules.get(_TELEMETRY)
            cast("dict[str, Any]", sys.modules)[_TELEMETRY] = None  # the import of it fails
            try:
                _core = importlib.import_module("openvino").Core()
            except (ImportError, AttributeError) as error:  # or one of before 2023
                raise EngineError(
                    f"The package openvino cannot be loaded ({_complaint(error)}).", INSTALL
                ) from error
            except RuntimeError as error:
                raise EngineError(f"OpenVINO does not start here ({_complaint(error)}).") from error
            finally:
                if hidden is None:
                    del sys.modules[_TELEMETRY]
                else:
                    sys.modules[_TELEMETRY] = hidden
        return _core


def _spec(node: Any, label: str) -> TensorSpec:
    name, kind = node.get_any_name(), node.get_element_type()
    try:
        dtype = np.dtype(kind.to_dtype())
    except (RuntimeError, TypeError, KeyError) as error:
        raise EngineError(
            f"{label} has a tensor {name} of type {kind}, not a plain one."
        ) from error
    shape = tuple(
        size.get_length() if size.is_static else None for size in node.get_partial_shape()
    )
    return TensorSpec(name, shape, dtype)


def _complaint(error: Exception) -> str:
    """What is wrong, without the runtime's own source lines."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (told[0] if told else type(error).__name__)[:200].rstrip(".")
