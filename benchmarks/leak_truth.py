"""Where real faces are in a clip: what a detector finds in two views, or a recogniser knows.

One view of one detector also finds hands and prints on shirts. A face counts where the detector
finds it in the picture and again in the mirrored, smaller picture; and where it looks like somebody
who was found so in the same clip, so that a real face does not drop out of the count in the frames
in which one view misses it. What the picture holds decides, never what the pipeline made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from app.errors import AppError
from app.frame import Pixels
from app.stages.align import align
from engines.detector import Box, Detection, Detector, overlap
from engines.recognizer import Embedding, Recognizer

SCORE, SIZE = 0.5, 640
SMALLER = 1.25  # the second view's canvas, in sides of the picture
SAME_VIEW = 0.4  # overlap (IoU) from which two views show the same
# Cosine to anybody of the clip. Above the threshold between persons hands score up to .2; what is a
# face at all is known far below the certainty that is needed to say whose.
KNOWN = 0.35
KEPT = 40  # confirmed faces remembered of a clip


@dataclass(frozen=True, eq=False)
class Truth:
    """The real faces of a frame, and the boxes that were doubted and left out."""

    faces: tuple[Box, ...]
    left_out: tuple[Box, ...] = ()


def true_faces(
    pictures: Sequence[Pixels], detector: Detector, recognizer: Recognizer | None
) -> list[Truth]:
    """The truth of each picture of one clip."""
    first = [_found(picture, detector) for picture in pictures]
    second = [_mirrored(picture, detector) for picture in pictures]
    twice = [
        [any(overlap(face.box, box) >= SAME_VIEW for box in boxes) for face in faces]
        for faces, boxes in zip(first, second, strict=True)
    ]
    known = [
        embedding
        for picture, faces, sure in zip(pictures, first, twice, strict=True)
        for face, so in zip(faces, sure, strict=True)
        if so and (embedding := _embed(picture, face, recognizer)) is not None
    ]
    people = known[:: max(1, len(known) // KEPT)]
    truths = []
    for picture, faces, sure in zip(pictures, first, twice, strict=True):
        real = [
            so or _known(_embed(picture, face, recognizer), people)
            for face, so in zip(faces, sure, strict=True)
        ]
        truths.append(
            Truth(
                tuple(face.box for face, so in zip(faces, real, strict=True) if so),
                tuple(face.box for face, so in zip(faces, real, strict=True) if not so),
            )
        )
    return truths


def _found(pixels: Pixels, detector: Detector, share: float = 1.0) -> list[Detection]:
    """Faces of the picture in the corner of a square ``share`` times as large."""
    side = round(share * max(pixels.shape[:2]))
    square = np.zeros((side, side, 3), np.uint8)
    square[: pixels.shape[0], : pixels.shape[1]] = pixels
    return detector.detect(square, SCORE, size=SIZE)


def _mirrored(pixels: Pixels, detector: Detector) -> list[Box]:
    width = pixels.shape[1]
    flipped = np.ascontiguousarray(cv2.flip(pixels, 1), np.uint8)
    found = _found(flipped, detector, SMALLER)
    return [(width - x - w, y, w, h) for x, y, w, h in (face.box for face in found)]


def _embed(pixels: Pixels, face: Detection, recognizer: Recognizer | None) -> Embedding | None:
    if recognizer is None:
        return None
    try:
        crop = align(pixels, face.landmarks, recognizer.template, recognizer.crop_size)
        return recognizer.embed(crop.pixels)
    except (AppError, ValueError):
        return None


def _known(embedding: Embedding | None, people: Sequence[Embedding]) -> bool:
    if embedding is None:
        return False
    return max((float(embedding @ one) for one in people), default=0.0) >= KNOWN
