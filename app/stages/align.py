"""Similarity alignment of a face to a five-point template."""

from __future__ import annotations

import cv2
import numpy as np

from app.frame import Crop, Matrix, Pixels, Points

SHRINK_BELOW = 0.6  # below this scale a bilinear warp would alias


def similarity(points: Points, template: Points) -> Matrix:
    """The least-squares similarity that maps ``points`` (n x 2) onto ``template`` (n x 2).

    Closed form in the plane (Umeyama 1991 without reflection): with centred points as complex
    numbers p and q the rotation and scale is sum(conj(p) q) / sum(|p|^2). Raises ``ValueError``
    where all points coincide.
    """
    p_mean = points.mean(axis=0, dtype=np.float64)
    q_mean = template.mean(axis=0, dtype=np.float64)
    p, q = points - p_mean, template - q_mean
    power = float((p * p).sum())
    if not power > 1e-9:
        raise ValueError("the landmarks coincide: there is no similarity")
    a = float((p * q).sum()) / power
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / power
    rotation = np.array([[a, -b], [b, a]])
    shift = q_mean - rotation @ p_mean
    return np.concatenate((rotation, shift[:, None]), axis=1).astype(np.float32)


def invert(matrix: Matrix) -> Matrix:
    """The inverse of a 2 x 3 affine matrix; raises ``ValueError`` where there is none."""
    full = np.vstack((matrix.astype(np.float64), (0.0, 0.0, 1.0)))
    if abs(np.linalg.det(full)) < 1e-12:
        raise ValueError("the matrix cannot be inverted")
    return np.linalg.inv(full)[:2].astype(np.float32)


def scale_of(matrix: Matrix) -> float:
    """Crop pixels per frame pixel of a similarity."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def transform(points: Points, matrix: Matrix) -> Points:
    """Points (n x 2) mapped by a 2 x 3 matrix."""
    mapped: Points = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return mapped


def align(pixels: Pixels, landmarks: Points, template: Points, size: int) -> Crop:
    """The ``size`` x ``size`` crop in which ``landmarks`` lie on ``template`` (crop pixels).

    What lies outside the frame repeats its edge. A face much larger than the crop is first shrunk
    by area averaging, so that the crop does not alias.
    """
    matrix = similarity(landmarks, template)
    warp, source = matrix, pixels
    scale = scale_of(matrix)
    if scale < SHRINK_BELOW:
        source, warp = _shrunk(pixels, matrix, size, max(2, round(0.8 / scale)))
    crop = cv2.warpAffine(
        source, warp, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return Crop(np.asarray(crop, np.uint8), matrix)


def _shrunk(pixels: Pixels, matrix: Matrix, size: int, factor: int) -> tuple[Pixels, Matrix]:
    """The part of the frame that the crop covers, shrunk by ``factor``, and the matrix from it."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    seen = transform(corners, invert(matrix))
    left, top = (max(0, int(v) - factor) for v in seen.min(axis=0))
    right, bottom = (int(v) + 2 * factor for v in seen.max(axis=0))
    part = pixels[top : min(bottom, height), left : min(right, width)]
    if part.shape[0] < factor or part.shape[1] < factor:
        return pixels, matrix
    small = cv2.resize(
        part,
        (part.shape[1] // factor, part.shape[0] // factor),
        interpolation=cv2.INTER_AREA,
    )
    ratio_x, ratio_y = part.shape[1] / small.shape[1], part.shape[0] / small.shape[0]
    # Pixel centres: x_frame = (x_small + .5) * ratio - .5 + left.
    to_frame = np.array(
        [[ratio_x, 0, ratio_x / 2 - 0.5 + left], [0, ratio_y, ratio_y / 2 - 0.5 + top], [0, 0, 1]]
    )
    return np.asarray(small, np.uint8), (matrix.astype(np.float64) @ to_frame).astype(np.float32)
