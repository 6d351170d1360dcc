"""An exported network read back is the same network, in training mode too."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training import detector_restore, occluder_restore, recognizer_restore  # noqa: E402
from training.detector_export import export as export_detector  # noqa: E402
from training.detector_export import raise_scores  # noqa: E402
from training.detector_model import Detector  # noqa: E402
from training.occluder_export import export as export_occluder  # noqa: E402
from training.occluder_model import Occluder, OccluderShape, Pair  # noqa: E402
from training.recognizer_export import export as export_recognizer  # noqa: E402
from training.recognizer_model import Recognizer  # noqa: E402

pytestmark = [
    pytest.mark.training,
    # PyTorch's own exporter warns about its own tree helpers.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def unsettled(model: torch.nn.Module) -> torch.nn.Module:
    """``model`` whose batch norms and slopes have values of their own, as after training."""
    torch.manual_seed(4)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.uniform_(-0.2, 0.2)
                part.running_var.uniform_(0.7, 1.4)
                part.weight.uniform_(0.8, 1.2)
                part.bias.uniform_(-0.1, 0.1)
            elif isinstance(part, torch.nn.PReLU):
                part.weight.uniform_(-0.1, 0.4)
        for head in model.points.heads if isinstance(model, Detector) else ():
            torch.nn.init.normal_(head.weight, std=0.1)  # they start at nought
    return model.eval()


def pictures(side: int, scale: float) -> torch.Tensor:
    return torch.rand(16, 3, side, side, generator=torch.Generator().manual_seed(2)) * scale


@pytest.mark.parametrize("training", [False, True])
def test_recogniser_read_back_embeds_the_same(tmp_path: Path, training: bool) -> None:
    wanted = unsettled(Recognizer())
    export_recognizer(wanted, tmp_path / "made.onnx")
    given = pictures(112, 1.0)
    found = recognizer_restore.from_onnx(tmp_path / "made.onnx", given)
    assert found.training
    with torch.no_grad():
        own = found.train(training)(given).embedding
        cosine = torch.cosine_similarity(own, wanted(given).embedding)
    assert float(cosine.min()) > 0.999  # the file holds float16


@pytest.mark.parametrize("training", [False, True])
def test_a_recogniser_from_before_the_added_blocks_embeds_the_same(
    tmp_path: Path, training: bool
) -> None:
    former = unsettled(Recognizer())
    former.to_14, former.to_7 = former.to_14[:3], former.to_7[:3]
    export_recognizer(former, tmp_path / "former.onnx")
    given = pictures(112, 1.0)
    found = recognizer_restore.from_onnx(tmp_path / "former.onnx", given)
    assert len(found.to_14) + len(found.to_7) == 6 + len(Recognizer.ADDED)
    with torch.no_grad():
        own = found.train(training)(given).embedding
        cosine = torch.cosine_similarity(own, former(given).embedding)
    assert float(cosine.min()) > 0.999


@pytest.mark.parametrize("training", [False, True])
def test_detector_read_back_answers_the_same(tmp_path: Path, training: bool) -> None:
    wanted = unsettled(Detector())
    raised = unsettled(Detector())
    raised.load_state_dict(wanted.state_dict())
    raise_scores(raised, 0.4)
    export_detector(raised, tmp_path / "made.onnx")
    given = pictures(64, 255.0)
    found = detector_restore.from_onnx(tmp_path / "made.onnx", given, shift=0.4)
    assert found.training
    with torch.no_grad():
        for own, right in zip(found.train(training)(given), wanted(given), strict=True):
            torch.testing.assert_close(own, right, rtol=1e-3, atol=1e-3)


def test_a_detector_from_before_the_point_branch_starts_with_it_closed(tmp_path: Path) -> None:
    wanted = unsettled(Detector())
    for head in wanted.points.heads:
        torch.nn.init.zeros_(head.weight)
    export_detector(wanted, tmp_path / "made.onnx")
    made = onnx.load(tmp_path / "made.onnx")
    kept = [t for t in made.graph.initializer if not t.name.startswith("points.")]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    (tmp_path / "former.onnx").write_bytes(made.SerializeToString())
    given = pictures(64, 255.0)
    found = detector_restore.from_onnx(tmp_path / "former.onnx", given).eval()
    with torch.no_grad():
        for own, right in zip(found(given), wanted(given), strict=True):
            torch.testing.assert_close(own, right, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("training", [False, True])
def test_occluder_read_back_answers_the_same(tmp_path: Path, training: bool) -> None:
    wanted = unsettled(Occluder(OccluderShape()))
    export_occluder(wanted, tmp_path / "made.onnx")
    given = pictures(128, 1.0)
    found = occluder_restore.from_onnx(tmp_path / "made.onnx", given)
    assert found.training
    with torch.no_grad():
        own, right = found.train(training)(given).sigmoid(), wanted(given).sigmoid()
    torch.testing.assert_close(own, right, rtol=0, atol=5e-3)  # the file holds float16


def test_an_occluder_from_before_the_pairs_starts_with_them_closed(tmp_path: Path) -> None:
    wanted = unsettled(Occluder(OccluderShape()))
    for pair in (part for part in wanted.modules() if isinstance(part, Pair)):
        torch.nn.init.zeros_(pair.second_norm.weight)
        torch.nn.init.zeros_(pair.second_norm.bias)
    export_occluder(wanted, tmp_path / "made.onnx")
    made = onnx.load(tmp_path / "made.onnx")
    kept = [t for t in made.graph.initializer if not t.name.startswith(("finer", "sharp"))]
    assert len(kept) < len(made.graph.initializer)
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    (tmp_path / "former.onnx").write_bytes(made.SerializeToString())
    given = pictures(128, 1.0)
    found = occluder_restore.from_onnx(tmp_path / "former.onnx", given)
    for training in (True, False):  # new layers have no statistics yet, and need none
        with torch.no_grad():
            own, right = found.train(training)(given).sigmoid(), wanted(given).sigmoid()
        torch.testing.assert_close(own, right, rtol=0, atol=5e-3)


def test_another_network_gets_a_sentence(tmp_path: Path) -> None:
    export_detector(unsettled(Detector()), tmp_path / "made.onnx")
    with pytest.raises(ValueError, match="PReLUs"):
        recognizer_restore.from_onnx(tmp_path / "made.onnx", pictures(112, 1.0))
    export_recognizer(unsettled(Recognizer()), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="not this network"):
        occluder_restore.from_onnx(tmp_path / "made.onnx", pictures(128, 1.0))
    with pytest.raises(ValueError, match="not this network"):
        detector_restore.from_onnx(tmp_path / "other.onnx", pictures(64, 255.0))


def test_another_width_gets_a_sentence(tmp_path: Path) -> None:
    export_detector(unsettled(Detector(width=32)), tmp_path / "made.onnx")
    with pytest.raises((ValueError, RuntimeError), match=r"not the same network|size"):
        detector_restore.from_onnx(tmp_path / "made.onnx", pictures(64, 255.0))
