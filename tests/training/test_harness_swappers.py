"""Which swappers the harness takes: a folder of ours, and any that was added to the application."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from engines.manifest import ModelStore
from engines.swapper import Swapper
from tests.helpers import tiny_models
from tests.helpers.drawn_faces import DrawnLandmarks, people
from training.evaluate import arguments, swapper
from training.landmarks import five
from training.squares import Floats, Squares
from training.swapping import Chain, own_swapper

pytestmark = pytest.mark.training
NEEDED = ["--data", "d", "--teacher", "t.onnx", "--landmarks", "l.onnx"]


class FlatTeacher:
    """Embeds a picture as its mean colour, in 128 values."""

    name, in_loss = "teacher", True

    def __call__(self, squares: Squares) -> Floats:
        found = np.ones((len(squares), 128))
        found[:, :3] = squares.mean((1, 2))
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def judge_two(chosen: Swapper) -> None:
    """Both faces swapped; nothing outside the mask changed."""
    faces = people(2, 1, seed=1).pictures
    chain = Chain(chosen)
    identities = chain.identities(faces[::-1])
    shown = chain(faces, identities, five(DrawnLandmarks()(faces).points))
    assert shown.pictures.shape == faces.shape
    for made, before, mask in zip(shown.pictures, faces, shown.masks, strict=True):
        assert (mask > 0).any()
        assert np.array_equal(made[mask == 0], before[mask == 0])
    chosen.close()


def test_an_added_swapper_is_judged_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    ModelStore().save(
        "mine", "simswap", "MIT", tiny_models.embedding_swapper(224), tiny_models.recognizer(512)
    )
    chosen = swapper(arguments([*NEEDED, "--added", "mine"]), FlatTeacher())
    assert chosen.crop_size == 224
    judge_two(chosen)


def test_our_own_is_fed_by_the_recogniser_beside_it_or_else_by_the_teacher(tmp_path: Path) -> None:
    tiny_models.bundle(tmp_path)
    chosen = own_swapper(tmp_path, FlatTeacher())
    digest = ModelStore(tmp_path, tmp_path / "own").file("recognizer").sha256
    assert chosen.recognizer.name == f"omokage {digest[:8]}"
    judge_two(chosen)
    (tmp_path / "recognizer.onnx").unlink()
    chosen = own_swapper(tmp_path, FlatTeacher())
    assert chosen.recognizer.name == "teacher"
    judge_two(chosen)
