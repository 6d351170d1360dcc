"""Closed eyes drawn on photographs: few people are photographed while they blink."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.landmarks import LEFT_EYE, RIGHT_EYE, Landmarks
from training.squares import Floats

# Of the six points of an eye: the corners, then the upper lid's two and below them the lower lid's.
CORNERS, UPPER, LOWER = (0, 3), (1, 2), (5, 4)
LEAST_OPEN = 0.18  # of the eye's width; one that is less open stays as it is
MOST_OPEN = 0.55  # above it the points are wrong
LASHES_PX = 0.6  # below the upper lid's edge, they go down with it
LOW = 0.12  # of the opening, by which the network sets the lower lid too high
REACH = 1.6  # eye openings above the upper lid, of skin that is stretched


def eye_points(pictures: NDArray[np.uint8], network: Landmarks) -> NDArray[np.float32]:
    """Both eyes' six points in squares n x 128 x 128 x 3: n x 2 x 6 x 2."""
    found = []
    for picture in pictures:
        points = network(picture[None]).points[0]
        found.append(np.stack([points[LEFT_EYE], points[RIGHT_EYE]]))
    return np.asarray(found, np.float32)


def closed(picture: NDArray[np.uint8], eyes: Floats, share: float) -> NDArray[np.uint8]:
    """The picture with both eyes closed by ``share`` of their opening (2 x 6 x 2 points, pixels).

    The upper lid's edge goes down to the lower one's, the skin above it is stretched after it, and
    what lies between is pressed together. Eyes that are nearly shut are left alone.
    """
    height, width = picture.shape[:2]
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    rows = np.broadcast_to(y, (height, width)).copy()
    for eye in eyes:
        lids = _lids(eye, x)
        if lids is None:
            continue
        upper, lower, opening = lids
        fall = share * np.maximum(lower - upper, 0)
        top, edge = upper - REACH * opening, upper + fall
        skin = top + (y - top) * ((upper - top) / (edge - top))
        between = upper + (y - edge) * ((lower - upper) / np.maximum(lower - edge, 1e-3))
        inside = fall > 0
        rows = np.where(inside & (y > top) & (y <= edge), skin, rows)
        rows = np.where(inside & (y > edge) & (y < lower), between, rows)
    columns = np.broadcast_to(x, rows.shape)
    found = cv2.remap(
        picture, np.ascontiguousarray(columns), rows.astype(np.float32), cv2.INTER_LINEAR
    )
    return np.asarray(found, np.uint8)


def _lids(eye: Floats, x: NDArray[np.float32]) -> tuple[Floats, Floats, float] | None:
    """Heights of the upper and the lower lid's edge in every column, and the eye's opening."""
    left, right = eye[CORNERS[0]], eye[CORNERS[1]]
    long = float(right[0] - left[0])
    gaps = [eye[low][1] - eye[up][1] for up, low in zip(UPPER, LOWER, strict=True)]
    opening = float(np.mean(gaps))
    if long < 4 or not LEAST_OPEN < opening / long < MOST_OPEN:
        return None
    edges = []
    for lid, more in ((UPPER, LASHES_PX), (LOWER, LOW * opening + 0.4)):
        points = [left, eye[lid[0]], eye[lid[1]], right]
        places = np.array([point[0] for point in points])
        if not (np.diff(places) > 0.5).all():
            return None
        curve = np.polynomial.Polynomial.fit(places, [point[1] for point in points], 3)
        edges.append(curve(x) + more)
    outside = (x <= left[0]) | (x >= right[0])
    upper, lower = edges
    return np.where(outside, lower, np.minimum(upper, lower)), lower, opening
