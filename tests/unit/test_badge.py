"""The badge: legible, in its corner, inside the picture, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from app.provenance.badge import LEAST_HEIGHT_PX, draw_badge
from app.settings import BadgeSettings

CORNERS = ("top left", "top right", "bottom left", "bottom right")


@pytest.mark.parametrize("position", CORNERS)
@pytest.mark.parametrize("shape", [(120, 160), (480, 640), (720, 1280), (2160, 3840)])
def test_it_is_in_its_corner_and_nowhere_else(position: str, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 128, np.uint8)
    draw_badge(pixels, BadgeSettings(position=position))
    ys, xs = np.nonzero((pixels != 128).any(axis=2))
    assert ys.max() - ys.min() + 1 >= LEAST_HEIGHT_PX - 1
    assert ys.max() - ys.min() < shape[0] * 0.16
    vertical, horizontal = position.split()
    assert (ys.mean() < shape[0] / 2) == (vertical == "top")
    assert (xs.mean() < shape[1] / 2) == (horizontal == "left")
    assert xs.min() > 0
    assert ys.max() < shape[0] - 1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_letters_stand_out_on_any_ground(level: int) -> None:
    pixels = np.full((480, 640, 3), level, np.uint8)
    draw_badge(pixels, BadgeSettings())
    badge = pixels[430:, 560:].astype(int)
    assert badge.max() - badge.min() > 150


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (8, 8), (20, 14), (500, 5)])
def test_tiny_pictures_are_survived(shape: tuple[int, int]) -> None:
    draw_badge(np.zeros((*shape, 3), np.uint8), BadgeSettings())


def test_off_draws_nothing() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    draw_badge(pixels, BadgeSettings(enabled=False))
    assert not pixels.any()
