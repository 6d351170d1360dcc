"""The shipped occluder sees a face, and what is laid over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.frame import Pixels
from app.stages.align import align
from app.stages.mask import hull_mask
from engines.detector import Detector
from engines.manifest import ModelStore
from engines.occluder import Occluder
from engines.onnx_backend import OnnxBackend

PERSONAS = Path(__file__).parents[2] / "assets" / "personas"


@pytest.fixture(scope="module")
def occluder() -> Iterator[Occluder]:
    if "occluder" not in {file.name for file in ModelStore().files()}:
        pytest.skip("no occluder is bundled")
    network = Occluder(OnnxBackend(ModelStore().file("occluder").read(), "occluder"))
    yield network
    network.close()


@pytest.fixture(scope="module")
def crops(occluder: Occluder) -> list[Pixels]:
    """The shipped portraits, aligned."""
    detector = Detector(OnnxBackend(ModelStore().file("detector").read(), "detector"))
    found = []
    for path in sorted(PERSONAS.glob("*.png")):
        picture = np.asarray(cv2.imread(str(path)), np.uint8)
        face = detector.detect(picture, 0.5)[0]
        found.append(align(picture, face.landmarks, occluder.template, occluder.crop_size).pixels)
    detector.close()
    return found


def test_a_bare_face_is_seen_and_its_surroundings_are_not(
    occluder: Occluder, crops: list[Pixels]
) -> None:
    middle = hull_mask(128, occluder.template, 0.3) > 250
    for crop in crops:
        parts = occluder.parts(crop)
        assert (parts.face[middle] > 127).mean() > 0.9
        assert (parts.face[:, :6] > 127).mean() < 0.1
        assert (parts.face[:, -6:] > 127).mean() < 0.1


def test_a_thing_before_the_mouth_is_no_face(occluder: Occluder, crops: list[Pixels]) -> None:
    shares = []
    for crop in crops:
        covered = crop.copy()
        covered[88:118, 30:98] = (60, 110, 40)
        face = occluder.parts(covered).face
        shares.append((face[91:115, 34:94] > 127).mean())
        assert (face[50:80, 45:82] > 127).mean() > 0.8  # eyes and nose are still seen
    assert np.mean(shares) < 0.1


def test_eyes_and_mouth_lie_where_the_alignment_puts_them(
    occluder: Occluder, crops: list[Pixels]
) -> None:
    for crop in crops:
        parts = occluder.parts(crop)
        for mask, x, y in ((parts.eyes, 46, 60), (parts.eyes, 82, 60), (parts.mouth, 64, 101)):
            assert mask[y - 5 : y + 6, x - 5 : x + 6].max() > 127
        assert (parts.mouth[:80] > 127).sum() == 0
