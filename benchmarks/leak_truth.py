"""Where real faces are in a clip: what a detector sees in two views for a while, or who is known.

One view of one detector also finds hands and prints on shirts, and now and then two views do. A
face counts where it is followed from frame to frame for a while and half of that time also found in
the mirrored, smaller picture; and wherever a recogniser knows somebody who was found so in the same
clip, so that a real face does not drop out of the count in the frames in which it is turned or
blurred. What the pictures hold decides, never what the pipeline made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from app.errors import AppError
from app.frame import Pixels
from app.stages.align import align
from engines.detector import Box, Detection, overlap
from engines.recognizer import Embedding, Recognizer

SCORE, SIZE = 0.5, 640
SMALLER = 1.25  # the second view's canvas, in sides of the picture
SAME_VIEW = 0.4  # overlap (IoU) from which two views show the same
SAME_FACE = 0.3  # overlap from one picture to the next from which it is one face
LEAST_FRAMES = 6  # a fifth of a second: hands that look like faces did for two frames
LEAST_TWICE = 0.5  # of them in both views
# Cosine to anybody of the clip. Hands and prints reach .17; what is a face at all is known far
# below the certainty that is needed to say whose.
KNOWN = 0.35
KEPT = 40  # confirmed faces remembered of a clip


class FaceFinder(Protocol):
    """What is needed of ``engines.detector.Detector``."""

    def detect(self, picture: Pixels, threshold: float, *, size: int = 320) -> list[Detection]:
        """All faces, best first."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The real faces of a frame, and the boxes that were doubted and left out."""

    faces: tuple[Box, ...]
    left_out: tuple[Box, ...] = ()


@dataclass(eq=False)
class _Seen:
    """A detection of the first view, whether the second has it, and the run it belongs to."""

    face: Detection
    twice: bool
    run: list[_Seen]

    @property
    def lasting(self) -> bool:
        twice = sum(seen.twice for seen in self.run)
        return len(self.run) >= LEAST_FRAMES and twice >= LEAST_TWICE * len(self.run)


def true_faces(
    pictures: Sequence[Pixels], detector: FaceFinder, recognizer: Recognizer | None
) -> list[Truth]:
    """The truth of each picture of one clip; the pictures follow each other."""
    frames: list[list[_Seen]] = []
    for picture in pictures:
        before = frames[-1] if frames else []
        frames.append(_look(picture, detector, before))
    looks = [
        embedding
        for picture, frame in zip(pictures, frames, strict=True)
        for seen in frame
        if seen.lasting and (embedding := _embed(picture, seen.face, recognizer)) is not None
    ]
    people = looks[:: max(1, len(looks) // KEPT)]
    truths = []
    for picture, frame in zip(pictures, frames, strict=True):
        real = [s.lasting or _known(_embed(picture, s.face, recognizer), people) for s in frame]
        boxes = [seen.face.box for seen in frame]
        truths.append(
            Truth(
                tuple(box for box, so in zip(boxes, real, strict=True) if so),
                tuple(box for box, so in zip(boxes, real, strict=True) if not so),
            )
        )
    return truths


def _look(picture: Pixels, detector: FaceFinder, before: Sequence[_Seen]) -> list[_Seen]:
    """What is in a picture, joined to the runs of the one before it."""
    mirrored, free, found = _mirrored(picture, detector), list(before), []
    for face in _found(picture, detector):
        twice = any(overlap(face.box, box) >= SAME_VIEW for box in mirrored)
        seen = _Seen(face, twice, [])
        last = max(free, key=lambda s: overlap(s.face.box, face.box), default=None)
        if last is not None and overlap(last.face.box, face.box) >= SAME_FACE:
            free.remove(last)
            seen.run = last.run
        seen.run.append(seen)
        found.append(seen)
    return found


def _found(pixels: Pixels, detector: FaceFinder, share: float = 1.0) -> list[Detection]:
    """Faces of the picture in the corner of a square ``share`` times as large."""
    side = round(share * max(pixels.shape[:2]))
    square = np.zeros((side, side, 3), np.uint8)
    square[: pixels.shape[0], : pixels.shape[1]] = pixels
    return detector.detect(square, SCORE, size=SIZE)


def _mirrored(pixels: Pixels, detector: FaceFinder) -> list[Box]:
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
