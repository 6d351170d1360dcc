"""Paste-back: bit-exact outside the mask, exact inside, close to the float blend between."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import MaskSettings
from app.stages.align import align, invert
from app.stages.composite import paste
from app.stages.mask import build_mask
from engines import templates

TEMPLATE = templates.omokage(128)
RNG = np.random.default_rng(2)
FRAME = RNG.integers(0, 256, (180, 240, 3), np.uint8)
CROP = RNG.integers(0, 256, (128, 128, 3), np.uint8)
PLACES = st.tuples(
    st.floats(-3.1, 3.1), st.floats(0.1, 6), st.floats(-300, 500), st.floats(-300, 500)
)


def _matrix(place: tuple[float, float, float, float]) -> np.ndarray:
    angle, scale, x, y = place
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return invert(np.array([[c, -s, x], [s, c, y]], np.float32))


@given(PLACES)
def test_an_empty_mask_changes_nothing(place: tuple[float, float, float, float]) -> None:
    out = FRAME.copy()
    paste(out, CROP, np.zeros((128, 128), np.uint8), _matrix(place))
    assert np.array_equal(out, FRAME)


@given(PLACES)
def test_nothing_outside_the_warped_mask_changes(
    place: tuple[float, float, float, float],
) -> None:
    matrix = _matrix(place)
    mask = build_mask(128, TEMPLATE, MaskSettings())
    out = FRAME.copy()
    paste(out, CROP, mask, matrix)
    reach = cv2.warpAffine(
        (mask > 0).astype(np.uint8) * 255, invert(matrix), (FRAME.shape[1], FRAME.shape[0])
    )
    reach = cv2.dilate(reach, np.ones((5, 5), np.uint8))
    assert np.array_equal(out[reach == 0], FRAME[reach == 0])


def test_a_full_mask_in_place_gives_the_crop() -> None:
    out = FRAME.copy()
    identity = np.array([[1, 0, -20], [0, 1, -30]], np.float32)
    paste(out, CROP, np.full((128, 128), 255, np.uint8), identity)
    assert np.array_equal(out[30:158, 20:148], CROP)


def test_between_it_is_within_one_grey_level() -> None:
    out = FRAME.copy()
    mask = RNG.integers(0, 256, (128, 128), np.uint8)
    paste(out, CROP, mask, np.array([[1, 0, -20], [0, 1, -30]], np.float32))
    share = mask[..., None] / 255
    exact = FRAME[30:158, 20:148] * (1 - share) + CROP * share
    assert np.abs(out[30:158, 20:148] - exact).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_an_unchanged_crop_changes_little(scale: float) -> None:
    smooth = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), (640, 480), interpolation=2)
    landmarks = TEMPLATE * scale + (100, 40)
    crop = align(smooth, landmarks, TEMPLATE, 128)
    out = smooth.copy()
    paste(out, crop.pixels, build_mask(128, TEMPLATE, MaskSettings()), crop.matrix)
    assert np.abs(out.astype(int) - smooth).max() <= 6


def test_a_strip_of_a_larger_array_is_written_in_place() -> None:
    big = np.repeat(FRAME, 2, axis=1)
    view = big[:, :240]
    before = big.copy()
    paste(view, CROP, np.full((128, 128), 255, np.uint8), np.eye(2, 3, dtype=np.float32))
    assert np.array_equal(big[:128, :128], CROP)
    assert np.array_equal(big[:, 240:], before[:, 240:])
