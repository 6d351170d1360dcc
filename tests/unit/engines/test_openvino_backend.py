"""What is particular to the OpenVINO backend."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from engines import openvino_backend
from engines.errors import EngineError
from tests.helpers import tiny_models
from tests.helpers.backends import needs_openvino

pytestmark = needs_openvino


def _inputs() -> dict[str, np.ndarray]:
    gains = np.zeros((1, tiny_models.GAINS), np.float32)
    return {"target": np.full((1, 3, 128, 128), 0.3, np.float32), "gains": gains}


def test_the_name_says_version_precision_and_device() -> None:
    backend = openvino_backend.OpenVinoBackend(tiny_models.generator(), "tiny.onnx")
    assert backend.name == f"{openvino_backend.version()}, CPU"
    backend.close()


def test_bfloat16_is_near_and_keeps_the_types() -> None:
    if openvino_backend.why_not("bf16"):
        with pytest.raises(EngineError, match="bfloat16"):
            openvino_backend.OpenVinoBackend(tiny_models.generator(), "tiny.onnx", precision="bf16")
        return
    backend = openvino_backend.OpenVinoBackend(
        tiny_models.generator(mask=True), "tiny.onnx", precision="bf16"
    )
    assert " bf16, CPU" in backend.name
    found = backend.run(_inputs())
    assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found["output"], 0.3, atol=0.003)
    backend.close()


def test_shapes_that_were_warmed_and_others_agree() -> None:
    model, rng = tiny_models.detector(), np.random.default_rng(1)
    warm = ({"input": (1, 3, 64, 96)}, {"input": (1, 3, 160, 160)})
    warmed = openvino_backend.OpenVinoBackend(model, "tiny.onnx", warm=warm)
    other = openvino_backend.OpenVinoBackend(model, "tiny.onnx", warm=())
    for height, width in ((64, 96), (160, 160), (64, 96), (96, 64)):
        picture = {"input": 255 * rng.random((1, 3, height, width), np.float32)}
        wanted, found = other.run(picture), warmed.run(picture)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, atol=1e-4)
    warmed.close()
    other.close()


@pytest.mark.parametrize("found", [None, ModuleType("openvino")], ids=["none", "an old one"])
def test_without_the_package_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, found: ModuleType | None
) -> None:
    monkeypatch.setattr(openvino_backend, "_core", None)
    monkeypatch.setitem(sys.modules, "openvino", found)
    assert "cannot be loaded" in openvino_backend.why_not()
    with pytest.raises(EngineError, match="cannot run on OpenVINO"):
        openvino_backend.OpenVinoBackend(tiny_models.generator(), "tiny.onnx")
