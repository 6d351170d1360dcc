"""Similarity alignment of a face to a five-point template."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from app.frame import Crop, Matrix, Pixels, Points

SHRINK_BELOW = 0.6  # below this scale a bilinear warp would alias


def similarity(points: Points, template: Points) -> Matrix:
    """The least-squares similarity that maps ``points`` (n x 2) onto ``template`` (n x 2).

    Closed form in the plane (Umeyama 1991 without reflection): with centred points as complex
    numbers p and q the rotation and scale is sum(conj(p) q) / sum(|p|^2). Raises ``ValueError``
    where all points coincide, or the best similarity shrinks them to nothing.
    """
    p_mean = points.mean(axis=0, dtype=np.float64)
    q_mean = template.mean(axis=0, dtype=np.float64)
    p, q = points - p_mean, template - q_mean
    power = float((p * p).sum())
    if not power > 1e-9:
        raise ValueError("the landmarks coincide: there is no similarity")
    a = float((p * q).sum()) / power
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / power
    if not math.hypot(a, b) > 1e-4:
        raise ValueError("the landmarks are no face: the similarity has no size")
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


@dataclass(frozen=True, eq=False)
class CropPlan:
    """How a crop is taken: which part of the frame, how often halved, and the warp from that.

    ``part`` is (left, top) in the frame and (columns, rows) after ``halvings``; ``matrix`` maps the
    frame to the crop and ``warp`` the shrunk part to it.
    """

    matrix: Matrix
    part: tuple[int, int, int, int]
    halvings: int
    warp: Matrix


def align(pixels: Pixels, landmarks: Points, template: Points, size: int) -> Crop:
    """The ``size`` x ``size`` crop in which ``landmarks`` lie on ``template`` (crop pixels).

    What lies outside the frame repeats its edge. A face much larger than the crop is first shrunk
    by area averaging, so that the crop does not alias.
    """
    height, width = pixels.shape[:2]
    plan = plan_crop(width, height, similarity(landmarks, template), size)
    crop = cv2.warpAffine(
        _shrunk(pixels, plan),
        plan.warp,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return Crop(np.asarray(crop, np.uint8), plan.matrix)


def plan_crop(width: int, height: int, matrix: Matrix, size: int) -> CropPlan:
    """For a frame of ``width`` x ``height``: halved until the crop's scale is near 1.

    The whole frame and no halving where that is not needed. Sides are exact multiples: OpenCV's
    area averaging is ten times as fast for them.
    """
    halvings, scale = 0, scale_of(matrix)
    while scale < SHRINK_BELOW:
        halvings, scale = halvings + 1, scale * 2
    factor = 2**halvings
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    seen = transform(corners, invert(matrix))
    left, top = (max(0, int(v) - factor) for v in seen.min(axis=0))
    right, bottom = (int(v) + 2 * factor for v in seen.max(axis=0))
    columns = (min(right, width) - left) // factor
    rows = (min(bottom, height) - top) // factor
    if not halvings or columns < 1 or rows < 1:
        return CropPlan(matrix, (0, 0, width, height), 0, matrix)
    # Pixel centres: x_frame = (x_small + .5) * factor - .5 + left.
    offset = factor / 2 - 0.5
    to_frame = np.array([[factor, 0, offset + left], [0, factor, offset + top], [0, 0, 1]])
    warp = (matrix.astype(np.float64) @ to_frame).astype(np.float32)
    return CropPlan(matrix, (left, top, columns, rows), halvings, warp)


def _shrunk(pixels: Pixels, plan: CropPlan) -> Pixels:
    if not plan.halvings:
        return pixels
    factor = 2**plan.halvings
    left, top, columns, rows = plan.part
    small = pixels[top : top + rows * factor, left : left + columns * factor]
    for _ in range(plan.halvings):
        half = (small.shape[1] // 2, small.shape[0] // 2)
        small = np.asarray(cv2.resize(small, half, interpolation=cv2.INTER_AREA), np.uint8)
    return small
