"""Which faces are drawn, how often, and how far their heads are turned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.detector import Detection  # noqa: E402
from tests.helpers.tiny_training import faces  # noqa: E402
from training.faces import Faces, Sampler  # noqa: E402
from training.turning import MOST, nose_aside, turns  # noqa: E402

pytestmark = pytest.mark.training


def test_other_photo_is_of_the_same_person() -> None:
    drawn = faces(5)
    sampler = Sampler.of(drawn, {})
    chosen = np.arange(5)
    others = sampler.other_photo(chosen, np.random.default_rng(0))
    assert [drawn.rows[n].identity for n in others] == [r.identity for r in drawn.rows]
    assert list(others) == [1, 0, 3, 2, 4]


def test_folders_are_joined() -> None:
    both = Faces.joined([faces(2), faces(3)])
    assert len(both.rows) == 5
    assert np.array_equal(both.pictures[2:], faces(3).pictures)
    one = faces(2)
    assert Faces.joined([one]) is one


def test_turned_heads_are_drawn_more_often() -> None:
    plain, more = (Sampler.of(faces(3), {}, turned=turned).shares for turned in (0.0, 5.0))
    assert plain == pytest.approx([1 / 3] * 3)
    assert more[2] / more[0] == pytest.approx(1 + 5 * MOST)


def test_the_nose_tells_how_far_a_head_is_turned() -> None:
    five = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)
    aside = five + np.array([[0, 0], [0, 0], [12, 0], [0, 0], [0, 0]], np.float32)
    angle = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
    found = nose_aside(np.stack([five, aside, aside @ angle]))
    assert found == pytest.approx([0, 0.3, 0.3], abs=1e-6)


def test_turns_are_those_of_the_face_in_the_middle() -> None:
    five = np.array([[76, 90], [116, 90], [104, 110], [81, 130], [111, 130]], np.float32)

    class Finds:
        def detect(self, picture: np.ndarray, threshold: float, *, size: int) -> list[Detection]:
            assert picture.shape == (size, size, 3)
            if picture[96, 96, 0] == 0:
                return []
            beside = Detection((0, 0, 20, 30), five / 8, 0.9)
            return [beside, Detection((60, 60, 70, 90), five, 0.8)]

    pictures = np.zeros((2, 128, 128, 3), np.uint8)
    pictures[1] = 200
    assert turns(pictures, Finds()) == pytest.approx([0, 0.2])  # type: ignore[arg-type]


def test_balance_draws_small_groups_as_often() -> None:
    drawn = faces(10)
    labels = [("20-29", "Female", "Black")] * 2 + [("20-29", "Male", "White")] * 6
    labels += [("", "", "")] * 2
    rows = [
        replace(r, age=a, gender=g, race=c) for r, (a, g, c) in zip(drawn.rows, labels, strict=True)
    ]
    drawn = replace(drawn, rows=rows)
    plain, even = (Sampler.of(drawn, {}, balance).shares for balance in (0.0, 1.0))
    assert plain[:2].sum() == pytest.approx(0.2)
    assert even[:2].sum() == pytest.approx(even[2:8].sum())
    assert even[8:].sum() / even[:8].sum() == pytest.approx(0.25)
