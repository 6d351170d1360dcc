"""Judging an occluder: overlaps, flicker on clips, the sheet."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from engines.occluder import FaceParts
from training.occluder_evaluate import Overlap, judge, sheet, steadiness
from training.occluder_labels import SIDE
from training.occluder_scenes import Scene

pytestmark = pytest.mark.training


def _scene(truth: np.ndarray, clean: np.ndarray) -> Scene:
    planes = np.zeros((4, SIDE, SIDE), np.uint8)
    planes[0] = truth
    weight = np.full((SIDE, SIDE), 100, np.uint8)
    weight[:20] = 0
    return Scene(np.zeros((SIDE, SIDE, 3), np.uint8), planes, weight, clean, "hand")


def test_overlaps_count_what_they_say() -> None:
    clean = np.zeros((SIDE, SIDE), np.uint8)
    clean[:, 32:96] = 255
    truth = clean.copy()
    truth[64:] = 0  # the lower half is hidden
    nothing = np.zeros((SIDE, SIDE), np.uint8)
    overlap = Overlap()
    judge(overlap, FaceParts(truth, nothing, nothing, nothing), _scene(truth, clean))
    assert overlap.summary()["mIoU"] == overlap.of("hidden") == 1.0
    blind = Overlap()
    judge(blind, FaceParts(clean, nothing, nothing, nothing), _scene(truth, clean))
    assert blind.of("hidden") == 0.0
    assert blind.of("face") == pytest.approx(44 / 108)  # rows 20 to 63 of rows 20 to 127


def test_movement_is_no_flicker_and_flicker_is() -> None:
    inside = np.full((SIDE, SIDE), 255, np.uint8)
    passing, restless = [], []
    for n in range(10):
        mask = np.full((SIDE, SIDE), 255, np.uint8)
        mask[:, : n * 8] = 0
        passing.append(mask)
        restless.append(np.full((SIDE, SIDE), 255 * (n % 2), np.uint8))
    moving, flickering, still = (steadiness(m, inside) for m in (passing, restless, [inside] * 3))
    assert moving is not None
    assert moving.flips == 0.0
    assert flickering is not None
    assert flickering.flips == 1.0
    assert still is not None
    assert still.change == 0.0


def test_a_clip_that_hardly_shows_a_face_says_nothing() -> None:
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    assert steadiness([], mask) is None
    assert steadiness([mask] * 2, mask) is None


def test_the_sheet_shows_every_scene() -> None:
    tile = np.full((SIDE, SIDE, 3), 100, np.uint8)
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    made = sheet([(tile, mask, mask)] * 4, 2)
    assert made.shape == (2 * 3 * SIDE, 2 * SIDE, 3)
