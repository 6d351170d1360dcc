"""The reference detector and the decoding of YuNet-style outputs, in NumPy.

Decoding after Feng, Yu et al., libfacedetection (YuNet 2023mar): centre (c + dx) s, (r + dy) s,
size exp(dw) s, exp(dh) s, points (k + (c, r)) s, score sqrt(cls obj).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training.onnx_session import opened

STRIDES = (8, 16, 32)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Dense:
    """Every anchor of one picture: score N, raw boxes N x 4, raw points N x 10."""

    score: Floats
    box: Floats
    points: Floats


@dataclass(frozen=True)
class Detections:
    """Faces of one picture, best first: score N, boxes N x 4 (x, y, w, h), points N x 5 x 2."""

    score: Floats
    boxes: Floats
    points: Floats


@lru_cache
def anchors(height: int, width: int) -> Floats:
    """Column, row and stride of each anchor, N x 3, in the order 8, 16, 32, row by row."""
    rows = []
    for stride in STRIDES:
        r, c = np.mgrid[: height // stride, : width // stride]
        rows.append(np.stack([c.ravel(), r.ravel(), np.full(r.size, stride)], 1))
    return np.concatenate(rows).astype(np.float32)


def decode_boxes(raw: Floats, grid: Floats) -> Floats:
    """Raw boxes to (x, y, w, h) in pixels."""
    stride = grid[:, 2:]
    centre = (raw[:, :2] + grid[:, :2]) * stride
    size = np.exp(raw[:, 2:]) * stride
    return np.concatenate([centre - size / 2, size], 1)


def decode_points(raw: Floats, grid: Floats) -> Floats:
    """Raw points to N x 5 x 2 pixels."""
    return (raw.reshape(-1, 5, 2) + grid[:, None, :2]) * grid[:, None, 2:]


def overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of (x, y, w, h) boxes: N x 4 and M x 4 to N x M."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    common = np.prod(np.clip(high - low, 0, None), 2)
    union = np.prod(a[:, 2:], 1)[:, None] + np.prod(b[:, 2:], 1)[None] - common
    return (common / np.maximum(union, 1e-6)).astype(np.float32)


def pick(dense: Dense, grid: Floats, threshold: float, iou: float = 0.3) -> Detections:
    """Decode the anchors at or above ``threshold`` and suppress overlaps above ``iou``."""
    index = np.flatnonzero(dense.score >= threshold)
    index = index[np.argsort(-dense.score[index], kind="stable")]
    boxes = decode_boxes(dense.box[index], grid[index])
    table = overlap(boxes, boxes)
    keep: list[int] = []
    for n in range(len(index)):
        if not keep or table[n, keep].max() <= iou:
            keep.append(n)
    chosen = index[keep]
    return Detections(
        dense.score[chosen], boxes[keep], decode_points(dense.points[chosen], grid[chosen])
    )


class ReferenceDetector:
    """A YuNet-layout ONNX file run by ONNX Runtime at any size (fixed sizes are made dynamic)."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        model = onnx.load(str(path))
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            for n, dim in enumerate(dims):
                if n in (1, 2, 3) and not (value is model.graph.input[0] and n == 1):
                    dim.Clear()
                    dim.dim_param = f"{value.name}_{n}"
        del model.graph.value_info[:]
        self._session = opened(model.SerializeToString(), threads)
        self._input = self._session.get_inputs()[0].name

    def dense(self, picture: NDArray[np.uint8]) -> Dense:
        """All anchors for one BGR H x W x 3 picture, sides multiples of 32."""
        blob = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        out = [x[0] for x in self._session.run(None, {self._input: blob})]
        cls, obj = np.concatenate(out[:3])[:, 0], np.concatenate(out[3:6])[:, 0]
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        return Dense(score, np.concatenate(out[6:9]), np.concatenate(out[9:12]))

    def detect(self, picture: NDArray[np.uint8], threshold: float = 0.6) -> Detections:
        """Faces of one BGR picture, sides multiples of 32."""
        grid = anchors(*picture.shape[:2])
        return pick(self.dense(picture), grid, threshold)
