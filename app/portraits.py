"""From a picture to a source face: the one face in it, found, judged and aligned."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import PictureError
from app.frame import Pixels, Points
from app.stages.align import align
from engines.detector import Detection, Detector
from engines.recognizer import Recognizer
from engines.templates import arcface

SIDE = 256  # of the aligned square that is kept of a source face
# Where the five points lie in the aligned square: ArcFace's 112-px crop, doubled, in a margin.
LANDMARKS: Points = arcface(112) * 2 + 16
THRESHOLD = 0.6
SMALLEST = 60.0  # px, a face's shorter side; below it the likeness is guesswork
DOMINANT = 4.0  # a face this many times larger than every other one is the one that is meant


def portrait(pixels: Pixels, name: str, detector: Detector) -> Pixels:
    """The picture's face, aligned in a square of ``SIDE`` px (landmarks at ``LANDMARKS``).

    ``PictureError`` (calling the picture ``name``) where there is no face, several of about the
    same size, or one too small.
    """
    found = _find(pixels, detector)
    if not found:
        raise PictureError(
            f"There is no face to be found in {name}.",
            "Use a well-lit picture that shows the face from the front.",
        )
    first, *rest = sorted(found, key=_area, reverse=True)
    others = [face for face in rest if not _within(face, first)]
    if others and _area(first) < DOMINANT * _area(others[0]):
        raise PictureError(
            f"There are {1 + len(others)} faces in {name}, one is needed.",
            "Cut out the one you mean.",
        )
    side = min(first.box[2:])
    if side < SMALLEST:
        raise PictureError(
            f"The face in {name} is {side:.0f} pixels wide, at least {SMALLEST:.0f} are needed.",
            "Use a larger picture.",
        )
    return align(pixels, first.landmarks, LANDMARKS, SIDE).pixels


def embed(squares: Sequence[Pixels], recognizer: Recognizer) -> NDArray[np.float32]:
    """The mean embedding of aligned squares of one face (any size), L2-normalised."""
    embeddings = [_embed_one(square, recognizer) for square in squares]
    return mean_embedding(embeddings)


def mean_embedding(embeddings: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The direction all embeddings share, L2-normalised."""
    total = np.sum(np.stack(embeddings), axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise PictureError("The source faces cancel each other out.", "Use fewer of them.")
    return np.asarray(total / length, dtype=np.float32)


def _embed_one(square: Pixels, recognizer: Recognizer) -> NDArray[np.float32]:
    landmarks = LANDMARKS * (square.shape[0] / SIDE)
    crop = align(square, landmarks, recognizer.template, recognizer.crop_size)
    return recognizer.embed(crop.pixels)


def _find(pixels: Pixels, detector: Detector) -> list[Detection]:
    """Faces in the whole picture; then smaller ones; then one so close that it fills it."""
    for size in (320, 640):
        found = detector.detect(pixels, THRESHOLD, size=size)
        if found:
            return found
    height, width = pixels.shape[:2]
    edge = max(height, width) // 2
    wider = cv2.copyMakeBorder(
        pixels, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(128, 128, 128)
    )
    found = detector.detect(np.ascontiguousarray(wider, dtype=np.uint8), THRESHOLD, size=320)
    return [
        Detection(
            box=(face.box[0] - edge, face.box[1] - edge, face.box[2], face.box[3]),
            landmarks=face.landmarks - np.float32(edge),
            score=face.score,
        )
        for face in found
    ]


def _within(face: Detection, other: Detection) -> bool:
    """Whether ``face`` is centred in ``other``: the same face, found twice."""
    x, y = face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2
    left, top, width, height = other.box
    return left < x < left + width and top < y < top + height


def _area(face: Detection) -> float:
    return face.box[2] * face.box[3]
