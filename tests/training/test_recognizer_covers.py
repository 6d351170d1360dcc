"""Covers: what hides a face hides the right part of it, and only asked-for pictures are changed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from training.detector_teacher import Detections
from training.recognizer_augment import harden
from training.recognizer_covers import CROP_PX, bespectacled, darkened, load_covers
from training.recognizer_hard import HardSet, hard_sets, judge_hard

pytestmark = pytest.mark.training
WALL, SKIN = (150, 160, 165), (90, 120, 200)  # BGR


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "face_masks").mkdir()
    mask = np.zeros((60, 80, 4), np.uint8)
    mask[10:50, 10:70] = (200, 60, 30, 255)
    for name in ("cloth", "plain"):
        cv2.imwrite(str(tmp_path / "face_masks" / f"{name}.png"), mask)
    hand = np.full((100, 100, 3), WALL, np.uint8)
    hand[30:70, 30:70] = SKIN
    coded = cv2.imencode(".png", hand)[1].tobytes()
    with tarfile.open(tmp_path / "hands.tar", "w") as archive:
        for n in range(11):
            member = tarfile.TarInfo(f"{n}.png")
            member.size = len(coded)
            archive.addfile(member, io.BytesIO(coded))
    return tmp_path


@pytest.fixture
def crop() -> np.ndarray:
    return np.full((CROP_PX, CROP_PX, 3), 180, np.uint8)


def test_splits_share_no_cover(folder: Path) -> None:
    seen, unseen = load_covers(folder, held_out=False), load_covers(folder, held_out=True)
    assert (len(seen.masks), len(seen.hands)) == (1, 9)
    assert (len(unseen.masks), len(unseen.hands)) == (1, 2)


def test_a_folder_without_masks_gets_a_sentence(folder: Path) -> None:
    (folder / "face_masks" / "plain.png").unlink()
    with pytest.raises(ValueError, match="0 masks and 9 hands"):
        load_covers(folder, held_out=False)


def test_a_hand_is_cut_from_its_wall(folder: Path) -> None:
    hand = load_covers(folder, held_out=True).hands[0]
    assert hand[50, 50, 3] == 255
    assert not hand[:20, :, 3].any()
    np.testing.assert_allclose(hand[50, 50, :3], SKIN[::-1], atol=2)


def test_a_mask_hides_the_mouth_and_not_the_eyes(folder: Path, crop: np.ndarray) -> None:
    covers = load_covers(folder, held_out=False)
    for seed in range(20):
        found = covers.masked(crop, np.random.default_rng(seed))
        assert (found[:46] == 180).all()
        assert (found[80:100, 40:72] != 180).any(-1).all()


def test_covers_suit_larger_pictures(folder: Path) -> None:
    """A face of twice the size gets a mask of twice the size."""
    covers = load_covers(folder, held_out=False)
    small = np.full((CROP_PX, CROP_PX, 3), 180, np.uint8)
    large = np.full((2 * CROP_PX, 2 * CROP_PX, 3), 180, np.uint8)
    for change in (covers.masked, covers.handed, bespectacled):
        shares = [
            float((change(crop, np.random.default_rng(3)) != 180).any(-1).mean())
            for crop in (small, large)
        ]
        assert shares[0] == pytest.approx(shares[1], rel=0.2)


def test_glasses_leave_the_mouth_and_touch_the_eyes(crop: np.ndarray) -> None:
    for seed in range(20):
        found = bespectacled(crop, np.random.default_rng(seed))
        assert (found[80:] == 180).all()
        assert (found[38:66] != 180).any()


def test_the_dark_is_dark(crop: np.ndarray) -> None:
    for seed in range(20):
        assert darkened(crop, np.random.default_rng(seed)).mean() < 120


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_hardening_changes_the_share_asked_for(
    folder: Path, crop: np.ndarray, share: float
) -> None:
    crops = np.stack([crop] * 40)
    covers = load_covers(folder, held_out=False)
    found = harden(crops, covers, share, np.random.default_rng(0))
    changed = (found != crops).any((1, 2, 3)).mean()
    assert changed == 0 if share == 0 else changed > 0.9  # a hand may miss the crop
    assert (crops == 180).all()


def test_hard_sets_are_the_same_every_time(folder: Path) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    covers = load_covers(folder, held_out=True)
    one, other = (list(hard_sets(squares, covers, None)) for _ in range(2))
    assert [hard.name for hard in one] == ["dark", "glasses", "mask", "hand"]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.crops, b.crops)
    assert [hard.name for hard in hard_sets(squares, None, None)] == ["dark", "glasses"]


class SideDetector:
    """Sees every face but the first; the second looks aside."""

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, picture: np.ndarray, threshold: float) -> Detections:
        face = self.seen // 6  # a face is shown in six views
        self.seen += 1
        if face == 0:
            return Detections(*(np.zeros((0, *s), np.float32) for s in ((), (4,), (5, 2))))
        nose = 70.0 if face == 1 and self.seen % 2 else 30.0 if face == 1 else 50.0
        five = np.array([[30, 40], [70, 40], [nose, 60], [35, 80], [65, 80]], np.float32)
        five = five + (256 - 96) // 2  # about the middle; the odd views are mirrored
        return Detections(
            np.ones(1, np.float32), np.array([[90, 90, 60, 80]], np.float32), five[None]
        )


def test_profiles_are_the_faces_that_the_detector_sees_aside() -> None:
    squares = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    profile = [hard for hard in hard_sets(squares, None, SideDetector()) if hard.name == "profile"]
    assert [hard.chosen.tolist() for hard in profile] == [[1]]
    np.testing.assert_array_equal(profile[0].crops[0], squares[1, 8:-8, 8:-8])


def test_a_student_that_answers_as_its_teacher_has_cosine_one() -> None:
    def embed(crops: np.ndarray) -> np.ndarray:
        return crops.reshape(len(crops), -1)[:, :128] + 1.0

    crops = np.random.default_rng(1).integers(0, 256, (4, 112, 112, 3), np.uint8)
    hard = HardSet("dark", crops, np.array([0, 1, 2, 3]))
    found = judge_hard(hard, embed, embed, embed(crops[::-1]), ["a", "a", "b", "c"])
    assert found["cosine"] == pytest.approx(1)
    assert found["student_to_clean"] == found["teacher_to_clean"]
    assert found["student_auc"] == found["teacher_auc"]
    strangers = judge_hard(hard, embed, embed, embed(crops), ["a", "b", "c", "d"])
    assert strangers["student_auc"] is None
