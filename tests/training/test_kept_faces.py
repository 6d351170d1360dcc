"""What is kept between runs, and what a run is watched by."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from tests.helpers.face_folder import write_faces  # noqa: E402
from training.data import FaceRow  # noqa: E402
from training.faces import Faces, load  # noqa: E402
from training.sheet import PAIRS, SHOWN, SOURCES, TARGETS, Watch, in_turn  # noqa: E402
from training.train import run  # noqa: E402

pytestmark = pytest.mark.training

DETECTOR = Path(__file__).parents[2] / "assets" / "detector.onnx"


class Colour(nn.Module):
    """Embeds a picture as its mean colour, times a weight; counts how often it is asked."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))
        self.asked = 0

    def forward(self, crops: Tensor) -> Tensor:
        self.asked += 1
        return crops.mean((2, 3)) * self.weight


def test_other_pictures_and_other_networks_are_not_taken_from_the_cache(tmp_path: Path) -> None:
    data, cache, teacher = tmp_path / "data", tmp_path / "cache", Colour(1.0)
    write_faces(data, ["a", "b", "c"])
    first = load(data, teacher, cache, Colour(2.0))
    assert np.array_equal(load(data, teacher, cache, Colour(2.0)).pictures, first.pictures)
    assert teacher.asked == 1
    retrained = load(data, teacher, cache, Colour(3.0))
    assert np.allclose(retrained.recognised, 1.5 * first.recognised)
    assert np.array_equal(retrained.embeddings, first.embeddings)
    write_faces(data, ["a", "b", "c"], seed=1)
    other = load(data, teacher, cache, Colour(2.0))
    assert not np.array_equal(other.pictures, first.pictures)
    assert not np.allclose(other.embeddings, first.embeddings)
    write_faces(data, ["a", "b", "c", "d"])
    assert len(load(data, teacher, cache, Colour(2.0)).rows) == 4
    assert not list(cache.glob("*.part"))


def test_turns_are_kept_for_one_detector(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    write_faces(data, ["a", "b", "c"])
    first = load(data, Colour(1.0), cache, detector=DETECTOR).turn
    (kept,) = cache.glob("turn_*.npy")
    np.save(kept, first + 1)
    assert np.array_equal(load(data, Colour(1.0), cache, detector=DETECTOR).turn, first + 1)
    assert not load(data, Colour(1.0), cache).turn.any()


def _faces(count: int, kind: str, side: int = 128) -> Faces:
    """As many people, whose names put some into the held-out part."""
    rows = [
        FaceRow("s.tar", f"{n}.jpg", kind, f"{kind} {n}", 128, 0.0, "", "", "", "CC0")
        for n in range(count)
    ]
    embeddings = np.eye(count, 128, dtype=np.float32)
    pictures = np.zeros((count, side, side, 3), np.uint8)
    return Faces(
        rows,
        pictures,
        embeddings,
        embeddings,
        np.zeros((count, 0), np.float32),
        np.zeros(count, np.float32),
        np.zeros((count, 2, 6, 2), np.float32),
    )


class Copies(nn.Module):
    """Gives the target back."""

    def source(self, embedding: Tensor, crops: Tensor) -> Tensor:
        return embedding

    def forward(self, target: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        assert len(target) == len(embedding)
        return target, target[:, :1]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_few_own_photos_can_be_watched(tmp_path: Path, count: int) -> None:
    watch = Watch.of(_faces(count, "own"), Colour(1.0))  # type: ignore[arg-type]
    assert len(watch.targets.rows) == len(watch.sources.rows) == max(count // 2, 1)
    watch.sheet(Copies(), 128, tmp_path / "sheet.png")  # type: ignore[arg-type]
    assert (tmp_path / "sheet.png").stat().st_size


def test_people_held_out_are_watched_where_there_are_some() -> None:
    parts = [_faces(700, kind, side=1) for kind in SHOWN]
    faces = Faces(
        [row for part in parts for row in part.rows],
        np.concatenate([part.pictures for part in parts]),
        *(np.concatenate([part.embeddings for part in parts]) for _ in range(3)),
        np.concatenate([part.turn for part in parts]),
        np.concatenate([part.eyes for part in parts]),
    )
    watch = Watch.of(faces, Colour(1.0))  # type: ignore[arg-type]
    groups = (watch.targets, watch.sources, watch.shown_targets, watch.shown_sources)
    assert [len(group.rows) for group in groups] == [PAIRS, PAIRS, TARGETS, SOURCES]
    assert all(row.held_out for group in groups for row in group.rows)
    targets, sources = ({row.identity for row in group.rows} for group in groups[:2])
    assert not targets & sources
    assert {row.set for row in watch.shown_sources.rows} == set(SHOWN)


def test_groups_take_turns() -> None:
    assert in_turn([[1, 2, 3], [4], [5, 6]], 5) == [1, 4, 5, 2, 6]
    assert in_turn([[1], [2]], 9) == [1, 2]


@dataclass
class EvenRun:
    """A trainer whose loss is always 2; taken up again at step 40 of 100."""

    steps: int = 40
    samples: int = 400
    average: None = None
    recipe = SimpleNamespace(
        steps=100,
        size=32,
        veiled_share=0.0,
        spoil_cells=(8, 8),
        sheet_every=99,
        checkpoint_every=99,
    )

    def step(self) -> dict[str, float]:
        self.steps += 1
        self.samples += 10
        return {"loss": 2.0}

    def state(self) -> dict[str, int]:
        return {"steps": self.steps}


@pytest.fixture
def _signals() -> Iterator[None]:
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(name) for name in names]
    yield
    for name, handler in zip(names, before, strict=True):
        signal.signal(name, handler)


@pytest.mark.usefixtures("_signals")
def test_the_log_says_the_mean_also_after_a_run_was_taken_up_again(tmp_path: Path) -> None:
    watch = SimpleNamespace(measure=lambda *_: {}, sheet=lambda *_: None)
    run(EvenRun(), watch, tmp_path)  # type: ignore[arg-type]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["steps"], line["loss"]) for line in lines] == [(50, 2.0), (100, 2.0)]
    assert torch.load(tmp_path / "last.pt", weights_only=True) == {"steps": 100}
