"""What is particular to the ONNX Runtime backend."""

from __future__ import annotations

import pytest

from engines.backend import fits, shape_text
from engines.errors import EngineError
from engines.onnx_backend import OnnxBackend, available_devices, version
from tests.helpers import tiny_models


def test_the_cpu_is_always_there_and_last() -> None:
    assert available_devices()[-1] == "CPU"


def test_the_name_says_runtime_version_and_device() -> None:
    backend = OnnxBackend(tiny_models.generator(), "tiny.onnx")
    assert backend.name == f"{version()}, CPU"
    backend.close()
    backend = OnnxBackend(tiny_models.generator(), "tiny.onnx", precision="int8")
    assert backend.name == f"{version()} int8, CPU"
    backend.close()


def test_a_device_that_is_not_there_is_never_replaced_silently() -> None:
    if "CUDA" in available_devices():
        pytest.skip("this machine has the device")
    with pytest.raises(EngineError, match="CUDA"):
        OnnxBackend(tiny_models.generator(), "tiny.onnx", device="CUDA")


@pytest.mark.parametrize(
    ("shape", "wanted", "agrees"),
    [
        ((1, 3, 8, 8), (None, 3, None, None), True),
        ((1, 3, 8, 8), (1, 3, 8, 8), True),
        ((1, 4, 8, 8), (1, 3, 8, 8), False),
        ((3, 8, 8), (1, 3, 8, 8), False),
        ((), (), True),
    ],
)
def test_fits(shape: tuple[int, ...], wanted: tuple[int | None, ...], agrees: bool) -> None:
    assert fits(shape, wanted) is agrees


def test_shape_text() -> None:
    assert shape_text((None, 3, 128, 128)) == "?x3x128x128"
    assert shape_text(()) == "scalar"
