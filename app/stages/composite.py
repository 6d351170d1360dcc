"""Pastes a crop back into its frame: uint8, in the face's region only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Mask, Matrix, Pixels
from app.stages.align import invert, scale_of, transform

SHARPEN_ABOVE = 1.15  # frame pixels per crop pixel from which the crop is sharpened first
MOST_SHARPENING = 0.5
DOUBLE_ABOVE = 1.5  # from here the crop is first doubled by cubic interpolation


def paste(pixels_out: Pixels, crop: Pixels, mask: Mask, matrix: Matrix) -> None:
    """Blend ``crop`` into ``pixels_out`` in place, where ``mask`` (same size) is not 0.

    ``matrix`` maps frame to crop. A mask of 0 leaves the frame bit-exact, one of 255 takes the
    warped crop as it is; between, the result is within one grey level of the exact blend.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    # One more pixel on each side, with weight 0: nothing outside the mask can bleed in.
    to_frame = invert(matrix) @ np.array([[1, 0, x - 1], [0, 1, y - 1], [0, 0, 1]], np.float32)
    width, height = width + 2, height + 2
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    seen = transform(corners.astype(np.float32), to_frame)
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
    right = min(int(np.ceil(seen[:, 0].max())) + 1, pixels_out.shape[1])
    bottom = min(int(np.ceil(seen[:, 1].max())) + 1, pixels_out.shape[0])
    if right <= left or bottom <= top:
        return
    magnified = 1 / scale_of(matrix)
    if magnified > SHARPEN_ABOVE:
        crop = _sharpened(crop, min(MOST_SHARPENING, 0.5 * (magnified - 1)))
    face = cv2.copyMakeBorder(crop, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    weight = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    face, weight = face[y : y + height, x : x + width], weight[y : y + height, x : x + width]
    if magnified > DOUBLE_ABOVE:
        face = cv2.resize(face, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        weight = cv2.resize(weight, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        # Pixel centres: x_crop = (x_doubled + .5) / 2 - .5.
        to_frame = to_frame @ np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]], np.float32)
    to_frame[:, 2] -= (left, top)
    # OpenCV warps four channels three times as fast as three and one.
    warped = cv2.warpAffine(
        cv2.merge((face, weight)), to_frame, (int(right - left), int(bottom - top))
    )
    _blend(pixels_out[top:bottom, left:right], np.asarray(warped, np.uint8))


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
