"""A face that is narrower than it was taken for: found by a second look, hidden whole."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture.demo import Demo
from app.frame import Pixels
from app.stages.narrow import APART, CERTAIN, STRETCH, disproved
from engines.detector import Box, Detection, Detector
from engines.manifest import BUNDLED
from engines.onnx_backend import OnnxBackend
from tests.helpers.fake_engines import FakeDetector, detection

PIXELS = np.zeros((360, 640, 3), np.uint8)
SEEN = detection(200, 100, 120, 0.7)


def _second(again: Detection | None, seen: Detection = SEEN) -> Box | None:
    finder = FakeDetector()
    finder.stretched = again
    return disproved(finder, PIXELS, seen)


def test_who_is_seen_with_certainty_is_not_looked_at_again() -> None:
    beside = detection(400, 100, 120, 0.99)
    assert _second(beside, detection(200, 100, 120, CERTAIN)) is None
    assert _second(beside, detection(200, 100, 120, CERTAIN - 0.01)) is not None


@pytest.mark.parametrize(
    ("again", "agrees"),
    [
        (None, True),
        (detection(200, 100, 120, 0.7), True),
        (detection(202, 98, 120, 0.8), True),
        (detection(200, 100, 120, 0.86), False),  # half of the doubt is gone
        (detection(200, 100 + 120, 120, 0.7), False),
        (detection(200, 100, 40, 0.7), False),
    ],
)
def test_what_disproves_the_first_look(again: Detection | None, agrees: bool) -> None:
    assert (_second(again) is None) is agrees


@given(st.floats(-200, 200), st.floats(-200, 200), st.floats(20, 300), st.floats(0.31, 0.99))
def test_all_that_either_look_saw_is_told(x: float, y: float, side: float, score: float) -> None:
    again = detection(200 + x, 100 + y, side, score)
    told = _second(again)
    if told is None:
        assert np.abs(again.landmarks - SEEN.landmarks).min() <= APART * 120
        return
    for box in (SEEN.box, again.box):
        assert told[0] <= box[0] + 1e-3
        assert told[1] <= box[1] + 1e-3
        assert told[0] + told[2] >= box[0] + box[2] - 1e-3
        assert told[1] + told[3] >= box[1] + box[3] - 1e-3


@lru_cache(maxsize=1)
def _detector() -> Detector:
    path = BUNDLED / "detector.onnx"
    return Detector(OnnxBackend(path.read_bytes(), path.name))


def _demo(share: float) -> Pixels:
    """The demo's person, ``share`` of their width."""
    pixels = cv2.resize(Demo(realtime=False).picture(0), (640, 360), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(pixels, (round(640 * share), 360)), np.uint8)


def test_the_shipped_detector_tells_a_pressed_face_from_a_whole_one() -> None:
    for share, hidden in ((1.0, False), (0.9, False), (0.5, True), (0.4, True)):
        pixels = _demo(share)
        found = max(_detector().detect(pixels, 0.3, size=640), key=lambda face: face.score)
        near = _detector().detect_near(pixels, found.box, 0.3)
        assert near is not None
        assert (disproved(_detector(), pixels, near) is not None) is hidden, share


def test_a_stretched_look_answers_in_the_pictures_own_pixels() -> None:
    pixels = _demo(1 / STRETCH)
    whole = max(_detector().detect(_demo(1.0), 0.5, size=640), key=lambda face: face.score)
    x, y, width, height = whole.box
    narrow = (x / STRETCH, y, width / STRETCH, height)
    plain = _detector().detect_near(_demo(1.0), whole.box, 0.5)
    again = _detector().detect_near(pixels, narrow, 0.5, stretch=STRETCH)
    assert plain is not None
    assert again is not None
    np.testing.assert_allclose(again.landmarks * (STRETCH, 1), plain.landmarks, atol=width / 25)
    assert again.score > 0.9
