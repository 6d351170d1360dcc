"""Pastes a crop back into its frame: uint8, in the face's region only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Mask, Matrix, Pixels
from app.stages.align import invert, scale_of

SHARPEN_ABOVE = 1.15  # frame pixels per crop pixel from which the crop is sharpened first
MOST_SHARPENING = 0.5
DOUBLE_ABOVE = 1.5  # from here the crop is first doubled by cubic interpolation
CUBIC_REACH = 3  # pixels around the mask that doubling looks at


def paste(pixels_out: Pixels, crop: Pixels, mask: Mask, matrix: Matrix) -> None:
    """Blend ``crop`` into ``pixels_out`` in place, where ``mask`` (same size) is not 0.

    ``matrix`` maps frame to crop. A mask of 0 leaves the frame bit-exact, one of 255 takes the
    warped crop as it is; between, the result is within one grey level of the exact blend.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    # More pixels on each side, with weight 0: nothing outside the mask can bleed in, and what is
    # interpolated does not depend on where the mask ends.
    more = CUBIC_REACH if doubles(matrix) else 1
    shift = np.array([[1, 0, x - more], [0, 1, y - more], [0, 0, 1]], np.float64)
    to_frame = invert(matrix).astype(np.float64) @ shift
    width, height = width + 2 * more, height + 2 * more
    left, top, right, bottom = region_of(to_frame, width, height, *pixels_out.shape[1::-1])
    if right <= left or bottom <= top:
        return
    amount = sharpening(matrix)
    if amount > 0:
        crop = _sharpened(crop, amount)
    face = cv2.copyMakeBorder(crop, more, more, more, more, cv2.BORDER_REPLICATE)
    weight = cv2.copyMakeBorder(mask, more, more, more, more, cv2.BORDER_CONSTANT, value=0)
    face, weight = face[y : y + height, x : x + width], weight[y : y + height, x : x + width]
    if doubles(matrix):
        face = cv2.resize(face, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        weight = cv2.resize(weight, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        # Pixel centres: x_crop = (x_doubled + .5) / 2 - .5.
        to_frame = to_frame @ np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    to_frame[:, 2] -= (left, top)
    # OpenCV warps four channels three times as fast as three and one.
    warped = cv2.warpAffine(
        cv2.merge((face, weight)), to_frame, (int(right - left), int(bottom - top))
    )
    _blend(pixels_out[top:bottom, left:right], np.asarray(warped, np.uint8))


def sharpening(matrix: Matrix) -> float:
    """The share of unsharp masking for a crop that is shown magnified; 0 for none."""
    magnified = 1 / scale_of(matrix)
    return min(MOST_SHARPENING, 0.5 * (magnified - 1)) if magnified > SHARPEN_ABOVE else 0.0


def doubles(matrix: Matrix) -> bool:
    """Whether the crop is shown so large that it is doubled by cubic interpolation first."""
    return 1 / scale_of(matrix) > DOUBLE_ABOVE


def region_of(
    to_frame: NDArray[np.floating], width: int, height: int, frame_width: int, frame_height: int
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what a ``width`` x ``height`` patch covers of the frame."""
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    seen = corners @ to_frame[:, :2].T + to_frame[:, 2]
    left, top = np.maximum(np.floor(seen.min(axis=0)), 0)
    right, bottom = np.ceil(seen.max(axis=0)) + 1
    return int(left), int(top), int(min(right, frame_width)), int(min(bottom, frame_height))


def _blend(region: Pixels, warped: NDArray[np.uint8]) -> None:
    """Blend BGR with weight (h x w x 4) into ``region`` (h x w x 3) in place."""
    weight = cv2.extractChannel(warped, 3)
    weight = cv2.merge((weight, weight, weight))
    face = cv2.multiply(cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR), weight, scale=1 / 255)
    kept = cv2.multiply(region, cv2.bitwise_not(weight), scale=1 / 255)
    region[:] = cv2.add(kept, face)


def _sharpened(crop: Pixels, amount: float) -> Pixels:
    soft = cv2.GaussianBlur(crop, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(crop, 1 + amount, soft, -amount, 0), np.uint8)
