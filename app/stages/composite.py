"""Pastes a crop back into its frame: uint8, in the face's region only."""

from __future__ import annotations

import cv2
import numpy as np

from app.frame import Mask, Matrix, Pixels
from app.stages.align import invert, scale_of, transform

SHARPEN_ABOVE = 1.15  # frame pixels per crop pixel from which the crop is sharpened first
MOST_SHARPENING = 0.5


def paste(pixels_out: Pixels, crop: Pixels, mask: Mask, matrix: Matrix) -> None:
    """Blend ``crop`` into ``pixels_out`` in place, where ``mask`` (same size) is not 0.

    ``matrix`` maps frame to crop. A mask of 0 leaves the frame bit-exact, one of 255 takes the
    warped crop as it is; between, the result is within one grey level of the exact blend.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return
    to_frame = invert(matrix)
    corners = np.array(
        [[x - 1, y - 1], [x + width, y - 1], [x + width, y + height], [x - 1, y + height]],
        np.float32,
    )
    seen = transform(corners, to_frame)
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
    right = min(int(np.ceil(seen[:, 0].max())) + 1, pixels_out.shape[1])
    bottom = min(int(np.ceil(seen[:, 1].max())) + 1, pixels_out.shape[0])
    if right <= left or bottom <= top:
        return
    magnified = 1 / scale_of(matrix)
    if magnified > SHARPEN_ABOVE:
        crop = _sharpened(crop, min(MOST_SHARPENING, 0.5 * (magnified - 1)))
    local = to_frame.copy()
    local[:, 2] -= (left, top)
    size = (int(right - left), int(bottom - top))
    face = cv2.warpAffine(
        crop,
        local,
        size,
        flags=cv2.INTER_CUBIC if magnified > SHARPEN_ABOVE else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    weight = cv2.warpAffine(mask, local, size, flags=cv2.INTER_LINEAR)
    weight = cv2.merge((weight, weight, weight))
    region = pixels_out[top:bottom, left:right]
    kept = cv2.multiply(region, cv2.bitwise_not(weight), scale=1 / 255)
    cv2.add(kept, cv2.multiply(face, weight, scale=1 / 255), dst=kept)
    region[:] = kept


def _sharpened(crop: Pixels, amount: float) -> Pixels:
    soft = cv2.GaussianBlur(crop, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(crop, 1 + amount, soft, -amount, 0), np.uint8)
