"""Stillness: noise rests, slow movements add up, frozen and leaping clocks prove nothing."""

from __future__ import annotations

import numpy as np
import pytest

from app.stages.motion import Motion

RNG = np.random.default_rng(0)
ROOM = np.kron(RNG.integers(40, 200, (18, 32, 1)), np.ones((10, 10, 3)))
FPS = 30


def camera(index: int, noise: float = 3.0, thing: float | None = None) -> np.ndarray:
    """A noisy picture of the room, with a bright bar at column ``thing``."""
    pixels = ROOM + np.random.default_rng(index).normal(0, noise, ROOM.shape)
    if thing is not None:
        pixels[40:160, round(thing) : round(thing) + 40] = 240
    return np.clip(pixels, 0, 255).astype(np.uint8)


def watch(motion: Motion, frames: list[np.ndarray], start: float = 0.0) -> float:
    for n, pixels in enumerate(frames):
        motion.step(pixels, start + n / FPS)
    return motion.still_s()


@pytest.mark.parametrize("noise", [1.0, 3.0, 6.0])
def test_a_noisy_room_rests(noise: float) -> None:
    assert watch(Motion(), [camera(n, noise) for n in range(91)]) == pytest.approx(3.0)


def test_a_slow_movement_is_no_rest() -> None:
    frames = [camera(n, thing=100 + 0.25 * n) for n in range(120)]
    assert watch(Motion(), frames) < 0.7


def test_a_frozen_picture_proves_nothing() -> None:
    assert watch(Motion(), [camera(0)] * 300) == 0.0


def test_a_leap_of_the_clock_proves_nothing() -> None:
    motion = Motion()
    watch(motion, [camera(n) for n in range(5)])
    motion.step(camera(6), 3600.0)
    assert motion.still_s() < 1
    motion.step(camera(7), 5.0)
    assert motion.still_s() < 1


def test_light_that_changes_everywhere_is_no_movement() -> None:
    frames = [camera(n) // 2 + n // 3 for n in range(90)]
    assert watch(Motion(), [frame.astype(np.uint8) for frame in frames]) > 2.5


def test_rest_is_told_by_place() -> None:
    motion = Motion()
    watch(motion, [camera(n, thing=20 + n % 30) for n in range(90)])
    assert motion.still_s((200, 20, 80, 80)) > 2.5
    assert motion.still_s((10, 20, 80, 80)) < 0.2
    assert motion.stirred_outside([(200, 0, 120, 180)])
    assert not motion.stirred_outside([(0, 0, 120, 180)])
    assert motion.stirred_strips() == []
    motion.step(camera(91, thing=4), 3.1)
    assert motion.stirred_strips() == [(0.0, 0.0, 80.0, 180.0)]


def test_a_cut_and_another_size_are_told() -> None:
    motion = Motion()
    watch(motion, [camera(n) for n in range(3)])
    assert not motion.cut
    motion.step(255 - camera(4), 0.2)
    assert motion.cut
    motion.step(camera(5)[:120], 0.3)
    assert motion.cut
    assert motion.still_s() == 0.0


def test_what_left_a_place_is_in_its_trail() -> None:
    """A body that walks off is within the trail; what moves apart from it is not."""
    motion = Motion()
    watch(motion, [camera(n) for n in range(40)])
    for n in range(20):
        pixels = camera(40 + n, thing=40 + 8 * n)
        pixels[:20, 300:] = 255 * (n % 2)
        motion.step(pixels, (40 + n) / FPS)
    left, top, width, height = motion.trail((40, 60, 40, 60), 1.0)
    assert left <= 40
    assert 40 + 8 * 19 + 40 <= left + width < 280
    assert top + height >= 160
    assert motion.trail((40, 60, 40, 60), 0.0)[2] < width


def test_a_camera_that_is_moved_sweeps_the_picture() -> None:
    motion = Motion()
    watch(motion, [camera(n) for n in range(10)])
    assert not motion.swept
    motion.step(np.roll(camera(10), 35, axis=1), 10 / FPS)
    assert motion.swept
    motion.step(np.roll(camera(11), 35, axis=1), 11 / FPS)
    assert not motion.swept
    assert motion.stirred_in((0.0, 0.0, 320.0, 180.0)) is False
