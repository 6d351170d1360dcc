"""Frame, Face and Crop: what flows through the pipeline. Frozen, validated, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # H x W x 3, BGR, contiguous
Mask = NDArray[np.uint8]  # H x W, 0 = keep the target, 255 = take the swap
Points = NDArray[np.float32]  # n x 2, (x, y) in pixels
Matrix = NDArray[np.float32]  # 2 x 3 affine; maps frame -> crop unless named to_frame


def _check_pixels(pixels: Pixels) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}, expected H x W x 3 uint8")
    if 0 in pixels.shape or not pixels.flags.c_contiguous:
        raise ValueError(f"pixels {pixels.shape} are empty or not contiguous")


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a stream; the array is made read-only.

    ``index`` counts the frames of its source, ``captured_at`` is ``time.monotonic()`` in seconds.
    """

    pixels: Pixels
    index: int
    captured_at: float

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)
        self.pixels.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Face:
    """One tracked face.

    ``box`` is (x, y, width, height) in pixels; ``landmarks`` is 5 x 2: right eye (image left), left
    eye, nose tip, right and left mouth corner; ``score`` is in [0, 1]; ``track_id`` stays the same
    while the face is followed.
    """

    box: tuple[float, float, float, float]
    landmarks: Points
    score: float
    track_id: int

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2):
            raise ValueError(f"landmarks are {self.landmarks.shape}, expected 5 x 2")


@dataclass(frozen=True, eq=False)
class Crop:
    """An aligned square of a frame; ``matrix`` maps frame pixels to crop pixels."""

    pixels: Pixels
    matrix: Matrix

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)
        if self.matrix.shape != (2, 3):
            raise ValueError(f"matrix is {self.matrix.shape}, expected 2 x 3")
