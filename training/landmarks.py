"""OpenSeeFace's 66 landmarks (BSD-2), what they say of pose and expression, and its features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from training.onnx_session import opened
from training.squares import MEAN, STD, Floats, Squares

INPUT_PX, CELLS, POINTS = 224, 28, 66
SQUARE_PX = 128
FACE = (0.22, 0.85)  # of the square, along both sides
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)  # as seen in the picture
NOSE_TIP, LEFT_CORNER, RIGHT_CORNER = 30, 58, 62  # of the mouth: no doubles, see MIRROR
BROWS = slice(17, 27)
LIPS = ((59, 65), (60, 64), (61, 63))  # inner lips, upper and lower
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
# Points that no expression moves much, in millimetres from the nose tip (x to the picture's right,
# y down, z away from the camera): rounded means of adult face measures.
RIGID = (27, 30, 31, 33, 35, 36, 39, 42, 45)
MODEL = np.array(
    [
        (0, -42, 20),
        (0, 0, 0),
        (-17, 8, 16),
        (0, 13, 13),
        (17, 8, 16),
        (-45, -36, 40),
        (-16, -36, 32),
        (16, -36, 32),
        (45, -36, 40),
    ],
    np.float64,
)
# 66 points of a mirrored face in the order of an unmirrored one. The mouth's go: upper lip's outer
# edge 48 to 52, lower lip's back 53 to 57, left corner 58, upper lip's inner edge 59 to 61, right
# corner 62, lower lip's back 63 to 65.
MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(52, 47, -1),
    *range(57, 52, -1),
    *range(62, 57, -1),
    65, 64, 63,
]  # fmt: skip
FOCAL_PX = 6.0 * SQUARE_PX  # nearly parallel rays, as in a portrait


@dataclass(frozen=True, eq=False)
class FacePoints:
    """``points`` n x 66 x 2 (x, y) in pixels of the 128-px square; ``features`` n x d, pooled."""

    points: Floats
    features: Floats


class Landmarks:
    """The landmark network; its encoder's pooled maps come along as features."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        """
        :raises ValueError: when the network is not laid out like OpenSeeFace's.
        """
        model = onnx.load(file)
        self._taps = _encoder_maps(model)
        model.graph.output.extend(helper.make_empty_tensor_value_info(tap) for tap in self._taps)
        self._session = opened(model.SerializeToString(), threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, squares: Squares) -> FacePoints:
        found = [self._one(square) for square in squares]
        return FacePoints(np.stack([p for p, _ in found]), np.stack([f for _, f in found]))

    def _one(self, square: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        picture = cv2.resize(square, (INPUT_PX, INPUT_PX)).astype(np.float32) / 255
        feed = np.ascontiguousarray(((picture - MEAN) / STD).transpose(2, 0, 1)[None])
        maps, *taps = self._session.run(None, {self._input: feed})
        return decoded(maps[0]), np.concatenate([pooled(tap[0]) for tap in taps])


def _encoder_maps(model: onnx.ModelProto) -> list[str]:
    """The deepest map and the skip maps: what is resized, and what is joined to the result."""
    resized = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Resize"
    }
    skips = [
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Concat" and len(node.input) == 2 and set(node.input) & set(resized)
    ]
    if len(resized) != 2 or len(skips) != 2:
        raise ValueError("this is not OpenSeeFace's landmark network: expected two upsamplings")
    return [next(iter(resized.values())), *skips]


def pooled(maps: Floats) -> Floats:
    """Mean over c x h x w, and over the face's middle the means of 3 x 3 cells and the spread."""
    side = maps.shape[1]
    inner = slice(int(side * FACE[0]), round(side * FACE[1]))
    face = maps[:, inner, inner]
    cells = [
        cell.mean((1, 2))
        for row in np.array_split(face, 3, 1)
        for cell in np.array_split(row, 3, 2)
    ]
    return np.concatenate([maps.mean((1, 2)), *cells, face.std((1, 2))])


def decoded(maps: Floats) -> Floats:
    """66 x 2 (x, y) in the 128-px square from heat maps and offsets, 198 x 28 x 28."""
    maps = maps.reshape(3, POINTS, CELLS * CELLS)
    best = maps[0].argmax(1)
    place = np.stack([best % CELLS, best // CELLS], axis=1) * (INPUT_PX - 1) / (CELLS - 1)
    at = np.arange(POINTS)
    share = np.clip(np.stack([maps[2, at, best], maps[1, at, best]], 1), 1e-7, 1 - 1e-7)
    inside = place + (INPUT_PX - 1) * np.log(share / (1 - share)) / 16
    return np.asarray(inside * SQUARE_PX / INPUT_PX)


def five(points: Floats) -> NDArray[np.float32]:
    """... x 66 x 2 to the five points that faces are aligned by, ... x 5 x 2."""
    eyes = [points[..., part, :].mean(-2) for part in (LEFT_EYE, RIGHT_EYE)]
    rest = [points[..., n, :] for n in (NOSE_TIP, LEFT_CORNER, RIGHT_CORNER)]
    return np.stack([*eyes, *rest], axis=-2).astype(np.float32)


def eye_distance(points: Floats) -> Floats:
    """Pixels between the eyes' middles, n."""
    both = points[:, RIGHT_EYE].mean(1) - points[:, LEFT_EYE].mean(1)
    return np.asarray(np.linalg.norm(both, axis=1))


def pose(points: Floats) -> Floats:
    """Head rotations n x 3 x 3, by fitting ``MODEL`` to the rigid points."""
    camera = np.array([[FOCAL_PX, 0, 64], [0, FOCAL_PX, 64], [0, 0, 1]])
    found = []
    for face in np.ascontiguousarray(points[:, RIGID], np.float64):
        # Frontal and at about the right distance: a good start, so no mirrored solution.
        scale = np.ptp(MODEL[:, 0]) / max(float(np.ptp(face[:, 0])), 1.0)
        start = np.array([0.0, 0.0, FOCAL_PX * scale])
        start[:2] = (face[1] - 64) * scale
        _, turn, _ = cv2.solvePnP(
            MODEL,
            face,
            camera,
            None,
            np.zeros((3, 1)),
            start[:, None],
            True,
            cv2.SOLVEPNP_ITERATIVE,
        )
        found.append(cv2.Rodrigues(turn)[0])
    return np.stack(found)


def pose_error(one: Floats, other: Floats) -> Floats:
    """Degrees of the rotation between two poses, n."""
    traces = np.einsum("nij,nij->n", one, other)
    return np.asarray(np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1))))


def expression(points: Floats) -> Floats:
    """Lip and lid openings and how far the mouth's corners are raised, n x 9, in eye distances."""
    width = eye_distance(points)[:, None]
    gaps = [np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in (*LIPS, *LIDS)]
    across = (points[:, RIGHT_EYE].mean(1) - points[:, LEFT_EYE].mean(1)) / width
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    middle = (points[:, 50] + points[:, 55]) / 2  # of the lips' outer edge
    raised = [((middle - points[:, n]) * down).sum(1) for n in (LEFT_CORNER, RIGHT_CORNER)]
    return np.stack([*gaps, *raised], axis=1) / width


def expression_error(one: Floats, other: Floats) -> Floats:
    """Mean absolute difference of ``expression``, in hundredths of the eye distance, n."""
    return np.asarray(100 * np.abs(one - other).mean(1))
