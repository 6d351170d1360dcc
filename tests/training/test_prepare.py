"""Own photos become a data folder that training reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from engines.detector import Detector
from engines.loading import load_engines
from tests.helpers.face_folder import write_faces
from training.data import load_pictures, read_index
from training.prepare import kept_apart, photos, prepare

pytestmark = pytest.mark.training
PERSONAS = Path(__file__).parents[2] / "assets" / "personas"


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    engines = load_engines(engine="onnx")
    yield engines.detector
    engines.close()


def test_people_are_folders(tmp_path: Path) -> None:
    for name in ("ann/1.png", "ann/deep/2.PNG", "bob/1.jpg", "bob/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [(who, file.name) for who, file in photos(tmp_path)] == [
        ("ann", "1.png"),
        ("ann", "2.PNG"),
        ("bob", "1.jpg"),
    ]
    assert [who for who, _ in photos(tmp_path / "bob")] == ["bob"]


def test_faces_are_aligned_and_the_rest_is_named(tmp_path: Path, detector: Detector) -> None:
    given, output = tmp_path / "photos", tmp_path / "data"
    for name in ("yuki", "kofi"):
        (given / name).mkdir(parents=True)
        shutil.copy(PERSONAS / f"{name}.png", given / name)
    cv2.imwrite(str(given / "kofi" / "wall.png"), np.full((200, 300, 3), 128, np.uint8))
    left_out = prepare(given, output, "consent", detector)
    assert [file.name for file in left_out] == ["wall.png"]
    rows = read_index(output)
    assert [row.identity for row in rows] == ["own:kofi", "own:yuki"]
    assert {row.licence for row in rows} == {"consent"}
    squares = load_pictures(output, rows, 128)
    (again,) = detector.detect(squares[0][..., ::-1].copy(), 0.6)[:1]
    wanted = np.float32([[46, 60], [82, 60], [64, 80], [50, 100], [79, 100]])
    assert np.abs(again.landmarks - wanted).max() < 4


def test_nothing_usable_writes_nothing(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match="no usable face"):
        prepare(tmp_path / "photos", tmp_path / "data", "consent", detector)
    assert not (tmp_path / "data").exists()


def test_people_that_training_will_not_see_are_named(tmp_path: Path) -> None:
    names = [f"person {n}" for n in range(40)]
    write_faces(tmp_path, [f"own:{name}" for name in names])
    apart = kept_apart(tmp_path)
    assert 0 < len(apart) < 10
    assert set(apart) < set(names)
