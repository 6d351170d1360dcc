"""Where the eyes look, by OpenSeeFace's gaze network (BSD-2).

The network wants each eye levelled, cut to 1.4 times its width by 1.2 times its width and scaled to
32 x 32, the eye on the picture's right mirrored, and the picture transposed (its first spatial axis
is x). It answers with an 8 x 8 heat map of the pupil and offsets within the cell.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.onnx_session import opened
from training.squares import MEAN, STD, Floats, Squares

EYE_PX, CELLS = 32, 8
WIDE, TALL = 1.4, 1.2  # of the distance between the eye's corners
CORNERS = ((36, 39), (42, 45))  # of the eye on the left and on the right of the picture


class Gaze:
    """The pupils' places within the eyes."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        self._session = opened(file, threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, squares: Squares, points: Floats) -> Floats:
        """n x 2 eyes x 2 (to the picture's right, down), from the eye's middle, in eye widths."""
        return np.stack([self._one(s, p) for s, p in zip(squares, points, strict=True)])

    def _one(self, square: NDArray[np.uint8], points: Floats) -> Floats:
        eyes = [
            eye_crop(square, *points[list(pair)], mirrored=n == 1) for n, pair in enumerate(CORNERS)
        ]
        feed = ((np.stack(eyes).astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 2, 1)
        maps = self._session.run(None, {self._input: np.ascontiguousarray(feed)})[0]
        pupils = np.stack([pupil(m) for m in maps]) / EYE_PX - 0.5
        pupils *= (WIDE, TALL)
        pupils[1, 0] *= -1  # mirrored back
        return pupils


def eye_crop(
    square: NDArray[np.uint8], one: Floats, other: Floats, *, mirrored: bool
) -> NDArray[np.uint8]:
    """The eye between two corners, levelled, 32 x 32."""
    middle, across = (one + other) / 2, other - one
    width = max(float(np.hypot(*across)), 1.0)
    cos, sin = across / width
    turn = np.array([[cos, sin], [-sin, cos]])
    scale = (
        np.array([[-1.0 if mirrored else 1.0], [1.0]])
        * EYE_PX
        / (width * np.array([[WIDE], [TALL]]))
    )
    linear = turn * scale
    shift = (EYE_PX - 1) / 2 - linear @ middle
    matrix = np.concatenate([linear, shift[:, None]], axis=1)
    return np.asarray(
        cv2.warpAffine(square, matrix, (EYE_PX, EYE_PX), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def pupil(maps: Floats) -> Floats:
    """(x, y) in the 32-px crop from the heat map and its offsets, 3 x 8 x 8 with x first."""
    x, y = np.unravel_index(int(maps[0].argmax()), (CELLS, CELLS))
    share = np.clip(maps[1:, x, y], 1e-7, 1 - 1e-7)
    return np.array([x, y]) * EYE_PX / CELLS + EYE_PX * np.log(share / (1 - share)) / CELLS


def gaze_error(one: Floats, other: Floats) -> Floats:
    """Mean distance between the pupils' places, in hundredths of the eye's width, n."""
    return np.asarray(100 * np.linalg.norm(one - other, axis=2).mean(1))
