"""Between pictures (BGR uint8, H x W x 3) and network tensors (float, 1 x 3 x H x W)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Rgb = tuple[float, float, float]

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)
NO_MEAN: Rgb = (0.0, 0.0, 0.0)
NO_STD: Rgb = (1.0, 1.0, 1.0)


def bgr_tensor(picture: Pixels) -> NDArray[np.float32]:
    """1 x 3 x H x W float32, BGR in 0-255."""
    tensor = np.empty((1, 3, *picture.shape[:2]), np.float32)
    for plane, channel in zip(tensor[0], cv2.split(picture), strict=True):
        plane[...] = channel  # less than half the time of blobFromImage where nothing is scaled
    return tensor


def rgb_tensor(picture: Pixels, mean: Rgb = NO_MEAN, std: Rgb = NO_STD) -> NDArray[np.float32]:
    """1 x 3 x H x W float32: RGB in [0, 1], less ``mean``, divided by ``std``."""
    shift = tuple(255 * value for value in mean)
    blob = cv2.dnn.blobFromImage(picture, 1 / 255, mean=shift, swapRB=True)
    tensor = np.asarray(blob, np.float32)
    if std != NO_STD:
        for plane, value in zip(tensor[0], std, strict=True):
            plane /= value
    return tensor


def pixels_from_rgb(tensor: NDArray[Any]) -> Pixels:
    """BGR uint8 from RGB in [0, 1], 3 x H x W; rounded, values outside the range are clipped."""
    planes = np.asarray(tensor, np.float32)
    whole = _times_255(planes.reshape(-1, planes.shape[-1]))
    red, green, blue = whole.reshape(planes.shape)
    return np.asarray(cv2.merge((blue, green, red)), np.uint8)


def gray_from_unit(tensor: NDArray[Any]) -> NDArray[np.uint8]:
    """H x W uint8 from values in [0, 1]; rounded and clipped."""
    return _times_255(np.asarray(tensor, np.float32))


def _times_255(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(cv2.addWeighted(values, 255.0, values, 0.0, 0.0, dtype=cv2.CV_8U), np.uint8)
