"""Independent judges of a swap: a recogniser and a landmark network that no loss has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from training.faces import embed
from training.teacher import Teacher

Squares = NDArray[np.uint8]  # n x 128 x 128 x 3 RGB, aligned
Floats = NDArray[np.floating]


class Recogniser(Protocol):
    name: str

    def __call__(self, squares: Squares) -> Floats:
        """Embeddings n x d whose cosine says how alike two people are."""
        ...


class TeacherJudge:
    """The loss's own network: it flatters, see ``DlibJudge``."""

    name = "teacher"

    def __init__(self, file: Path) -> None:
        self._teacher = Teacher(file)

    def __call__(self, squares: Squares) -> Floats:
        return embed(squares, self._teacher)


class DlibJudge:
    """dlib's ResNet-29 descriptor (King 2017, CC0), centred by ``centre`` and then unit length."""

    name = "dlib"

    def __init__(self, file: Path, centre: Squares) -> None:
        """``centre``: faces whose mean descriptor is taken off before cosines are formed."""
        import dlib  # only judges need it; a source build, so no dependency of the project

        self._network = dlib.face_recognition_model_v1(str(file))
        self._mean = np.zeros(128)
        self._mean = self._raw(centre).mean(0)

    def _raw(self, squares: Squares) -> Floats:
        chips = [cv2.resize(s, (150, 150), interpolation=cv2.INTER_CUBIC) for s in squares]
        return np.array([self._network.compute_face_descriptor(chip) for chip in chips])

    def __call__(self, squares: Squares) -> Floats:
        found = self._raw(squares) - self._mean
        return found / np.linalg.norm(found, axis=1, keepdims=True)


MOUTH = ((60, 65), (61, 64), (62, 63))  # inner lips, upper and lower
EYES = ((37, 41), (38, 40), (43, 47), (44, 46))  # upper and lower lids
EYE_MIDDLES = (slice(36, 42), slice(42, 48))
NOSE_TIP = 30
MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])


class Landmarks:
    """OpenSeeFace's 66 landmarks (BSD-2), in pixels of the 128-px square."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(torch.get_num_threads(), 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, squares: Squares) -> Floats:
        """n x 66 x 2 (x, y)."""
        return np.stack([self._one(square) for square in squares])

    def _one(self, square: NDArray[np.uint8]) -> Floats:
        picture = cv2.resize(square, (224, 224)).astype(np.float32) / 255
        feed = ((picture - MEAN) / STD).transpose(2, 0, 1)[None]
        maps = self._session.run(None, {self._input: np.ascontiguousarray(feed)})[0][0]
        maps = maps.reshape(3, 66, 28 * 28)
        best = maps[0].argmax(1)
        place = np.stack([best % 28, best // 28], axis=1) * 223 / 27
        at = np.arange(66)
        share = np.clip(np.stack([maps[2, at, best], maps[1, at, best]], 1), 1e-7, 1 - 1e-7)
        return (place + 223 * np.log(share / (1 - share)) / 16) * 128 / 224


def pose_and_expression(points: Floats) -> tuple[Floats, Floats]:
    """Nose tip against the eyes n x 2 and lid and lip openings n x 7, in eye distances."""
    left, right = (points[:, part].mean(1) for part in EYE_MIDDLES)
    width = np.linalg.norm(right - left, axis=1)[:, None]
    pose = (points[:, NOSE_TIP] - (left + right) / 2) / width
    gaps = [np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in (*MOUTH, *EYES)]
    return pose, np.stack(gaps, axis=1) / width
