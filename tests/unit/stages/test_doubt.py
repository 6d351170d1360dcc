"""Faces that cannot be replaced, and swaps that replaced nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Face
from app.stages.doubt import check_swap, doubtful, likeness
from engines.templates import omokage
from tests.helpers.fake_engines import detection

SHAPE = (360, 640, 3)
RNG = np.random.default_rng(2)
CROP = np.asarray(cv2.GaussianBlur(RNG.integers(0, 256, (128, 128, 3), np.uint8), (0, 0), 2))
ELSE = np.asarray(cv2.GaussianBlur(RNG.integers(0, 256, (128, 128, 3), np.uint8), (0, 0), 2))
FULL = np.full((128, 128), 255, np.uint8)


def face(x: float, y: float, *, turned: float = 1.0, nose: float = 0.0) -> Face:
    """A face whose points are squeezed to ``turned`` of their width; the nose is moved."""
    found = detection(x, y, 100)
    points = found.landmarks.copy()
    centre = points[:, 0].mean()
    points[:, 0] = centre + turned * (points[:, 0] - centre)
    points[2, 0] += nose * (points[1, 0] - points[0, 0])
    return Face(found.box, points, 0.9, 1)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (face(100, 100), False),
        (face(100, 100, turned=0.75), False),
        (face(100, 100, turned=0.4), True),
        (face(100, 100, nose=0.3), False),
        (face(100, 100, nose=0.7), True),
        (face(-50, 100), False),
        (face(-80, 100), True),
        (face(600, 330), True),
    ],
)
def test_which_faces_are_doubtful(seen: Face, expected: bool) -> None:
    assert doubtful(seen, SHAPE) is expected


def test_numbers_that_are_none_are_doubtful() -> None:
    broken = Face((0, 0, 9, 9), np.full((5, 2), np.nan, np.float32), 0.9, 1)
    assert doubtful(broken, SHAPE)


def test_a_real_swap_passes_and_a_returned_face_does_not() -> None:
    check_swap(CROP, ELSE, FULL, omokage(128))
    brighter = np.clip(CROP.astype(int) + 20, 0, 255).astype(np.uint8)
    for same in (CROP, brighter):
        with pytest.raises(EngineError, match="gave back"):
            check_swap(CROP, same, FULL, omokage(128))


def test_a_mask_that_hides_too_little_does_not_pass() -> None:
    for mask in (FULL * 0, FULL // 8):
        with pytest.raises(EngineError, match="too little"):
            check_swap(CROP, ELSE, mask, omokage(128))


def test_likeness_of_plain_pictures() -> None:
    grey, other = np.full((40, 40, 3), 90, np.uint8), np.full((40, 40, 3), 20, np.uint8)
    assert (likeness(grey, grey), likeness(grey, other)) == (1.0, 0.0)
