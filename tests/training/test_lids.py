"""Closed eyes: the lid comes down over the eye and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from training.lids import closed

pytestmark = pytest.mark.training

# Corner, upper lid, corner, lower lid of two eyes 24 px wide and 8 px open.
EYE = np.array([(0, 4), (8, 0), (16, 0), (24, 4), (16, 8), (8, 8)], np.float32)
EYES = EYE + np.array([[[34, 56]], [[70, 56]]], np.float32)
SKIN, WHITE, LASHES = 150, 250, 10


def face() -> np.ndarray:
    """Skin, with white eyes and dark upper lids' edges."""
    picture = np.full((128, 128, 3), SKIN, np.uint8)
    for left in (34, 70):
        picture[56:65, left + 6 : left + 19] = WHITE
        picture[55:57, left + 2 : left + 23] = LASHES
    return picture


def test_a_closed_eye_shows_no_white_and_has_its_lashes_below() -> None:
    before = face()
    after = closed(before, EYES, 1.0)
    column = after[:, 46, 0].astype(int)
    assert (column > SKIN + 20).sum() <= 1
    assert 62 <= column.argmin() <= 66
    assert (before[:, 46, 0] > SKIN + 20).sum() > 6


def test_half_closed_is_between() -> None:
    white = [(closed(face(), EYES, share)[:, 46, 0] > 200).sum() for share in (0.01, 0.5, 1.0)]
    assert white[0] > white[1] > white[2]


def test_nothing_else_moves() -> None:
    rng = np.random.default_rng(1)
    before = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
    after = closed(before, EYES, 1.0)
    rest = np.ones((128, 128), bool)
    rest[40:70, 34:58] = rest[40:70, 70:94] = False
    assert np.array_equal(before[rest], after[rest])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("eyes", [np.zeros((2, 6, 2)), EYES * (1, 0.2) + (0, 45), EYES[:, ::-1]])
def test_unknown_shut_or_muddled_eyes_are_left_alone(eyes: np.ndarray) -> None:
    picture = face()
    assert np.array_equal(closed(picture, eyes, 1.0), picture)
