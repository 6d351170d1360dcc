"""The shipped detector has the YuNet 2023mar layout and works in OpenCV and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

ASSET = Path(__file__).parents[2] / "assets" / "detector.onnx"
STRIDES = (8, 16, 32)
SIZES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
NAMES = [f"{kind}_{stride}" for kind in SIZES for stride in STRIDES]


def drawn_face(
    width: int, height: int, centre: tuple[float, float], size: float
) -> NDArray[np.uint8]:
    """A cartoon of nobody, BGR: the head is about ``size`` px high."""
    fine = 4
    x, y, h = centre[0] * fine, centre[1] * fine, size * fine
    picture = np.full((height * fine, width * fine, 3), (150, 140, 120), np.uint8)

    def oval(dx: float, dy: float, rx: float, ry: float, color: tuple[int, int, int]) -> None:
        at, axes = (int(x + dx * h), int(y + dy * h)), (int(rx * h), int(ry * h))
        cv2.ellipse(picture, at, axes, 0, 0, 360, color, -1, cv2.LINE_AA)

    oval(0, 1.05, 0.85, 0.45, (90, 60, 50))  # shoulders
    oval(0, 0.55, 0.2, 0.3, (120, 150, 195))  # neck
    oval(0, -0.12, 0.46, 0.58, (30, 40, 55))  # hair
    oval(0, 0.05, 0.385, 0.5, (150, 180, 225))  # face
    oval(0, -0.42, 0.34, 0.14, (30, 40, 55))  # fringe
    for side in (-0.17, 0.17):
        oval(side, -0.06, 0.085, 0.045, (120, 145, 190))
        oval(side, -0.05, 0.07, 0.032, (235, 235, 235))
        oval(side, -0.05, 0.03, 0.032, (40, 50, 60))
        oval(side, -0.155, 0.09, 0.014, (40, 50, 70))
    oval(0, 0.05, 0.03, 0.12, (165, 195, 235))  # nose
    oval(-0.035, 0.15, 0.018, 0.012, (80, 100, 150))
    oval(0.035, 0.15, 0.018, 0.012, (80, 100, 150))
    oval(0, 0.29, 0.12, 0.035, (100, 100, 185))  # mouth
    oval(0, 0.285, 0.115, 0.008, (60, 60, 110))
    soft = cv2.GaussianBlur(picture, (0, 0), 0.018 * h)
    small = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small, np.uint8)


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(ASSET), providers=["CPUExecutionProvider"])


def run(
    session: onnxruntime.InferenceSession, picture: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    blob = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    return dict(zip(NAMES, session.run(None, {"input": blob}), strict=True))


def best_face(out: dict[str, NDArray[np.float32]], width: int) -> NDArray[np.float64]:
    """The best anchor as OpenCV's row: box, five points, score."""
    rows = []
    for stride in STRIDES:
        score = np.sqrt(out[f"cls_{stride}"][0, :, 0] * out[f"obj_{stride}"][0, :, 0])
        n = int(score.argmax())
        cell = np.array([n % (width // stride), n // (width // stride)])
        box, points = out[f"bbox_{stride}"][0, n], out[f"kps_{stride}"][0, n].reshape(5, 2)
        size = np.exp(box[2:]) * stride
        corner = (box[:2] + cell) * stride - size / 2
        rows.append(np.concatenate([corner, size, ((points + cell) * stride).ravel(), [score[n]]]))
    return max(rows, key=lambda row: float(row[-1]))


def test_names_and_order(session: onnxruntime.InferenceSession) -> None:
    assert [entry.name for entry in session.get_inputs()] == ["input"]
    assert [out.name for out in session.get_outputs()] == NAMES


@pytest.mark.parametrize(("width", "height"), [(320, 320), (160, 160), (640, 384)])
def test_shapes_at_any_size(session: onnxruntime.InferenceSession, width: int, height: int) -> None:
    out = run(session, np.zeros((height, width, 3), np.uint8))
    for name, value in out.items():
        kind, stride = name.split("_")
        cells = (height // int(stride)) * (width // int(stride))
        assert value.shape == (1, cells, SIZES[kind])
        assert np.isfinite(value).all()
        if kind in ("cls", "obj"):
            assert value.min() >= 0
            assert value.max() <= 1


@pytest.mark.parametrize(
    ("width", "height", "centre", "size"),
    [
        (320, 320, (160, 150), 120),
        (320, 320, (160, 150), 200),
        (160, 160, (70, 80), 60),
        (640, 384, (420, 180), 100),
    ],
)
def test_opencv_agrees_with_the_raw_outputs(
    session: onnxruntime.InferenceSession,
    width: int,
    height: int,
    centre: tuple[float, float],
    size: float,
) -> None:
    picture = drawn_face(width, height, centre, size)
    detector = cv2.FaceDetectorYN_create(str(ASSET), "", (width, height), 0.6)
    _, faces = detector.detect(picture)
    assert faces is not None
    assert len(faces) == 1
    expected = best_face(run(session, picture), width)
    np.testing.assert_allclose(faces[0][:14], expected[:14], atol=1.0)
    np.testing.assert_allclose(faces[0][14], expected[14], atol=0.01)
    right_eye, left_eye = faces[0][4:6], faces[0][6:8]
    np.testing.assert_allclose(
        right_eye, np.add(centre, (-0.17 * size, -0.05 * size)), atol=0.06 * size
    )
    np.testing.assert_allclose(
        left_eye, np.add(centre, (0.17 * size, -0.05 * size)), atol=0.06 * size
    )


def test_no_face_in_an_empty_picture() -> None:
    detector = cv2.FaceDetectorYN_create(str(ASSET), "", (320, 320), 0.6)
    ramp = np.tile(np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None], (320, 1, 3))
    for picture in (np.zeros((320, 320, 3), np.uint8), np.ascontiguousarray(ramp)):
        assert detector.detect(picture)[1] is None
