"""What can run a network, best first: the chain that loading walks down.

The backends are imported when asked for, so that naming an engine costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from engines.backend import Backend, Shapes
from engines.errors import EngineError

AUTO = "auto"
REFERENCE = "onnx"  # float32 everywhere: what every other one is compared with


class Opener(Protocol):
    """Opens a network."""

    def __call__(self, model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        """As the constructors of the backends; ``EngineError`` where it cannot be."""


@dataclass(frozen=True)
class Runtime:
    """One rung of the chain.

    ``name`` is what the setting ``engine`` calls it, ``title`` what the user reads; ``why_not``
    says in a sentence why this machine cannot use it, or nothing. Those on the GPU are preferred in
    the order of the chain; those on the CPU are compared with the reference on this machine.
    """

    name: str
    title: str
    device: Literal["GPU", "CPU"]
    why_not: Callable[[], str]
    open: Opener
    variant: str = ""  # of a network's file that it runs, where one is bundled: ``int8``


def _tensorrt(name: str, title: str) -> Runtime:
    def why_not() -> str:
        from engines import built

        return built.why_not(title)

    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        from engines import built

        return built.open_built(title, model, label)  # it is warmed in the shapes it was built for

    return Runtime(name, title, "GPU", why_not, open_network)


def _why_not_cuda() -> str:
    from engines.onnx_backend import available_devices, version

    return "" if "CUDA" in available_devices() else f"{version()} was installed without CUDA."


def _cuda(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
    from engines.onnx_backend import OnnxBackend

    return OnnxBackend(model, label, device="CUDA", warm=warm)


_Precision = Literal["f32", "bf16", "int8"]


def _openvino_why_not(precision: _Precision) -> Callable[[], str]:
    def why_not() -> str:
        from engines import openvino_backend

        return openvino_backend.why_not(precision)

    return why_not


def _openvino(precision: _Precision) -> Opener:
    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        from engines.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(model, label, precision=precision, warm=warm)

    return open_network


def _onnx(precision: str = "") -> Opener:
    def open_network(model: bytes, label: str, warm: Sequence[Shapes]) -> Backend:
        from engines.onnx_backend import OnnxBackend

        return OnnxBackend(model, label, precision=precision, warm=warm)

    return open_network


CHAIN = (
    _tensorrt("tensorrt", "TensorRT"),
    _tensorrt("tensorrt-rtx", "TensorRT-RTX"),
    Runtime("cuda", "ONNX Runtime CUDA", "GPU", _why_not_cuda, _cuda),
    Runtime("openvino-bf16", "OpenVINO bf16", "CPU", _openvino_why_not("bf16"), _openvino("bf16")),
    Runtime("onnx-int8", "ONNX Runtime int8", "CPU", lambda: "", _onnx("int8"), "int8"),
    Runtime(
        "openvino-int8",
        "OpenVINO int8",
        "CPU",
        _openvino_why_not("int8"),
        _openvino("int8"),
        "int8",
    ),
    Runtime("openvino", "OpenVINO", "CPU", _openvino_why_not("f32"), _openvino("f32")),
    Runtime(REFERENCE, "ONNX Runtime CPU", "CPU", lambda: "", _onnx()),
)
NAMES = (AUTO, *(runtime.name for runtime in CHAIN))


def named(name: str, chain: Sequence[Runtime] = CHAIN) -> Runtime:
    """The runtime of that name; ``EngineError`` where there is none."""
    for runtime in chain:
        if runtime.name == name:
            return runtime
    known = ", ".join((AUTO, *(runtime.name for runtime in chain)))
    raise EngineError(f"There is no engine {name!r}; expected one of {known}.")
