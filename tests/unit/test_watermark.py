"""The invisible mark: unseen, found again after what happens to pictures, and never imagined."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.frame import Pixels
from app.provenance.mark_search import FALSE_ALARM, TESTS, THRESHOLD, find_mark
from app.provenance.watermark import CHIPS, LEAST_SIDE, MOST, TILE, apply_mark


def scene(height: int = 720, width: int = 1280, seed: int = 0) -> Pixels:
    """Something like a picture: noise of three grains, and a hard edge."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 120.0, np.float32)
    for grain, strength in ((90, 30), (18, 15), (4, 6)):
        shape = (height // grain + 2, width // grain + 2, 3)
        noise = rng.standard_normal(shape).astype(np.float32)
        total += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(total, 0, 255).astype(np.uint8)
    cv2.circle(picture, (width // 2, height // 2), height // 4, (150, 170, 220), -1)
    return picture


def marked(height: int = 720, width: int = 1280, seed: int = 0) -> Pixels:
    picture = scene(height, width, seed)
    apply_mark(picture)
    return picture


def crop(picture: Pixels, share: float = 0.7) -> Pixels:
    height, width = picture.shape[:2]
    top, left = round(height * 0.2), round(width * 0.13)
    down, across = round(height * share), round(width * share)
    return np.ascontiguousarray(picture[top : top + down, left : left + across])


def half(picture: Pixels) -> Pixels:
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def mirror(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])


def jpeg(picture: Pixels) -> Pixels:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("size", [(720, 1280), (480, 640), (288, 360), (1080, 1920)])
def test_it_cannot_be_seen_and_is_found(size: tuple[int, int]) -> None:
    before, after = scene(*size), marked(*size)
    assert cv2.PSNR(before, after) >= 42
    assert np.abs(before.astype(int) - after).max() <= MOST
    assert find_mark([after]).marked


@pytest.mark.parametrize(
    "change",
    [
        crop,
        half,
        mirror,
        jpeg,
        lambda picture: jpeg(half(mirror(crop(picture)))),
        lambda picture: crop(picture, 0.83),
    ],
    ids=["crop", "half", "mirror", "jpeg", "all", "crop 83 %"],
)
def test_it_survives(change: Callable[[Pixels], Pixels]) -> None:
    assert find_mark([change(marked())]).marked


@pytest.mark.parametrize("seed", range(3))
def test_it_is_not_imagined(seed: int) -> None:
    assert not find_mark([scene(288, 360, seed)]).marked


def test_mirroring_and_scale_are_told() -> None:
    found = find_mark([mirror(marked())])
    assert found.mirrored
    assert found.cells == pytest.approx(180, rel=0.005)
    cut = find_mark([crop(marked())])
    assert not cut.mirrored
    assert cut.cells == pytest.approx(126, rel=0.005)


def test_frames_add_up() -> None:
    noisy = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(0, 60, (240, 320, 3))
        picture = np.clip(marked(240, 320, seed) + noise, 0, 255).astype(np.uint8)
        noisy.append(picture)
    assert find_mark(noisy).score > max(THRESHOLD, find_mark(noisy[:1]).score)


def test_black_and_white_do_not_wrap() -> None:
    for level in (0, 255):
        flat = np.full((100, 100, 3), level, np.uint8)
        apply_mark(flat)
        assert np.abs(flat.astype(int) - level).max() <= MOST


def test_the_mark_is_grey_and_always_the_same() -> None:
    first, second = (np.full((200, 300, 3), 128, np.uint8) for _ in range(2))
    apply_mark(first)
    apply_mark(second)
    assert np.array_equal(first, second)
    assert np.ptp(first.astype(int), axis=2).max() == 0
    assert abs(float(first.mean()) - 128) < 0.1


@given(st.integers(1, 90), st.integers(1, 400))
@settings(max_examples=25, deadline=None)
def test_any_size(height: int, width: int) -> None:
    picture = np.full((height, width, 3), 90, np.uint8)
    apply_mark(picture)
    changed = bool((picture != 90).any())
    assert changed == (min(height, width) >= LEAST_SIDE)


@pytest.mark.parametrize("shape", [(1, 1), (40, 4000), (20, 300)])
def test_odd_pictures_are_unmarked(shape: tuple[int, int]) -> None:
    assert not find_mark([np.full((*shape, 3), 77, np.uint8)]).marked
    assert not find_mark([]).marked


def test_the_threshold_is_the_bound() -> None:
    assert TESTS * math.exp(-(THRESHOLD**2) / 2) == pytest.approx(FALSE_ALARM)
    assert CHIPS.shape == (TILE, TILE)
    assert set(np.unique(CHIPS)) == {-1, 1}
    assert abs(float(CHIPS.mean())) < 0.03
