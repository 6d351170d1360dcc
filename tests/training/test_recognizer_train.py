"""The recogniser's training loop, on a handful of pictures and with a small stand-in teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from tests.helpers.face_folder import write_faces  # noqa: E402
from training.data import read_index  # noqa: E402
from training.recognizer_export import export  # noqa: E402
from training.recognizer_model import Recognizer  # noqa: E402
from training.recognizer_teacher import Features  # noqa: E402
from training.recognizer_train import (  # noqa: E402
    Optimizers,
    Recipe,
    Start,
    train,
)

pytestmark = [
    pytest.mark.training,
    # PyTorch's own exporter warns about its own tree helpers.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class ColourTeacher:
    """Says only how bright and of what colour the parts of a picture are."""

    def __call__(self, pictures: np.ndarray) -> Features:
        given = torch.from_numpy(pictures)

        def maps(channels: int, side: int) -> torch.Tensor:
            pooled = torch.nn.functional.adaptive_avg_pool2d(given, side)
            return pooled.repeat(1, -(-channels // 3), 1, 1)[:, :channels] - 0.5

        return Features(maps(64, 28), maps(128, 14), maps(128, 7), maps(128, 1).flatten(1))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Forty pictures of as many people, some of them held out."""
    folder = tmp_path / "data"
    write_faces(folder, [f"person {n}" for n in range(40)])
    assert 0 < sum(row.held_out for row in read_index(folder)) < 20
    return folder


def test_a_few_pictures_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model = Recognizer().to(memory_format=torch.channels_last)
    optimizers = Optimizers.of(model, Recipe(minutes=1, rate=5e-3, turn=0.05))
    pictures, wanted = torch.rand(6, 3, 112, 112), torch.randn(6, 128)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    cosines = []
    for n in range(16):
        with torch.autocast("cpu", torch.bfloat16):
            guess = model(pictures).embedding
        cosine = torch.cosine_similarity(guess.float(), wanted).mean()
        cosines.append(float(cosine.detach()))
        (1 - cosine).backward()
        optimizers.step(0.1 + 0.05 * n)
    assert cosines[0] < 0.3
    assert cosines[-1] > 0.8


def test_a_run_goes_on_from_a_file_and_then_from_its_checkpoint(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    file, run = tmp_path / "made.onnx", tmp_path / "run"
    export(Recognizer().eval(), file)
    recipe = Recipe(minutes=1e-4, batch=4)  # over at once: one step or a few
    turn = np.full(len(read_index(data)), 0.5, np.float32)
    train(data, None, ColourTeacher(), run, recipe, Start(onnx=file), turn)
    first = torch.load(run / "last.pt", weights_only=True)
    assert first["step"] >= 1
    train(data, None, ColourTeacher(), run, recipe, Start(checkpoint=run / "last.pt"))
    second = torch.load(run / "last.pt", weights_only=True)
    assert second["step"] > first["step"]
    moved = [not torch.equal(first["model"][k], second["model"][k]) for k in first["model"]]
    assert any(moved)
    assert all(bool(torch.isfinite(v).all()) for v in second["ema"].values())
    assert [entry.name for entry in run.iterdir()] == ["last.pt"]
