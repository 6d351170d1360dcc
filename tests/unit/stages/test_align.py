"""Alignment: exact similarities, inverses, big faces without aliasing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stages.align import align, invert, scale_of, similarity, transform
from engines import templates

TEMPLATE = templates.arcface(112)
ANGLES = st.floats(-3.1, 3.1)
SCALES = st.floats(0.1, 10)
SHIFTS = st.floats(-2000, 2000)


def _similar(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]], np.float32)


@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_similarity_finds_the_matrix_that_moved_the_points(
    angle: float, scale: float, x: float, y: float
) -> None:
    moved = transform(TEMPLATE, _similar(angle, scale, x, y))
    found = similarity(moved, TEMPLATE)
    assert transform(moved, found) == pytest.approx(TEMPLATE, abs=0.05)
    assert scale_of(found) == pytest.approx(1 / scale, rel=1e-3)


def test_similarity_agrees_with_opencv_on_noisy_points() -> None:
    noisy = TEMPLATE * 2 + np.random.default_rng(0).normal(0, 3, (5, 2)).astype(np.float32)
    ours = transform(noisy, similarity(noisy, TEMPLATE))
    theirs, _ = cv2.estimateAffinePartial2D(noisy, TEMPLATE, method=cv2.LMEDS)
    error = np.square(ours - TEMPLATE).sum()
    assert error <= np.square(transform(noisy, theirs.astype(np.float32)) - TEMPLATE).sum() + 1e-3


@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_invert(angle: float, scale: float, x: float, y: float) -> None:
    matrix = _similar(angle, scale, x, y)
    back = transform(transform(TEMPLATE, matrix), invert(matrix))
    assert back == pytest.approx(TEMPLATE, abs=0.1)


def test_points_that_coincide_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="coincide"):
        similarity(np.ones((5, 2), np.float32), TEMPLATE)


def test_a_crop_of_a_face_already_in_place_is_the_picture() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)
    crop = align(picture, TEMPLATE, TEMPLATE, 112)
    assert np.array_equal(crop.pixels, picture)


@pytest.mark.parametrize("size", [400, 900, 2500])
def test_a_big_face_is_averaged_not_sampled(size: int) -> None:
    board = np.indices((size, size)).sum(axis=0) % 2 * 255  # one-pixel checks
    picture = np.repeat(board[..., None].astype(np.uint8), 3, axis=2)
    crop = align(picture, TEMPLATE * (size / 112), TEMPLATE, 112)
    assert crop.pixels[8:-8, 8:-8].std() < 12
    assert crop.pixels.mean() == pytest.approx(127.5, abs=4)


def test_shrinking_keeps_places() -> None:
    picture = np.zeros((1200, 1200, 3), np.uint8)
    landmarks = TEMPLATE * 8 + 100
    for x, y in landmarks:
        cv2.circle(picture, (round(float(x)), round(float(y))), 24, (255, 255, 255), -1)
    crop = align(picture, landmarks, TEMPLATE, 112)
    for x, y in TEMPLATE:
        left, top = round(float(x)) - 6, round(float(y)) - 6
        part = crop.pixels[top : top + 13, left : left + 13, 0].astype(float)
        ys, xs = np.indices(part.shape)
        assert (part * xs).sum() / part.sum() + left == pytest.approx(float(x), abs=0.5)
        assert (part * ys).sum() / part.sum() + top == pytest.approx(float(y), abs=0.5)


def test_a_face_outside_the_frame_still_gives_a_crop() -> None:
    picture = np.full((60, 80, 3), 50, np.uint8)
    for shift in (-500, 500):
        crop = align(picture, TEMPLATE * 5 + shift, TEMPLATE, 112)
        assert crop.pixels.shape == (112, 112, 3)
