"""Hard scenes: the face is changed where it should be, the picture's truth stays."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from training.detector_evaluate import sets
from training.detector_hard import KINDS, change, hard_materials, turned
from training.detector_material import FACE_PX, Material
from training.recognizer_covers import Covers

pytestmark = pytest.mark.training
FORWARD = [[70, 80], [122, 80], [96, 110], [75, 135], [117, 135]]
ASIDE = [[70, 80], [122, 80], [122, 110], [85, 135], [120, 135]]


@pytest.fixture
def covers() -> Covers:
    cut_out = np.full((60, 100, 4), (200, 30, 40, 255), np.uint8)  # RGBA: red
    return Covers([cut_out], [cut_out])


@pytest.fixture
def material() -> Material:
    return Material(
        faces=np.full((3, FACE_PX, FACE_PX, 3), 160, np.uint8),
        boxes=np.array([[48, 36, 96, 124]] * 3, np.float32),
        points=np.array([FORWARD, ASIDE, FORWARD], np.float32),
        filler=np.array([0, 0.1, 0.2], np.float32),
        hands=[np.full((100, 100, 3), 90, np.uint8)],
        frames=[np.full((288, 360, 3), 70, np.uint8)],
        frame_boxes=[np.array([[150, 90, 60, 80]], np.float32)],
        frame_points=[np.array([FORWARD], np.float32) * 0.6 + (122, 65)],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_seen_and_leaves_the_original(covers: Covers, kind: str) -> None:
    face = np.full((FACE_PX, FACE_PX, 3), 160, np.uint8)
    rng = np.random.default_rng(1)
    changed = [change(face, kind, covers, rng) for _ in range(8)]
    assert all((found != face).any() for found in changed)
    assert (face == 160).all()


def test_a_mask_keeps_its_colour_in_the_order_of_the_picture(covers: Covers) -> None:
    face = np.full((FACE_PX, FACE_PX, 3), 160, np.uint8)
    blue, _, red = change(face, "mask", covers, np.random.default_rng(2))[140, 96]
    assert red > blue


def test_only_faces_that_look_aside_are_turned(material: Material) -> None:
    assert turned(material.points).tolist() == [1]
    assert material.of(turned(material.points)).filler.tolist() == [np.float32(0.1)]


def test_every_way_of_being_hard_has_its_set(material: Material, covers: Covers) -> None:
    found = dict(hard_materials(material, covers))
    assert list(found) == [*KINDS, "profile"]
    for kind in KINDS:
        np.testing.assert_array_equal(found[kind].points, material.points)
        assert (found[kind].faces != material.faces).any()
    assert len(found["profile"].faces) == 1


def test_hard_sets_come_after_the_others_and_only_with_covers(
    material: Material, covers: Covers
) -> None:
    plain = [name for name, _ in sets(material, None, 4, 0)]
    both = [name for name, _ in sets(material, covers, 4, 0)]
    assert set(plain) == {"clips", "clip crops", "scenes", "no face"}
    assert both == [*plain, *KINDS, "profile"]
