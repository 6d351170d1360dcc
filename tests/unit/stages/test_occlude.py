"""What is before the face: when the network is asked, and how its answer is moved and used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.frame import Points
from app.settings import MaskSettings
from app.stages.align import align
from app.stages.occlude import Occlusion
from engines import templates
from engines.templates import Template
from tests.helpers.fake_occluder import SIDE, FakeOccluder, parts

SETTINGS = MaskSettings(occluder=True)
OWN = templates.omokage(SIDE)
PIXELS = np.random.default_rng(3).integers(0, 256, (300, 400, 3), np.uint8)


def _landmarks(x: float = 120, y: float = 60) -> Points:
    return (OWN + np.array((x, y))).astype(np.float32)


def _mask(
    occlusion: Occlusion,
    landmarks: Points,
    settings: MaskSettings = SETTINGS,
    *,
    template: Template = OWN,
    size: int = SIDE,
    track: int = 1,
) -> np.ndarray:
    crop = align(PIXELS, landmarks, template, size)
    return occlusion.mask(PIXELS, crop, template, landmarks, track, settings)


def _half() -> np.ndarray:
    """The face is seen in the left half only."""
    face = np.zeros((SIDE, SIDE), np.uint8)
    face[:, : SIDE // 2] = 255
    return face


def test_what_covers_the_face_is_left() -> None:
    network = FakeOccluder(parts(_half()))
    mask = _mask(Occlusion(network), _landmarks())
    assert np.array_equal(mask, _half())
    assert len(network.crops) == 1


def test_off_nothing_is_left() -> None:
    network = FakeOccluder(parts(_half()))
    settings = dataclasses.replace(SETTINGS, occluder=False, keep_mouth=True)
    assert _mask(Occlusion(network), _landmarks(), settings).min() == 255


@pytest.mark.parametrize("size", [224, 256])
def test_another_generator_s_crop_gets_its_own_mask(size: int) -> None:
    network, template = FakeOccluder(parts(_half())), templates.simswap(size)
    landmarks = _landmarks()
    mask = _mask(Occlusion(network), landmarks, template=template, size=size)
    assert mask.shape == (size, size)
    assert np.array_equal(network.crops[0], align(PIXELS, landmarks, OWN, SIDE).pixels)
    middle = size // 2  # both templates have the nose in the middle
    assert mask[:, : middle - 3].min() == 255
    assert mask[:, middle + 3 :].max() == 0


def test_between_two_looks_the_mask_moves_with_the_picture() -> None:
    network = FakeOccluder(parts(_half()))
    occlusion, settings = Occlusion(network), dataclasses.replace(SETTINGS, occluder_every=3)
    still = _mask(occlusion, _landmarks(120), settings)
    moved = _mask(occlusion, _landmarks(110), settings)  # the crop goes 10 px to the left
    assert len(network.crops) == 1
    assert np.array_equal(moved[:, 10:], still[:, :-10])
    for _ in range(2):
        _mask(occlusion, _landmarks(110), settings)
    assert len(network.crops) == 2


def test_every_track_is_asked_for_itself_and_forgotten_with_its_face() -> None:
    network = FakeOccluder()
    occlusion, settings = Occlusion(network), dataclasses.replace(SETTINGS, occluder_every=10)
    for track in (1, 2, 1, 2):
        _mask(occlusion, _landmarks(), settings, track=track)
    assert len(network.crops) == 2
    occlusion.keep({2})
    for track in (1, 2):
        _mask(occlusion, _landmarks(), settings, track=track)
    assert len(network.crops) == 3


@pytest.mark.parametrize(("setting", "part"), [("keep_mouth", "mouth"), ("keep_eyes", "eyes")])
def test_a_kept_part_stays_with_a_margin(setting: str, part: str) -> None:
    place = np.zeros((SIDE, SIDE), np.uint8)
    place[90:100, 50:78] = 255
    network = FakeOccluder(parts(**{part: place}))
    untouched = _mask(Occlusion(network), _landmarks())
    kept = _mask(Occlusion(network), _landmarks(), dataclasses.replace(SETTINGS, **{setting: True}))
    assert untouched.min() == 255
    assert kept[90:100, 50:78].max() == 0
    assert kept[86, 64] < 255
    assert kept[70, 64] == 255


def test_an_answer_that_uncovers_nearly_everything_is_not_believed() -> None:
    nothing = np.zeros((SIDE, SIDE), np.uint8)
    assert _mask(Occlusion(FakeOccluder(parts(nothing))), _landmarks()).min() == 255
