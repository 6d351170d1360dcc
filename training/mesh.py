"""MediaPipe's face mesh and irises (Apache-2.0), and what they say of pose, expression and gaze.

``face_landmark.tflite`` and ``iris_landmark.tflite`` lie in the wheel of MediaPipe 0.10
(``mediapipe/modules``). The mesh network (Kartynnik et al. 2019, arXiv:1907.06724) wants the face
alone, 192 x 192; the iris network (Ablavatski et al. 2020, arXiv:2006.11341) one eye, 64 x 64, its
outer corner to the right. They teach the reader of ``expression_model.py``; the harness judges by
others.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from training.squares import Floats, Squares

MESH_PX, EYE_PX, POINTS = 192, 64, 468
EYE_ROOM = 2.3  # side of the eye's crop, in distances of its corners
# Points of the mesh. Left and right are the picture's.
LEFT_CORNERS, RIGHT_CORNERS = (33, 133), (263, 362)  # of the eyes: outer, inner
LIPS = ((81, 178), (82, 87), (13, 14), (312, 317), (311, 402))  # inner, upper and lower
OUTER_LIPS, MOUTH = (0, 17), (61, 291)  # upper and lower middle; both corners
FOREHEAD, NOSE_TIP, NOSE_BASE, CHIN = 10, 1, 2, 152
LIDS = ((11, 3), (12, 4), (13, 5))  # of the iris network's outline: upper and lower


class Mesh:
    """Both networks on aligned squares, which cut a face as the mesh network wants it."""

    def __init__(self, mesh: Path, iris: Path) -> None:
        self._mesh, self._iris = _opened(mesh), _opened(iris)

    def __call__(self, squares: Squares) -> NDArray[np.float32]:
        """``expression_model.NAMES`` of each face in squares n x s x s x 3 (RGB), n x 22."""
        return np.stack([self._one(square) for square in squares]).astype(np.float32)

    def _one(self, square: NDArray[np.uint8]) -> Floats:
        scaled = cv2.resize(square, (MESH_PX, MESH_PX))
        points = _run(self._mesh, scaled, POINTS)[0].reshape(POINTS, 3).astype(np.float64)
        eyes = [self._eye(square, points, *c) for c in (LEFT_CORNERS, RIGHT_CORNERS)]
        return measured(points, *eyes)

    def _eye(self, square: NDArray[np.uint8], points: Floats, outer: int, inner: int) -> Floats:
        """Three lid openings and the iris's place from the eye's middle, in eye widths."""
        scale = square.shape[0] / MESH_PX
        ends = points[[outer, inner], :2] * scale
        width = max(float(np.hypot(*(ends[1] - ends[0]))), 1.0)
        mirrored = outer == LEFT_CORNERS[0]
        across = (ends[0] - ends[1]) * (-1 if mirrored else 1) / width
        turn = np.array([[across[0], across[1]], [-across[1], across[0]]])
        size = EYE_PX / (EYE_ROOM * width)
        linear = np.array([[-size if mirrored else size], [size]]) * turn
        shift = EYE_PX / 2 - linear @ ends.mean(0)
        matrix = np.concatenate([linear, shift[:, None]], axis=1)
        crop = cv2.warpAffine(square, matrix, (EYE_PX, EYE_PX), borderMode=cv2.BORDER_REPLICATE)
        outline, iris = _run(self._iris, crop, 71, 5)
        unit = EYE_PX / EYE_ROOM
        gaps = [np.hypot(*(outline[low] - outline[up])[:2]) / unit for up, low in LIDS]
        gaze = (iris[0, :2] - (outline[0] + outline[8])[:2] / 2) / unit
        return np.array([*gaps, -gaze[0] if mirrored else gaze[0], gaze[1]])


def measured(points: Floats, left: Floats, right: Floats) -> Floats:
    """``expression_model.NAMES`` from the mesh (468 x 3) and both eyes' lids and irises: lengths in
    eye distances, lids and irises in eye widths, yaw and pitch as sines."""
    eyes = [points[list(c)].mean(0) for c in (LEFT_CORNERS, RIGHT_CORNERS)]
    across = eyes[1] - eyes[0]
    distance = max(float(np.linalg.norm(across)), 1e-6)
    across = across / distance
    down = points[NOSE_BASE] - points[FOREHEAD]
    pitch = down[2] / max(float(np.linalg.norm(down)), 1e-6)
    level = across[:2] / max(float(np.linalg.norm(across[:2])), 1e-6)
    below = np.array([-level[1], level[0]])
    middle = (eyes[0] + eyes[1]) / 2
    gaps = [np.linalg.norm(points[low] - points[up]) for up, low in LIPS]
    lips = points[list(OUTER_LIPS)].mean(0)
    ends = points[list(MOUTH)]
    lengths = [
        (points[NOSE_TIP] - middle)[:2] @ level,
        *gaps,
        np.linalg.norm(ends[1] - ends[0]),
        *((lips - end)[:2] @ below for end in ends),
        (points[CHIN] - points[NOSE_BASE])[:2] @ below,
    ]
    scaled = np.array(lengths) / distance
    return np.array([across[2], pitch, *scaled, *left[:3], *right[:3], *left[3:], *right[3:]])


def _opened(file: Path) -> Interpreter:
    network = Interpreter(str(file), num_threads=1)
    network.allocate_tensors()
    return network


def _run(network: Interpreter, picture: NDArray[np.uint8], *counts: int) -> list[Floats]:
    """The first outputs, each so many points x 3, from a picture s x s x 3."""
    feed = picture.astype(np.float32)[None] / 255
    network.set_tensor(network.get_input_details()[0]["index"], feed)
    network.invoke()
    outputs = network.get_output_details()[: len(counts)]
    found = [network.get_tensor(output["index"]) for output in outputs]
    return [values.reshape(count, 3) for values, count in zip(found, counts, strict=True)]
