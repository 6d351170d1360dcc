"""Colour match: strength, light taken on, steadiness, dark frames."""

from __future__ import annotations

import numpy as np
import pytest

from app.stages.color import FOLLOW, ColorMatcher

MASK = np.full((64, 64), 255, np.uint8)


def _face(level: float, spread: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, (64, 64, 1))
    return np.clip(level + noise + np.zeros(3), 0, 255).astype(np.uint8)


def test_strength_zero_changes_nothing() -> None:
    face = _face(120, 20)
    assert ColorMatcher().match(face, _face(60, 20), MASK, 0.0, 1) is face


def test_full_strength_takes_on_the_light() -> None:
    out = ColorMatcher().match(_face(150, 20), _face(80, 20, 1), MASK, 1.0, 1)
    assert out.mean() == pytest.approx(80, abs=3)


def test_half_strength_goes_half_the_way() -> None:
    out = ColorMatcher().match(_face(150, 20), _face(80, 20, 1), MASK, 0.5, 1)
    assert out.mean() == pytest.approx(115, abs=4)


def test_a_black_target_does_not_flatten_the_face() -> None:
    out = ColorMatcher().match(_face(150, 30), np.zeros((64, 64, 3), np.uint8), MASK, 0.5, 1)
    assert out.std() > 8


def test_light_follows_slowly_and_starts_anew_after_a_cut() -> None:
    matcher, face = ColorMatcher(), _face(120, 20)
    first = matcher.match(face, _face(100, 20), MASK, 1.0, 1).mean()
    second = matcher.match(face, _face(110, 20), MASK, 1.0, 1).mean()
    assert 0 < second - first < 10 * FOLLOW * 2
    cut = matcher.match(face, _face(200, 20), MASK, 1.0, 1).mean()
    assert cut == pytest.approx(200, abs=4)


def test_tracks_are_apart_and_forgotten() -> None:
    matcher, face = ColorMatcher(), _face(120, 20)
    matcher.match(face, _face(100, 20), MASK, 1.0, 1)
    other = matcher.match(face, _face(115, 20), MASK, 1.0, 2).mean()
    assert other == pytest.approx(115, abs=3)
    matcher.keep({2})
    again = matcher.match(face, _face(115, 20), MASK, 1.0, 1).mean()
    assert again == pytest.approx(115, abs=3)


def test_an_empty_mask_changes_nothing() -> None:
    face = _face(120, 20)
    assert ColorMatcher().match(face, _face(50, 9), np.zeros((64, 64), np.uint8), 1.0, 1) is face
