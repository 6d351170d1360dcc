"""Augmented crops: shapes, repeatability, and no change where none is asked for."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from training.recognizer_augment import Shares, batch, center_crops, to_network

pytestmark = pytest.mark.training


@pytest.fixture
def squares() -> np.ndarray:
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    square = np.stack([np.tile(ramp, (128, 1)), np.tile(ramp[:, None], (1, 128))], axis=-1)
    square = np.concatenate([square, np.full((128, 128, 1), 90, np.uint8)], axis=-1)
    return np.stack([square, 255 - square])


def test_batch_has_the_asked_size_and_differs(squares: np.ndarray) -> None:
    crops = batch(squares, 64, np.random.default_rng(0))
    assert crops.shape == (64, 112, 112, 3)
    assert crops.dtype == np.uint8
    assert len({crop.tobytes() for crop in crops}) == 64


def test_the_same_seed_gives_the_same_batch(squares: np.ndarray) -> None:
    one = batch(squares, 24, np.random.default_rng(5))
    other = batch(squares, 24, np.random.default_rng(5))
    np.testing.assert_array_equal(one, other)


def test_crops_stay_near_the_face(squares: np.ndarray) -> None:
    """On average over mirrored pairs the ramp's middle stays in the middle."""
    crops = batch(squares, 300, np.random.default_rng(1)).astype(float)
    assert 90 < crops[:, 40:72, 40:72, :2].mean() < 165


def test_center_crop_is_the_inner_square(squares: np.ndarray) -> None:
    crops = center_crops(squares)
    assert crops.shape == (2, 112, 112, 3)
    np.testing.assert_array_equal(crops[0, 0, 0], squares[0, 8, 8])


def test_network_input_is_channels_first_in_unit_range(squares: np.ndarray) -> None:
    tensor = to_network(center_crops(squares))
    assert tensor.shape == (2, 3, 112, 112)
    assert tensor.dtype == np.float32
    assert tensor.min() >= 0
    assert tensor.max() <= 1
    assert tensor.flags.c_contiguous
    assert tensor[0, 2, 0, 0] == pytest.approx(90 / 255)


def test_a_bent_face_has_the_same_colours_in_other_places(squares: np.ndarray) -> None:
    plain, bent = (
        batch(squares[:1], 40, np.random.default_rng(2), Shares(0, share, 0)).astype(float)
        for share in (0.0, 1.0)
    )
    level = np.full((1, 128, 128, 3), 77, np.uint8)
    assert (batch(level, 4, np.random.default_rng(2), Shares(0, 1.0, 0)) == 77).all()
    # The ramp tells where a pixel came from: a bend is no straight line any more, nor a long way.
    straight, crooked = (
        np.abs(np.diff(crops[..., 0], 2, axis=2)).mean() for crops in (plain, bent)
    )
    assert crooked > straight
    moved = np.abs(bent.mean(0) - plain.mean(0))[..., :2].mean() / 2  # two levels a pixel
    assert moved < 4


def test_nothing_is_changed_beyond_its_place_where_no_share_is_asked_for(
    squares: np.ndarray,
) -> None:
    crops = batch(squares, 32, np.random.default_rng(4), Shares(0, 0, 0))
    assert set(np.unique(crops[..., 2])) <= {90, 165}
