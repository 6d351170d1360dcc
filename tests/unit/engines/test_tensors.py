"""Pictures to tensors and back."""

from __future__ import annotations

import numpy as np
import pytest

from engines.tensors import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    bgr_tensor,
    gray_from_unit,
    pixels_from_rgb,
    rgb_tensor,
)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)


def test_bgr_keeps_values_and_order(picture: np.ndarray) -> None:
    tensor = bgr_tensor(picture)
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0], picture.transpose(2, 0, 1))


def test_rgb_is_between_0_and_1(picture: np.ndarray) -> None:
    wanted = picture[:, :, ::-1].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(rgb_tensor(picture)[0], wanted, atol=1e-6)


def test_mean_and_std_are_those_of_each_channel(picture: np.ndarray) -> None:
    wanted = (picture[:, :, ::-1] / 255 - IMAGENET_MEAN) / IMAGENET_STD
    found = rgb_tensor(picture, IMAGENET_MEAN, IMAGENET_STD)[0]
    np.testing.assert_allclose(found, wanted.transpose(2, 0, 1), atol=1e-5)


def test_there_and_back_is_exact(picture: np.ndarray) -> None:
    found = pixels_from_rgb(rgb_tensor(picture)[0])
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, picture)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_values_outside_are_clipped_not_wrapped(dtype: type) -> None:
    tensor = np.zeros((3, 2, 2), dtype)
    tensor[0], tensor[1], tensor[2] = -0.5, 1.5, 0.5
    np.testing.assert_array_equal(pixels_from_rgb(tensor)[0, 0], (128, 255, 0))
    np.testing.assert_array_equal(gray_from_unit(tensor[0]), 0)
    np.testing.assert_array_equal(gray_from_unit(tensor[1]), 255)


def test_a_read_only_picture_is_taken(picture: np.ndarray) -> None:
    picture.flags.writeable = False
    assert rgb_tensor(picture).shape == (1, 3, 24, 40)
