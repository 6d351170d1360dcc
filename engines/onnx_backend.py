"""ONNX Runtime behind the ``Backend`` contract; only ``onnx_device`` imports it too.

Its telemetry (on by default since 1.31: device, model and session data to its maker, a database in
the user's cache folder) is turned off before it is loaded: nothing leaves the machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read while it is imported

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

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

ort.disable_telemetry_events()  # and by its own switch, which is all that older builds have

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
# Everything the runtime raises of its own; the classes have no common base but Exception.
FAILURES: tuple[type[Exception], ...] = (
    *(
        kind
        for kind in vars(ort_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
    UnicodeDecodeError,  # a damaged file's names, quoted in a message
)
_REMEDY = "Install onnxruntime-gpu in place of onnxruntime and check the driver, or use the CPU."
_PROVIDERS = {"CPU": "CPUExecutionProvider", "CUDA": "CUDAExecutionProvider"}


def version() -> str:
    """Runtime and version, e.g. ``ONNX Runtime 1.31``."""
    return "ONNX Runtime " + ".".join(ort.__version__.split(".")[:2])


def available_devices() -> tuple[str, ...]:
    """Devices this build of the runtime knows, best first; the last one is always ``CPU``."""
    offered = ort.get_available_providers()
    return tuple(name for name in ("CUDA", "CPU") if _PROVIDERS[name] in offered)


class OnnxBackend:
    """One ONNX network on one device.

    ``model`` is the file's content and ``label`` what errors call it; ``precision`` is said in the
    name where the file is not float32. ``warm`` gives the shapes
    of inputs with dynamic axes to run once beforehand (a dynamic axis without one becomes 1).
    Raises ``EngineError`` where the bytes are no usable network, or where the device asked for is
    not the one the runtime took.
    """

    def __init__(
        self,
        model: bytes,
        label: str,
        *,
        device: str = "CPU",
        precision: str = "",
        threads: int | None = None,
        warm: Sequence[Shapes] = ({},),
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or sensible_threads()
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._label = label
        session = open_session(model, label, device, options)
        self._session: ort.InferenceSession | None = session
        self.name = f"{version()}{precision and f' {precision}'}, {device}"
        self.inputs = tuple(spec_of(node, label) for node in session.get_inputs())
        self.outputs = tuple(spec_of(node, label) for node in session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]
        for shapes in warm:
            self.run({spec.name: zeros(spec, shapes) for spec in self.inputs})

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; ``EngineError`` where names, shapes or types do not fit or it was closed."""
        if self._session is None:
            raise closed(self._label)
        check_tensors(self._label, tensors, self.inputs)
        try:
            values = self._session.run(self._output_names, dict(tensors))
        except FAILURES as error:
            raise EngineError(f"{self._label} failed to run ({first_line(error)}).") from error
        return dict(zip(self._output_names, values, strict=True))

    def close(self) -> None:
        """Free the session; may be called twice."""
        self._session = None


def open_session(
    model: bytes,
    label: str,
    device: str,
    options: ort.SessionOptions,
    settings: Mapping[str, str] | None = None,
) -> ort.InferenceSession:
    """A session on ``device``, never on another; ``settings`` are its provider's.

    ``EngineError`` where the bytes are no usable network, or the device cannot be had.
    """
    if device not in available_devices():
        raise EngineError(f"{version()} is built without {device}.", _REMEDY)
    options.log_severity_level = 4  # fatal only: what matters is raised and said in a sentence
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    provider = (_PROVIDERS[device], dict(settings or {}))
    try:
        session = ort.InferenceSession(
            model, options, providers=[provider], enable_fallback=0
        )  # its fallback would print, and try the same again
    except FAILURES as error:
        raise EngineError(
            f"{label} is no network that {version()} can open on {device} ({first_line(error)})."
        ) from error
    taken = session.get_providers()[0]
    if taken != provider[0]:
        raise EngineError(
            f"{label} was to run on {device}, but {version()} took {taken} instead.", _REMEDY
        )
    return session


def spec_of(node: Any, label: str) -> TensorSpec:
    """A node of a session; ``EngineError`` where it is no plain tensor."""
    dtype = _DTYPES.get(node.type)
    if dtype is None:
        raise EngineError(f"{label} has a tensor {node.name} of type {node.type}, not a plain one.")
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return TensorSpec(node.name, shape, np.dtype(dtype))


def first_line(error: Exception) -> str:
    """What the runtime said, short enough for a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")
