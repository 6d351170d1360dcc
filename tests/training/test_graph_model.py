"""Recognisers that lie in TensorFlow.js files: the judge and the loss's third."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tests.helpers.graph_models import node, recogniser, write  # noqa: E402
from training import train  # noqa: E402
from training.faceres import MEAN, SIDE, STRIDES, FaceRes  # noqa: E402
from training.graph_model import GraphModel, read  # noqa: E402
from training.judges import MobileFaceJudge  # noqa: E402

pytestmark = pytest.mark.training

WIDTHS = (3, 4, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 10)  # of the drawn FaceRes


def _squares(count: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 255, (count, 128, 128, 3)).astype(np.uint8)


def test_a_graph_is_run_as_it_is_written(tmp_path: Path) -> None:
    file = recogniser(tmp_path / "model.json")
    values = {name: torch.from_numpy(value) for name, value in read(file)[1].items()}
    pictures = torch.rand(2, 3, 112, 112) * 255
    x = F.conv2d((pictures - 127.5) / 128, values["wide"].permute(3, 2, 0, 1), stride=8)
    x = F.prelu(x, torch.tensor(0.25))
    x = x + F.conv2d(x, values["deep"].permute(2, 3, 0, 1), padding=1, groups=4)
    wanted = x.permute(0, 2, 3, 1).flatten(1) @ values["last"] + values["shift"]
    assert torch.allclose(GraphModel(file)(pictures), wanted, atol=1e-4)


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    kernel = {"kernel": np.ones((3, 3, 3, 2), np.float32)}
    padded = node("conv", "Conv2D", "data", "kernel", padding="SAME")
    strange = node("odd", "Erf", "data")
    pictures = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="pad"):
        GraphModel(write(tmp_path / "padded.json", [padded], kernel))(pictures)
    with pytest.raises(ValueError, match="Erf"):
        GraphModel(write(tmp_path / "odd.json", [strange], {}))(pictures)


def test_a_graph_that_uses_what_is_not_made_yet_is_refused(tmp_path: Path) -> None:
    steps = [node("sum", "Add", "data", "late"), node("late", "Add", "data", "data")]
    with pytest.raises(ValueError, match=r"late\.json has .* its order is another"):
        GraphModel(write(tmp_path / "late.json", steps, {}))


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + b"more"])
def test_weights_of_another_file_are_refused(tmp_path: Path, change: object) -> None:
    file = recogniser(tmp_path / "model.json")
    weights = file.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"does not belong to model\.json"):
        read(file)


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"modelTopology": {"node": []}}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"no TensorFlow\.js graph model"):
        GraphModel(file)


def test_a_judge_centres_what_it_sees(tmp_path: Path) -> None:
    squares = _squares(6)
    found = MobileFaceJudge(recogniser(tmp_path / "mobileface.json"), squares)(squares)
    assert found.shape == (6, 256)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    cosines = found @ found.T
    assert abs(cosines[~np.eye(6, dtype=bool)].mean() + 1 / 5) < 0.05  # as of six about their mean


def test_another_recogniser_as_the_third_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = recogniser(tmp_path / "other.json")
    words = ["--data", "none", "--teacher", "none.pt", "--landmarks", "none.onnx"]
    root = Path(__file__).parents[2]
    recipe = root / "training" / "recipes" / "3_steady_128.toml"
    words += ["--expression", "none.pt", "--start", str(root / "assets"), "--recipe", str(recipe)]
    words += ["--run", str(tmp_path / "run"), "--third", str(other)]
    monkeypatch.setattr("sys.argv", ["training.train", *words])
    with pytest.raises(SystemExit, match="2"):
        train.main()
    assert "--third: other.json is not FaceRes" in capsys.readouterr().err


def _face_res(file: Path) -> Path:
    """A thin FaceRes of drawn weights."""
    rng = np.random.default_rng(1)
    values = {"conv1/convolution/merged_input": rng.normal(0, 0.01, (3, 3, 3, WIDTHS[1]))}
    values["conv1_bn/batchnorm_1/sub"] = rng.normal(0, 0.1, WIDTHS[1])
    for n in range(1, len(STRIDES) + 1):
        inner, outer = WIDTHS[n], WIDTHS[n + 1]
        values[f"conv_dw_{n}/depthwise_kernel"] = rng.normal(0, 0.4, (3, 3, inner, 1))
        values[f"conv_dw_{n}_bn/batchnorm_1/mul"] = rng.uniform(0.5, 2, inner)
        values[f"conv_dw_{n}_bn/batchnorm_1/sub"] = rng.normal(0, 0.1, inner)
        values[f"conv_pw_{n}/convolution/merged_input"] = rng.normal(0, 0.6, (1, 1, inner, outer))
        values[f"conv_pw_{n}_bn/batchnorm_1/sub"] = rng.normal(0, 0.1, outer)
    return write(file, [], {k: v.astype(np.float32) for k, v in values.items()}, half=True)


def _same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's padding for kernels of 3: the lower right first."""
    return F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))


def test_face_res_is_mobilenet_as_tensorflow_has_it(tmp_path: Path) -> None:
    file = _face_res(tmp_path / "faceres.json")
    kept = {name: torch.from_numpy(value) for name, value in read(file)[1].items()}
    crops = torch.rand(2, 3, 112, 112)
    x = F.interpolate(crops, size=(SIDE, SIDE), mode="bilinear")[:, [2, 1, 0]] * 255
    x = x - torch.tensor(MEAN).view(3, 1, 1)
    kernel = kept["conv1/convolution/merged_input"].permute(3, 2, 0, 1)
    x = F.conv2d(_same(x, 2), kernel, kept["conv1_bn/batchnorm_1/sub"], stride=2).clamp(0, 6)
    for n, stride in enumerate(STRIDES, 1):
        kernel = kept[f"conv_dw_{n}/depthwise_kernel"].permute(2, 3, 0, 1)
        x = F.conv2d(_same(x, stride), kernel, stride=stride, groups=len(kernel))
        x = x * kept[f"conv_dw_{n}_bn/batchnorm_1/mul"].view(-1, 1, 1)
        x = (x + kept[f"conv_dw_{n}_bn/batchnorm_1/sub"].view(-1, 1, 1)).clamp(0, 6)
        kernel = kept[f"conv_pw_{n}/convolution/merged_input"].permute(3, 2, 0, 1)
        x = F.conv2d(x, kernel, kept[f"conv_pw_{n}_bn/batchnorm_1/sub"]).clamp(0, 6)
    wanted = x.mean((2, 3))
    assert wanted.std() > 0
    assert torch.allclose(FaceRes(file)(crops), wanted, rtol=1e-3, atol=1e-3)


def test_face_res_is_differentiable_and_knows_its_own_file(tmp_path: Path) -> None:
    file = _face_res(tmp_path / "faceres.json")
    crops = torch.rand(1, 3, 112, 112, requires_grad=True)
    FaceRes(file)(crops).sum().backward()
    assert crops.grad is not None
    assert crops.grad.abs().max() > 0
    with pytest.raises(ValueError, match=r"model\.json is not FaceRes"):
        FaceRes(recogniser(tmp_path / "model.json"))
    listed = json.loads(file.read_text(encoding="utf-8"))["weightsManifest"][0]["weights"]
    assert {entry["quantization"]["dtype"] for entry in listed} == {"float16"}
