"""Masks: nothing at the border, paddings, outline, combination."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import MaskSettings
from app.stages.mask import build_mask, hull_mask, rectangle_mask
from engines import templates

LANDMARKS = templates.omokage(128)
SHARE = st.floats(0, 0.4)


@given(st.sampled_from(["hull", "rectangle"]), SHARE, SHARE, SHARE, SHARE, st.floats(0, 0.3))
def test_the_border_is_never_swapped(
    kind: str, top: float, right: float, bottom: float, left: float, feather: float
) -> None:
    settings = MaskSettings(kind, top, right, bottom, left, feather)
    mask = build_mask(128, LANDMARKS, settings)
    assert mask.dtype == np.uint8
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert not edge.any()


@pytest.mark.parametrize("kind", ["hull", "rectangle"])
def test_all_landmarks_are_swapped(kind: str) -> None:
    mask = build_mask(128, LANDMARKS, MaskSettings(kind=kind))
    for x, y in LANDMARKS:
        assert mask[round(float(y)), round(float(x))] > 240


def test_forehead_chin_and_cheeks_are_swapped() -> None:
    eyes, mouth = LANDMARKS[:2].mean(axis=0), LANDMARKS[3:].mean(axis=0)
    down = mouth - eyes
    across = np.array([down[1], -down[0]])
    mask = build_mask(128, LANDMARKS, MaskSettings())
    for way, aside in ((-0.9, 0), (1.2, 0), (0.4, -0.9), (0.4, 0.9)):
        x, y = eyes + way * down + aside * across
        assert mask[round(float(y)), round(float(x))] > 200


@pytest.mark.parametrize(
    ("side", "edge"),
    [
        ("top", np.s_[:38, :]),
        ("bottom", np.s_[-38:, :]),
        ("left", np.s_[:, :38]),
        ("right", np.s_[:, -38:]),
    ],
)
@pytest.mark.parametrize("kind", ["hull", "rectangle"])
def test_a_padding_keeps_its_side(kind: str, side: str, edge: tuple[slice, slice]) -> None:
    settings = dataclasses.replace(MaskSettings(kind=kind), **{side: 0.3})
    mask = build_mask(128, LANDMARKS, settings)
    assert not mask[edge].any()
    assert mask.any()


def test_the_outline_follows_the_nose() -> None:
    turned = LANDMARKS.copy()
    turned[2, 0] += 12  # the nose points to the picture's right: that cheek is the far one
    straight, mask = (hull_mask(128, points, 0.1) for points in (LANDMARKS, turned))
    assert mask[70, 64:].astype(int).sum() < straight[70, 64:].astype(int).sum()
    assert mask[70, :64].astype(int).sum() == straight[70, :64].astype(int).sum()


def test_the_outline_follows_roll() -> None:
    quarter = np.stack((127 - LANDMARKS[:, 1], LANDMARKS[:, 0]), axis=1)
    upright, lying = hull_mask(128, LANDMARKS, 0.1), hull_mask(128, quarter, 0.1)
    difference = np.rot90(upright, -1).astype(int) - lying
    assert np.abs(difference).mean() < 3


def test_the_least_mask_counts() -> None:
    other = np.full((128, 128), 255, np.uint8)
    other[:, :64] = 7
    mask = build_mask(128, LANDMARKS, MaskSettings(), [other])
    alone = build_mask(128, LANDMARKS, MaskSettings())
    assert mask[:, :64].max() == 7
    assert np.array_equal(mask[:, 64:], alone[:, 64:])


def test_landmarks_in_one_place_swap_nothing() -> None:
    assert not hull_mask(128, np.full((5, 2), 60, np.float32), 0.1).any()


def test_a_cached_rectangle_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        rectangle_mask(64, 0.1, 0.1, 0.1, 0.1, 0.1)[0, 0] = 1
