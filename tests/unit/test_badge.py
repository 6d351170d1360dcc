"""The badge: legible, in its corner, inside the picture, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from app.provenance.badge import LEAST_HEIGHT_PX, LEAST_SHARE, draw_badge
from app.settings import BadgeSettings, Settings, fields_of

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


LETTERS_PX, LETTERS_SHARE, CONTRAST = 9, 0.02, 4.5  # what legible means; 4.5 is WCAG 1.4.3


def luminance(bgr: np.ndarray) -> float:
    """Relative luminance of an 8-bit colour, after WCAG 2."""
    share = bgr[::-1] / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("shape", [(240, 320), (480, 640), (720, 1280), (1920, 1080), (2160, 3840)])
@pytest.mark.parametrize("size", [0.0, -3.0, 0.001, 0.035, 0.12])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_it_cannot_be_made_illegible(shape: tuple[int, int], size: float, level: int) -> None:
    pixels = np.full((*shape, 3), level, np.uint8)
    draw_badge(pixels, BadgeSettings(size=size))
    ys, xs = np.nonzero((pixels != level).any(axis=2))
    badge = pixels[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    inside = badge[:, badge.shape[1] // 4 : -(badge.shape[1] // 4)]  # without the round corners
    rows = np.flatnonzero((inside > 150).all(axis=2).any(axis=1)) if level < 255 else None
    if rows is not None:
        assert rows[-1] - rows[0] + 1 >= max(LETTERS_PX, LETTERS_SHARE * shape[0])
    colours = inside.reshape(-1, 3)
    brightest = max(luminance(colour) for colour in np.unique(colours, axis=0))
    ground = luminance(np.median(colours, axis=0))
    assert (brightest + 0.05) / (ground + 0.05) >= CONTRAST


def test_it_is_on_by_default_and_no_setting_makes_it_illegible() -> None:
    specs = {spec.path: spec for spec in fields_of(Settings())}
    assert specs["badge.enabled"].default is True
    assert specs["badge.position"].choices == CORNERS
    assert specs["badge.size"].limits is not None
    assert specs["badge.size"].limits[0] >= LEAST_SHARE
