"""A portrait of nobody: several synthetic faces averaged, in the hair and the room of the first.

The averaging of shapes and tones follows Benson and Perrett, "Extracting prototypical facial
images from exemplars", Perception 22 (1993).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.composite_face import FIXED, SIDE, Image, Points, reshaped, triangles

FIRST = 2.0  # how much more the first face counts than another one
FOREHEAD = 0.22  # of the face's height: what of the forehead above the brows is averaged
FEATHER_PX = 7.0
SHARPEN = ((6.0, 0.18), (2.0, 0.55), (1.0, 0.5))  # blur in px, gain: averaging took the detail
SOFT_PX = 3.5  # blur of the hair and the room, so that no picture is shown as it was
STRETCH = (0.7, 1.4)  # how far the contrast of a face may be changed to match the first one's


def portrait(pictures: Sequence[Image], shapes: Sequence[Points]) -> NDArray[np.uint8]:
    """The mean of aligned ``pictures`` (SIDE x SIDE x 3 BGR, 0-255) with 66 landmarks each."""
    weights = np.array([FIRST] + [1.0] * (len(pictures) - 1))
    weights /= weights.sum()
    whole = [np.vstack([shape, FIXED]) for shape in shapes]
    target = np.tensordot(weights, np.stack(whole), 1)
    mesh = triangles(target)
    warped = [reshaped(p, s, target, mesh) for p, s in zip(pictures, whole, strict=True)]
    cover = face_cover(target)
    first = warped[0]
    mean = sum(w * toned(face, first, cover) for w, face in zip(weights, warped, strict=True))
    for blur, gain in SHARPEN:
        mean = mean + gain * (mean - cv2.GaussianBlur(mean, (0, 0), blur))
    around = cv2.GaussianBlur(first, (0, 0), SOFT_PX)
    share = cover[..., None]
    return np.clip(share * mean + (1 - share) * around + 0.5, 0, 255).astype(np.uint8)


def face_cover(points: Points) -> Image:
    """From 0 outside to 1 well inside the face: the hull of jaw, brows and lower forehead."""
    jaw, brows = points[:17], points[17:27]
    height = points[8, 1] - brows[:, 1].mean()
    above = brows - (0, FOREHEAD * height)
    hull = cv2.convexHull(np.vstack([jaw, brows, above]).astype(np.float32))
    cover = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillConvexPoly(cover, np.round(hull).astype(np.int32), 1.0)
    wide = 2 * int(FEATHER_PX) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
    return cv2.GaussianBlur(cv2.erode(cover, kernel), (0, 0), FEATHER_PX / 2)


def toned(picture: Image, like: Image, cover: Image) -> Image:
    """``picture`` with the skin's brightness, colour and contrast of ``like`` under ``cover``.

    Means and deviations in Lab: Reinhard et al., "Color transfer between images", 2001.
    """
    lab, want = (cv2.cvtColor(p / 255, cv2.COLOR_BGR2LAB) for p in (picture, like))
    inside = cover > 0.5
    low, high = STRETCH
    stretch = np.clip(want[inside].std(axis=0) / lab[inside].std(axis=0), low, high)
    lab = (lab - lab[inside].mean(axis=0)) * stretch + want[inside].mean(axis=0)
    return cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2BGR) * 255
