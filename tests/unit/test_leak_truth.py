"""What counts as a real face in a clip: nothing that is one may drop out, hands may."""

from __future__ import annotations

import cv2
import numpy as np

from app.frame import Pixels
from benchmarks.leak_truth import LEAST_FRAMES, true_faces
from engines.detector import Box, Detection
from tests.helpers.fake_engines import detection

SIDE = 320
BOTH, ONE = 255, 150  # grey of a square that both views of the detector see, or the first alone


class Squares:
    """A detector that takes squares for faces; darker ones are missed in a smaller picture."""

    def detect(self, picture: Pixels, threshold: float, *, size: int = 320) -> list[Detection]:
        least = BOTH if picture.shape[0] > SIDE else ONE
        _, bright = cv2.threshold(picture[..., 0], least - 1, 1, cv2.THRESH_BINARY)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(bright)
        return [detection(float(x), float(y), float(w), threshold) for x, y, w, _, _ in boxes[1:]]


def shown(*squares: tuple[int, int, int, int]) -> Pixels:
    """A picture with squares of (x, y, side, grey)."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x, y, side, grey in squares:
        pixels[y : y + side, x : x + side] = grey
    return pixels


def faces(pictures: list[Pixels]) -> list[tuple[Box, ...]]:
    return [truth.faces for truth in true_faces(pictures, Squares(), None)]


def test_a_face_that_lasts_counts_in_every_frame_even_where_one_view_misses_it() -> None:
    pictures = [shown((40 + 4 * n, 60, 50, ONE if n % 3 == 1 else BOTH)) for n in range(12)]
    assert faces(pictures) == [((40.0 + 4 * n, 60.0, 50.0, 50.0),) for n in range(12)]


def test_hands_do_not_count() -> None:
    """One view, however long; or two views, for a moment."""
    lasting, moment = (200, 60, 40, ONE), (40, 200, 40, BOTH)
    pictures = [shown(lasting, *([moment] if n in (5, 6) else [])) for n in range(20)]
    truths = true_faces(pictures, Squares(), None)
    assert [truth.faces for truth in truths] == [()] * 20
    assert [len(truth.left_out) for truth in truths] == [2 if n in (5, 6) else 1 for n in range(20)]


def test_two_faces_are_two_runs() -> None:
    pictures = [
        shown((20, 40, 60, BOTH), *([(150, 40, 60, BOTH)] if n >= 4 else []))
        for n in range(4 + LEAST_FRAMES)
    ]
    assert [len(found) for found in faces(pictures)] == [1] * 4 + [2] * LEAST_FRAMES
