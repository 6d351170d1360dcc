"""Which part of the aligned crop is replaced: a padded rectangle or the face's outline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Mask, Points
from app.settings import MaskSettings

OUTLINE_POINTS = 48
# The outline in units of the distance d between the eyes' and the mouth's middle, from the eyes'
# middle: forehead above the brows, chin below the mouth, cheeks to the sides.
FOREHEAD, CHIN, CHEEK, WIDEST = 1.15, 1.95, 1.2, 0.42
YAW_NARROWING = 0.9  # how far the cheek the nose points to comes in, per d of the nose's offset


def build_mask(
    crop_size: int, landmarks: Points, settings: MaskSettings, extra: Sequence[Mask] = ()
) -> Mask:
    """The soft mask of a crop, ``crop_size`` squared, 0 at the crop's border.

    ``landmarks`` (5 x 2) are in crop pixels. ``extra`` are masks of the same size, such as the
    generator's own or an occluder's; the least of all counts.
    """
    mask = rectangle_mask(
        crop_size,
        settings.top,
        settings.right,
        settings.bottom,
        settings.left,
        settings.feather,
    )
    if settings.kind == "hull":
        mask = np.asarray(cv2.min(mask, hull_mask(crop_size, landmarks, settings.feather)))
    for other in extra:
        mask = np.asarray(cv2.min(mask, other))
    return mask


@lru_cache(maxsize=32)
def rectangle_mask(
    size: int, top: float, right: float, bottom: float, left: float, feather: float
) -> Mask:
    """A rectangle; paddings and the soft inner edge are shares of ``size``. Read-only."""
    place = np.arange(size, dtype=np.float64)
    soft = max(feather * size, 1.0)
    across = _ramp((place - left * size) / soft) * _ramp((size - 1 - right * size - place) / soft)
    down = _ramp((place - top * size) / soft) * _ramp((size - 1 - bottom * size - place) / soft)
    mask = np.rint(255 * np.outer(down, across)).astype(np.uint8)
    mask.flags.writeable = False
    return mask


def hull_mask(size: int, landmarks: Points, feather: float) -> Mask:
    """The face's outline, guessed from five landmarks, with a soft edge."""
    mask, soft = outline_mask(size, landmarks, feather), outline_softness(size, feather)
    return np.asarray(cv2.blur(cv2.blur(mask, (soft, soft)), (soft, soft)), np.uint8)


def outline_softness(size: int, feather: float) -> int:
    """Side of the box that blurs the outline twice: odd, in crop pixels."""
    return max(1, round(feather * size / 2)) | 1


def outline_mask(size: int, landmarks: Points, feather: float) -> Mask:
    """The outline before it is blurred: an egg that follows roll and yaw."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    down = mouth - eyes
    d = float(np.hypot(*down))
    if d < 1.0:
        return np.zeros((size, size), np.uint8)
    down /= d
    across = np.array([down[1], -down[0]])  # to the right of the picture for an upright face
    nose = landmarks[2] - (eyes + mouth) / 2
    yaw = float(np.clip(nose @ across / d, -0.5, 0.5))
    inset = feather * size / 2 / d  # the soft edge stays inside the outline
    x, y = _egg()
    right = CHEEK * (1 - YAW_NARROWING * max(yaw, 0.0)) - inset
    left = CHEEK * (1 - YAW_NARROWING * max(-yaw, 0.0)) - inset
    x = x * np.where(x > 0, right, left)
    y = WIDEST + y * np.where(y > 0, CHIN - WIDEST - inset, WIDEST + FOREHEAD - inset)
    outline = eyes + d * (x[:, None] * across + y[:, None] * down)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(outline * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return mask


@lru_cache(maxsize=1)
def _egg() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A superellipse of exponent 2.3 in [-1, 1]: fuller than an ellipse, as faces are."""
    angle = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    power = 2 / 2.3
    return np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power


def _ramp(t: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)
