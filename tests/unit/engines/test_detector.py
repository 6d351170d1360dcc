"""Decoding of YuNet's layout, suppression and the two searches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.backend import Backend, TensorSpec
from engines.detector import STRIDES, Detector, decode, overlap, suppress
from engines.errors import EngineError
from engines.onnx_backend import OnnxBackend
from tests.helpers import tiny_models

WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def _empty(width: int, height: int) -> dict[str, np.ndarray]:
    return {
        f"{kind}_{stride}": np.zeros((1, (width // stride) * (height // stride), size), np.float32)
        for kind, size in WIDTHS.items()
        for stride in STRIDES
    }


def _slow_decode(outputs: dict[str, np.ndarray], width: int, height: int, least: float) -> list:
    rows = []
    for stride in STRIDES:
        for r in range(height // stride):
            for c in range(width // stride):
                n = r * (width // stride) + c
                cls, obj, bbox, kps = (outputs[f"{kind}_{stride}"][0, n] for kind in WIDTHS)
                score = np.sqrt(np.clip(cls[0], 0, 1) * np.clip(obj[0], 0, 1))
                if score < least:
                    continue
                w, h = np.exp(bbox[2]) * stride, np.exp(bbox[3]) * stride
                x, y = (c + bbox[0]) * stride - w / 2, (r + bbox[1]) * stride - h / 2
                points = [(kps[k] + (c, r)[k % 2]) * stride for k in range(10)]
                rows.append([score, x, y, w, h, *points])
    return rows


def test_decode_agrees_with_the_formulas() -> None:
    rng = np.random.default_rng(3)
    outputs = {
        name: rng.normal(0.3, 0.5, value.shape).astype(np.float32)
        for name, value in _empty(96, 64).items()
    }
    found = decode(outputs, 96, 64, 0.6)
    wanted = np.array(_slow_decode(outputs, 96, 64, 0.6), np.float32)
    assert len(wanted) > 10
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_decode_of_nothing_is_empty() -> None:
    assert decode(_empty(64, 64), 64, 64, 0.5).shape == (0, 15)


def test_decode_refuses_another_size() -> None:
    with pytest.raises(EngineError, match="cls_8 has 64 values, expected 128"):
        decode(_empty(64, 64), 128, 64, 0.5)


def _row(score: float, x: float, y: float, side: float = 10) -> np.ndarray:
    return np.array([score, x, y, side, side, *[0] * 10], np.float32)


def test_suppress_keeps_the_best_of_each_face() -> None:
    rows = np.stack([_row(0.7, 1, 1), _row(0.9, 0, 0), _row(0.8, 50, 0), _row(0.6, 51, 0)])
    assert [float(row[0]) for row in suppress(rows, 16)] == pytest.approx([0.9, 0.8])
    assert len(suppress(rows, 1)) == 1
    assert suppress(rows[:0], 16) == []


boxes = st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(1, 50)] * 2)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_bounded(a: tuple, b: tuple) -> None:
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1 + 1e-9
    assert overlap(a, a) == pytest.approx(1)


@pytest.fixture
def detector() -> Detector:
    return Detector(OnnxBackend(tiny_models.detector(), "tiny.onnx"))


def _scene(width: int, height: int, *faces: tuple[int, int, int]) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y, side in faces:
        picture[y : y + side, x : x + side, 0] = 255
    return picture


@pytest.mark.parametrize(("width", "height"), [(320, 192), (1280, 720), (400, 640), (160, 96)])
def test_results_are_in_the_pictures_own_pixels(
    detector: Detector, width: int, height: int
) -> None:
    scale = max(width, height) / 320
    side = round(8 * scale)
    # The cell at column 4, row 2 of the letterboxed picture.
    x, y = round(4 * 8 * scale), round(2 * 8 * scale)
    (face,) = detector.detect(_scene(width, height, (x, y, side)), 0.6)
    assert face.box == pytest.approx((x - 5 * side, y - 5 * side, 10 * side, 10 * side))
    np.testing.assert_allclose(face.landmarks[2], (x, y), atol=1e-3)
    np.testing.assert_allclose(face.landmarks[1], (x + side, y - side), atol=1e-3)
    assert 0.6 <= face.score <= 1


def test_best_first_and_at_most(detector: Detector) -> None:
    picture = _scene(320, 192, (40, 40, 8), (160, 40, 8), (240, 120, 8))
    picture[40:48, 160:168, 0] = 230
    picture[120:128, 240:248, 0] = 200
    found = detector.detect(picture, 0.6)
    scores = [face.score for face in found]
    assert len(found) == 3
    assert scores == sorted(scores, reverse=True)
    assert len(detector.detect(picture, 0.6, max_faces=2)) == 2
    assert len(detector.detect(picture, 0.85)) == 2
    assert detector.detect(_scene(320, 192), 0.3) == []


def test_near_finds_what_the_full_search_found(detector: Detector) -> None:
    picture = _scene(640, 480, (320, 240, 16))
    (full,) = detector.detect(picture, 0.6)
    near = detector.detect_near(picture, full.box, 0.6)
    assert near is not None
    assert near.box == pytest.approx(full.box, abs=0.5)
    np.testing.assert_allclose(near.landmarks, full.landmarks, atol=0.5)


def test_near_the_edge_and_beyond(detector: Detector) -> None:
    picture = _scene(640, 480, (0, 0, 16))
    face = detector.detect_near(picture, (-80, -80, 160, 160), 0.6)
    assert face is not None
    np.testing.assert_allclose(face.landmarks[2], (0, 0), atol=0.5)
    assert detector.detect_near(picture, (2000, 2000, 80, 80), 0.6) is None
    assert detector.detect_near(picture, (300, 300, 0, 0), 0.6) is None


def test_near_leaves_other_faces_alone(detector: Detector) -> None:
    picture = _scene(640, 480, (320, 240, 16))
    assert detector.detect_near(picture, (100, 160, 160, 160), 0.6) is None


def test_a_frozen_picture_is_taken(detector: Detector) -> None:
    picture = _scene(320, 192, (40, 40, 8))
    picture.flags.writeable = False
    assert len(detector.detect(picture, 0.6)) == 1


class _Nothing:
    """A backend without outputs."""

    name = "nothing"
    inputs = (TensorSpec("input", (1, 3, None, None), np.dtype(np.float32)),)
    outputs = ()

    def run(self, tensors: object) -> dict[str, np.ndarray]:
        return {}

    def close(self) -> None:
        return


def test_another_layout_gets_a_sentence() -> None:
    backend: Backend = _Nothing()
    with pytest.raises(EngineError, match=r"no outputs bbox_16, .*expected YuNet"):
        Detector(backend)
