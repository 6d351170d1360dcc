"""Whether a face can be swapped at all, and whether a swap really replaced it.

A swap that runs without an error can still show the raw face: an engine that gives back what it
got (a broken precision, a collapsed generator), a mask of nothing, numbers that are none.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import EngineError
from app.frame import Face, Mask, Pixels, Points

# A frontal face's eyes are .96 to 1.02 as far apart as they are from the mouth (all demo and clip
# frames); turned by a, cos(a) of that. Below this it is turned by more than about 55 degrees.
NARROWEST = 0.55
NOSE_ASIDE = 0.5  # of the eyes' distance: the nose stands before or beyond an eye
LEAST_INSIDE = 0.3  # of the box must lie in the picture
PADDING = 0.25  # of the landmarks' extent: the part of the face by which people are told apart
# Correlation of the fine structure of a swap and what it replaced. The bundled generator's was .81
# at most, over 8 personas, the demo and 10 clips; a picture given back has 1.
MOST_ALIKE = 0.95
LEAST_COVER = 0.35  # of that part the mask must replace; .90 at least without anything before it


def doubtful(face: Face, shape: tuple[int, ...]) -> bool:
    """Whether a face in a picture of ``shape`` is turned or cut off too far to be replaced."""
    points = face.landmarks.astype(np.float64)
    if not (np.isfinite(points).all() and np.isfinite(face.box).all()):
        return True
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    wide, tall = math.hypot(*across), math.hypot(*(mouth - eyes))
    if wide < NARROWEST * tall or tall <= 0:
        return True
    if abs(float((points[2] - eyes) @ across)) > NOSE_ASIDE * wide * wide:
        return True
    x, y, width, height = face.box
    inside_x = min(x + width, shape[1]) - max(x, 0)
    inside_y = min(y + height, shape[0]) - max(y, 0)
    return max(inside_x, 0) * max(inside_y, 0) < LEAST_INSIDE * width * height


def check_swap(crop: Pixels, swapped: Pixels, mask: Mask, landmarks: Points) -> None:
    """``EngineError`` where pasting ``swapped`` over ``crop`` would leave the face to be seen.

    All are of one size; ``landmarks`` (5 x 2) are in their pixels.
    """
    part = _inner(landmarks, crop.shape)
    cover = float(mask[part].mean()) / 255
    if not cover >= LEAST_COVER:
        raise EngineError(f"The swap covers {cover:.0%} of the face, too little to hide it.")
    _check_changed(crop[part], swapped[part])


def check_shown(before: Pixels, after: Pixels, landmarks: Points) -> None:
    """``EngineError`` where a face of a whole frame is still to be seen in the finished one.

    ``landmarks`` (5 x 2) are in the frame's pixels.
    """
    part = _inner(landmarks, before.shape)
    _check_changed(before[part], after[part])


def _check_changed(before: Pixels, after: Pixels) -> None:
    if not likeness(before, after) <= MOST_ALIKE:
        raise EngineError(
            "The swapper gave back the face it got.", "Choose another swapper, or update it."
        )


def likeness(first: Pixels, second: Pixels) -> float:
    """Correlation of the fine structure of two pictures of one size, in [-1, 1]."""
    one, two = _fine(first), _fine(second)
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    if norm < 1e-6:
        return 1.0 if np.array_equal(first, second) else 0.0
    return float((one * two).sum()) / norm


def _fine(pixels: Pixels) -> NDArray[np.float32]:
    """Luma without what is broader than a sixteenth of the picture: light and shade."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), max(1.0, min(grey.shape) / 16))
    return np.asarray(fine - fine.mean(), np.float32)


def _inner(landmarks: Points, shape: tuple[int, ...]) -> tuple[slice, slice]:
    height, width = shape[:2]
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    pad = PADDING * (high - low)
    left, top = np.clip(np.floor(low - pad), 0, (width - 2, height - 2)).astype(int)
    right, bottom = np.clip(np.ceil(high + pad), (left + 2, top + 2), (width, height)).astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))
