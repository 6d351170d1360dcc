"""How far the heads of aligned faces are turned, by the detector's points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.detector import Detector

CANVAS_PX = 192
THRESHOLD = 0.4
MOST = 0.6  # eye distances: the nose stands before an eye


def nose_aside(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """How far each nose is off the middle of the eyes, along the line between them and in eye
    distances, for points n x 5 x 2: 0 for a face seen from the front, .3 from some 30 degrees."""
    right, left, nose = (points[:, k] for k in range(3))
    across = left - right
    off = ((nose - (right + left) / 2) * across).sum(1) / (across**2).sum(1).clip(1e-9)
    return np.asarray(off, np.float32)


def turns(pictures: NDArray[np.uint8], detector: Detector) -> NDArray[np.float32]:
    """Of the face in the middle of each square (n x s x s x 3, RGB), at most ``MOST``; 0 where
    none is found."""
    found = np.zeros(len(pictures), np.float32)
    canvas = np.full((CANVAS_PX, CANVAS_PX, 3), 114, np.uint8)
    rim = (CANVAS_PX - pictures.shape[1]) // 2
    middle = np.full(2, CANVAS_PX / 2)
    for n, picture in enumerate(pictures):
        canvas[rim : rim + len(picture), rim : rim + len(picture)] = picture[..., ::-1]
        faces = detector.detect(canvas, THRESHOLD, size=CANVAS_PX)
        if faces:
            points = [face.landmarks for face in faces]
            face = min(points, key=lambda five: float(np.hypot(*(five.mean(axis=0) - middle))))
            found[n] = np.abs(nose_aside(face[None])).clip(0, MOST)[0]
    return found
