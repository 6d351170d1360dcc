"""Face detection with a network in the YuNet 2023mar layout.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023. Input: BGR in 0-255, sides a
multiple of 32. Outputs for the strides 8, 16 and 32, one row per cell in reading order: ``cls`` and
``obj`` (1 value, in [0, 1]), ``bbox`` (4), ``kps`` (10). With column c, row r and stride s a box is
centred on ((c + dx) s, (r + dy) s), its sides are exp(dw) s and exp(dh) s, a landmark is
((c + x) s, (r + y) s) and the score is sqrt(cls obj).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, Tensor
from engines.errors import EngineError
from engines.tensors import Pixels, bgr_tensor

STRIDES = (8, 16, 32)
MULTIPLE = 32  # of the network's input sides
OVERLAP = 0.45  # boxes of one face overlap more than this (intersection over union)
SAME = 0.2  # a face found near a known box is that face where they overlap more than this
NEAR = 2.0  # side of the square searched around a known face, in sides of its box
NEAR_PX = 160  # side of what the network is shown of it; one of ``shapes.PICTURE_SIZES``
LONGEST = 12.0  # ln of a box's side in strides: more than a million pixels is no face
NO_NUMBERS = (
    "The face detector calculated numbers that are none.",
    "Choose another engine, or update the graphics driver.",
)
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}

Box = tuple[float, float, float, float]  # x, y, width, height in pixels


@dataclass(frozen=True, eq=False)
class Detection:
    """One face: box (x, y, width, height) and landmarks (5 x 2) in pixels, score in [0, 1].

    Landmarks are right eye (image left), left eye, nose tip, right and left mouth corner. Boxes
    and landmarks may reach beyond the picture.
    """

    box: Box
    landmarks: NDArray[np.float32]
    score: float


@dataclass(frozen=True)
class Window:
    """A part of a picture (left, top, width, height) scaled into the top left of a canvas.

    ``inner`` is what it is scaled to and ``canvas`` what the network takes, both (width, height).
    """

    left: int
    top: int
    width: int
    height: int
    inner: tuple[int, int]
    canvas: tuple[int, int]


class Candidates(Protocol):
    """The part of a search that touches pixels; here or on another device."""

    def __call__(self, picture: Pixels, window: Window, threshold: float) -> NDArray[np.float32]:
        """Rows as of ``decode``, in canvas pixels."""


class Detector:
    """Finds faces; owns nothing but its backend.

    ``candidates`` says where a window is looked at, by default with the backend on the host.
    """

    def __init__(self, backend: Backend, candidates: Candidates | None = None) -> None:
        expected = {f"{kind}_{stride}" for kind in WIDTHS for stride in STRIDES}
        missing = sorted(expected - {spec.name for spec in backend.outputs})
        if missing:
            raise EngineError(
                f"The detector has no outputs {', '.join(missing)}; expected YuNet's 2023mar layout"
                " of 12 outputs."
            )
        if len(backend.inputs) != 1 or len(backend.inputs[0].shape) != 4:
            raise EngineError("The detector must have one input of shape 1x3xHxW.")
        self._backend = backend
        self._input = backend.inputs[0].name
        self.candidates: Candidates = candidates if candidates is not None else self._on_host

    def looking(self, candidates: Candidates) -> Detector:
        """The same detector with its windows looked at elsewhere."""
        return Detector(self._backend, candidates)

    def detect(
        self, picture: Pixels, threshold: float, *, size: int = 320, max_faces: int = 16
    ) -> list[Detection]:
        """Every face of ``picture`` (BGR) scored at least ``threshold``, best first.

        The picture is scaled so that its long side is ``size``; results are in its own pixels.
        """
        height, width = picture.shape[:2]
        scale = size / max(height, width)
        canvas = (_up(round(width * scale)), _up(round(height * scale)))
        part = (0, 0, width, height)
        return self._search(picture, part, (scale, scale), canvas, threshold, max_faces)

    def detect_near(
        self, picture: Pixels, box: Box, threshold: float, *, stretch: float = 1.0
    ) -> Detection | None:
        """The face at ``box`` (picture pixels), looked for in a square of twice its size.

        The cheap way to follow a known face; ``None`` where it is not found, or where what is
        found does not overlap ``box``. With ``stretch`` the network is shown the place so many
        times as wide as it is.
        """
        height, width = picture.shape[:2]
        side = max(2.0, NEAR * max(stretch * box[2], box[3]))
        across = side / stretch
        left, right = (round(box[0] + box[2] / 2 + reach) for reach in (-across / 2, across / 2))
        top, bottom = (round(box[1] + box[3] / 2 + reach) for reach in (-side / 2, side / 2))
        left, right = max(left, 0), min(right, width)
        top, bottom = max(top, 0), min(bottom, height)
        if left >= right or top >= bottom:
            return None
        part, canvas = (left, top, right - left, bottom - top), (NEAR_PX, NEAR_PX)
        scale = canvas[1] / (side + 1)
        # Rounding may have made the place a pixel wider than it was asked for.
        scales = (min(scale * stretch, canvas[0] / part[2]), scale)
        found = self._search(picture, part, scales, canvas, threshold, 4)
        best = max(found, key=lambda face: overlap(face.box, box), default=None)
        return best if best is not None and overlap(best.box, box) > SAME else None

    def close(self) -> None:
        """Free the network."""
        self._backend.close()

    def _search(
        self,
        picture: Pixels,
        part: tuple[int, int, int, int],
        scales: tuple[float, float],
        canvas: tuple[int, int],
        threshold: float,
        max_faces: int,
    ) -> list[Detection]:
        """Faces of ``part`` (left, top, width, height) of the picture; results in its pixels.

        ``scales`` are canvas pixels per picture pixel, across and down.
        """
        left, top, width, height = part
        inner = (max(1, round(width * scales[0])), max(1, round(height * scales[1])))
        rows = self.candidates(picture, Window(left, top, width, height, inner, canvas), threshold)
        back = np.array((width / inner[0], height / inner[1]), np.float32)
        start = np.array((left, top), np.float32)
        detections = []
        for row in suppress(rows, max_faces):
            corner, sides = row[1:3] * back + start, row[3:5] * back
            detections.append(
                Detection(
                    box=(float(corner[0]), float(corner[1]), float(sides[0]), float(sides[1])),
                    landmarks=row[5:].reshape(5, 2) * back + start,
                    score=float(row[0]),
                )
            )
        return detections

    def _on_host(self, picture: Pixels, window: Window, threshold: float) -> NDArray[np.float32]:
        width, height = window.canvas
        bottom, right = window.top + window.height, window.left + window.width
        canvas = np.zeros((height, width, 3), np.uint8)
        cv2.resize(
            picture[window.top : bottom, window.left : right],
            window.inner,
            dst=canvas[: window.inner[1], : window.inner[0]],
            interpolation=cv2.INTER_LINEAR,
        )
        outputs = self._backend.run({self._input: bgr_tensor(canvas)})
        return decode(outputs, width, height, threshold)


def decode(
    outputs: dict[str, Tensor], width: int, height: int, threshold: float
) -> NDArray[np.float32]:
    """Rows of (score, x, y, width, height, 5 x (x, y)) in network pixels, in no order, n x 15.

    ``EngineError`` where an output is not of the layout's shape, or holds numbers that are none:
    a network gone wrong must not look like an empty room.
    """
    found = []
    for stride in STRIDES:
        columns = width // stride
        cells = columns * (height // stride)
        part = {kind: _column(outputs, f"{kind}_{stride}", cells, w) for kind, w in WIDTHS.items()}
        quality = np.clip(part["cls"][:, 0], 0, 1) * np.clip(part["obj"][:, 0], 0, 1)
        if np.isnan(quality).any():
            raise EngineError(*NO_NUMBERS)
        index = np.flatnonzero(quality >= threshold * threshold)
        if not len(index):
            continue
        cell = np.stack((index % columns, index // columns), axis=1).astype(np.float32)
        bbox = part["bbox"][index]
        sides = np.exp(np.minimum(bbox[:, 2:], LONGEST)) * stride
        corner = (cell + bbox[:, :2]) * stride - sides / 2
        points = (part["kps"][index] + np.tile(cell, 5)) * stride
        score = np.sqrt(quality[index])[:, None]
        found.append(numbers(np.concatenate((score, corner, sides, points), axis=1)))
    if not found:
        return np.empty((0, 15), np.float32)
    return np.concatenate(found).astype(np.float32, copy=False)


def numbers(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """``rows``; ``EngineError`` where they hold numbers that are none."""
    if not np.isfinite(rows).all():
        raise EngineError(*NO_NUMBERS)
    return rows


def suppress(rows: NDArray[np.float32], most: int) -> list[NDArray[np.float32]]:
    """Greedy non-maximum suppression of ``decode``'s rows: at most ``most``, best first."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    kept: list[NDArray[np.float32]] = []
    while len(rows) and len(kept) < most:
        best, rows = rows[0], rows[1:]
        kept.append(best)
        near = np.maximum(best[1:3], rows[:, 1:3])
        far = np.minimum(best[1:3] + best[3:5], rows[:, 1:3] + rows[:, 3:5])
        shared = np.prod(np.maximum(far - near, 0), axis=1)
        area = best[3] * best[4] + rows[:, 3] * rows[:, 4]
        rows = rows[shared <= OVERLAP * (area - shared)]
    return kept


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _column(outputs: dict[str, Tensor], name: str, cells: int, width: int) -> NDArray[np.float32]:
    values = outputs[name]
    if values.size != cells * width:
        raise EngineError(
            f"The detector's output {name} has {values.size} values, expected {cells * width}."
        )
    return values.reshape(cells, width).astype(np.float32, copy=False)


def _up(side: int) -> int:
    return max(MULTIPLE, -(-side // MULTIPLE) * MULTIPLE)
