"""What every backend promises, run over each implementation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.backend import Backend
from engines.errors import EngineError
from engines.manifest import ModelFile
from engines.onnx_backend import OnnxBackend, available_devices
from engines.slot import Slot
from engines.tensorrt_backend import TensorRTBackend
from tests.helpers import tiny_models
from tests.helpers.backends import needs_openvino
from tests.helpers.fake_tensorrt import FakeStream, fake_trt

Opener = Callable[[bytes, str], Backend]


def _onnx(model: bytes, label: str) -> Backend:
    return OnnxBackend(model, label)


def _onnx_cuda(model: bytes, label: str) -> Backend:
    if "CUDA" not in available_devices():
        pytest.skip("this ONNX Runtime has no CUDA provider")
    return OnnxBackend(model, label, device="CUDA")


def _openvino(model: bytes, label: str) -> Backend:
    from engines.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(model, label)


def _slot(model: bytes, label: str) -> Backend:
    file = ModelFile("tiny", Path(label), "0" * 64, len(model), "Apache-2.0")
    return Slot("swapper", file, ({},), "onnx", OnnxBackend(model, label))


def _tensorrt(model: bytes, label: str) -> Backend:
    return TensorRTBackend(fake_trt(), model, label, open_stream=FakeStream)


@pytest.fixture(
    params=[
        _onnx,
        pytest.param(_onnx_cuda, marks=pytest.mark.gpu),
        pytest.param(_openvino, marks=needs_openvino),
        _slot,
        _tensorrt,
    ],
    ids=["onnx-cpu", "onnx-cuda", "openvino", "slot", "tensorrt-fake"],
)
def open_backend(request: pytest.FixtureRequest) -> Opener:
    return request.param


def _inputs(colour: float = 0.25) -> dict[str, np.ndarray]:
    gains = np.zeros((1, tiny_models.GAINS), np.float32)
    gains[0, :3] = (0.1, 0.2, 0.3)
    return {"target": np.full((1, 3, 128, 128), colour, np.float32), "gains": gains}


def test_names_shapes_and_types_are_told(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(mask=True), "tiny.onnx")
    assert [spec.name for spec in backend.inputs] == ["target", "gains"]
    assert [spec.name for spec in backend.outputs] == ["output", "mask"]
    assert backend.inputs[0].shape == (None, 3, 128, 128)
    assert backend.inputs[1].dtype == np.float32
    assert ", " in backend.name
    backend.close()


def test_run_answers_by_name(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    output = backend.run(_inputs())["output"]
    assert output.shape == (1, 3, 128, 128)
    np.testing.assert_allclose(output[0, :, 5, 5], (0.35, 0.45, 0.55), atol=1e-6)
    backend.close()


def test_a_dynamic_axis_takes_any_size(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.detector(), "tiny.onnx")
    for height, width in ((64, 96), (160, 160), (64, 96)):
        found = backend.run({"input": np.zeros((1, 3, height, width), np.float32)})
        assert found["kps_8"].shape == (1, height * width // 64, 10)
    backend.close()


def test_outputs_are_not_reused(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    first = backend.run(_inputs(0.25))["output"]
    kept = first.copy()
    backend.run(_inputs(0.75))
    np.testing.assert_array_equal(first, kept)
    backend.close()


def test_inputs_are_not_kept_or_changed(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    inputs = _inputs()
    for tensor in inputs.values():
        tensor.flags.writeable = False
    first = backend.run(inputs)["output"]
    np.testing.assert_array_equal(backend.run(inputs)["output"], first)
    backend.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gains": None}, "expected target, gains"),
        ({"other": np.zeros(1, np.float32)}, "expected target, gains"),
        ({"target": np.zeros((1, 3, 64, 64), np.float32)}, "1x3x64x64 float32, expected ?x3x128"),
        ({"target": np.zeros((1, 3, 128, 128), np.uint8)}, "uint8, expected"),
        ({"gains": np.zeros(6, np.float32)}, "got gains as 6 float32"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(
    open_backend: Opener, change: dict[str, np.ndarray | None], words: str
) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    inputs = {**_inputs(), **change}
    with pytest.raises(EngineError) as caught:
        backend.run({name: value for name, value in inputs.items() if value is not None})
    assert words in str(caught.value)
    assert "tiny.onnx" in str(caught.value)
    backend.run(_inputs())  # a refused call leaves it usable
    backend.close()


@pytest.mark.parametrize(
    "model", [b"", b"\x00" * 100, b"not a network", tiny_models.generator()[:-40]]
)
def test_bytes_that_are_no_network_get_a_sentence(open_backend: Opener, model: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        open_backend(model, "broken.onnx")
    assert "broken.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_close_may_be_called_twice_and_ends_it(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    backend.close()
    backend.close()
    with pytest.raises(EngineError, match="closed"):
        backend.run(_inputs())


def test_it_can_be_made_in_one_thread_and_used_in_another(open_backend: Opener) -> None:
    backend = open_backend(tiny_models.generator(), "tiny.onnx")
    results: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: results.append(backend.run(_inputs())["output"]))
    thread.start()
    thread.join()
    assert results[0].shape == (1, 3, 128, 128)
    backend.close()
