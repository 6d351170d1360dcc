"""Occluders drawn by rule: each gives a layer (RGB) and its opacity, both SIDE x SIDE.

Skin-like fingers and arms, things that are held, hair-like strands, glasses, shapes with texture.
Randomness comes from the generator passed in: the same one gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.occluder_labels import EYES, SIDE, Points

Layer = NDArray[np.uint8]  # SIDE x SIDE x 3 RGB
Alpha = NDArray[np.uint8]  # SIDE x SIDE, 255 = opaque
Rgb = NDArray[np.floating]
Rng = np.random.Generator
_Y, _X = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def texture(rng: Rng, scraps: Sequence[NDArray[np.uint8]]) -> Layer:
    """Coloured noise of one grain, a gradient, stripes, or an enlarged scrap of a picture."""
    kind = rng.random()
    if kind < 0.35 and len(scraps):
        scrap = scraps[int(rng.integers(len(scraps)))]
        size = int(rng.integers(10, 40))
        x, y = rng.integers(0, SIDE - size, 2)
        return np.asarray(
            cv2.resize(
                scrap[y : y + size, x : x + size], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
            )
        )
    low, high = np.sort(rng.uniform(0, 255, (2, 3)), axis=0).astype(np.float32)
    if kind < 0.6:
        cells = int(rng.choice([2, 3, 5, 9, 20, 60]))
        noise = rng.random((cells, cells, 3 if rng.random() < 0.4 else 1), np.float32)
        mode = cv2.INTER_NEAREST if rng.random() < 0.3 else cv2.INTER_CUBIC
        field = cv2.resize(noise, (SIDE, SIDE), interpolation=mode).reshape(SIDE, SIDE, -1)
    else:
        turn = rng.uniform(0, 2 * np.pi)
        field = (_X * np.cos(turn) + _Y * np.sin(turn)).astype(np.float32)[..., None] / SIDE
        if kind < 0.75:
            field = 0.5 + 0.5 * np.sin(field * rng.uniform(4, 60) + rng.uniform(0, 6))
    return np.clip(low + (high - low) * field, 0, 255).astype(np.uint8)


def flat(rng: Rng, colour: Rgb, uneven: float = 14.0) -> Layer:
    """One colour under soft uneven light."""
    light = cv2.resize(
        rng.normal(0, uneven, (4, 4)).astype(np.float32),
        (SIDE, SIDE),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.clip(np.asarray(colour, np.float32) + light[..., None], 0, 255).astype(np.uint8)


def shape(rng: Rng, scraps: Sequence[NDArray[np.uint8]]) -> tuple[Layer, Alpha]:
    """A random polygon, smooth blob, ellipse or bar with a texture."""
    centre = rng.uniform(10, SIDE - 10, 2)
    size = float(np.exp(rng.uniform(np.log(8), np.log(55))))
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    kind = rng.random()
    if kind < 0.5:
        count = int(rng.integers(3, 10))
        turn = np.sort(rng.uniform(0, 2 * np.pi, count))
        radius = size * rng.uniform(0.4, 1.3, count)
        corners = centre + np.stack([np.cos(turn) * radius, np.sin(turn) * radius], 1)
        if rng.random() < 0.6:
            corners = _rounded(corners)
        _fill(alpha, corners)
    elif kind < 0.7:
        _ellipse(alpha, centre, (size, size * rng.uniform(0.3, 1)), rng.uniform(0, 180))
    else:
        turn = rng.uniform(0, np.pi)
        reach = np.array([np.cos(turn), np.sin(turn)]) * 200
        _capsule(alpha, centre - reach, centre + reach * (rng.random() < 0.6), size * 0.4)
    return texture(rng, scraps), alpha


def fingers(rng: Rng, skin: Rgb) -> tuple[Layer, Alpha]:
    """One to four fingers side by side, or a forearm, from outside pointing at the face."""
    colour = np.clip(skin * rng.uniform(0.75, 1.2) + rng.normal(0, 8, 3), 0, 255)
    layer, alpha = flat(rng, colour), np.zeros((SIDE, SIDE), np.uint8)
    tip, away = _pointing(rng)
    side = np.array([-away[1], away[0]])
    if rng.random() < 0.25:  # a forearm or the back of a hand
        radius = rng.uniform(14, 30)
        return _tube(rng, layer, alpha, tip, tip + away * 200, radius), alpha
    radius = rng.uniform(4.0, 9.0)
    spread = rng.normal(0, 0.12)
    for n in range(int(rng.integers(1, 5))):
        start = (
            tip + side * n * radius * rng.uniform(1.75, 2.2) + away * rng.normal(0, radius * 0.9)
        )
        turn = away + side * spread * n
        layer = _tube(rng, layer, alpha, start, start + turn * 220, radius * rng.uniform(0.9, 1.1))
    return layer, alpha


def held(rng: Rng, kind: str, scraps: Sequence[NDArray[np.uint8]]) -> tuple[Layer, Alpha]:
    """A cup, a phone, a spoon or a piece of food; ``microphone`` is for evaluation only."""
    colour = rng.uniform(0, 255, 3)
    layer, alpha = flat(rng, colour), np.zeros((SIDE, SIDE), np.uint8)
    at = np.array([64.0, 100.0]) + rng.normal(0, 16, 2)
    if kind == "cup":
        wide, tall = rng.uniform(16, 32), rng.uniform(30, 80)
        lower = wide * rng.uniform(0.65, 1.0)
        corners = np.array([[-wide, 0], [wide, 0], [lower, tall], [-lower, tall]])
        _fill(alpha, at + corners @ _turn(rng.normal(0, 25)))
        across = (_X - at[0]) / wide
        layer = _lit(layer, 1.1 - 0.5 * (across - rng.uniform(-0.5, 0.5)) ** 2)
        if rng.random() < 0.4:
            layer = np.where(
                (np.abs(_Y - at[1] - tall * 0.5) < tall * 0.2)[..., None],
                texture(rng, scraps),
                layer,
            )
    elif kind == "phone":
        wide, tall = rng.uniform(14, 28), rng.uniform(30, 60)
        corners = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]])
        placed = at + corners @ _turn(rng.normal(0, 40))
        _fill(alpha, placed)
        layer = flat(rng, np.full(3, rng.uniform(5, 70)))
        glass = np.zeros((SIDE, SIDE), np.uint8)
        _fill(glass, placed.mean(0) + (placed - placed.mean(0)) * 0.86)
        layer = np.where(glass[..., None] > 0, texture(rng, scraps), layer)
    elif kind == "spoon":
        end = at + _turn(rng.uniform(-80, 80))[1] * 150
        _capsule(alpha, at, end, rng.uniform(1.2, 3))
        _ellipse(alpha, at, (rng.uniform(5, 10), rng.uniform(4, 7)), rng.uniform(0, 180))
        layer = _lit(
            flat(rng, np.full(3, rng.uniform(90, 220))), 1 + 0.4 * np.sin(_X / rng.uniform(2, 9))
        )
    elif kind == "food":
        turn = np.linspace(0, 2 * np.pi, 9)[:-1]
        radius = rng.uniform(8, 20) * rng.uniform(0.7, 1.2, 8)
        _fill(alpha, _rounded(at + np.stack([np.cos(turn) * radius, np.sin(turn) * radius], 1)))
        layer = _lit(layer, 1 + rng.normal(0, 0.08, (SIDE, SIDE)))
    elif kind == "microphone":
        away = _turn(rng.normal(0, 35))[1]
        _capsule(alpha, at, at + away * 150, rng.uniform(4, 7))
        layer = flat(rng, np.full(3, rng.uniform(10, 60)))
        ball = np.zeros((SIDE, SIDE), np.uint8)
        _ellipse(ball, at, (rng.uniform(8, 14),) * 2, 0)
        grid = 90 + 60 * np.sin(_X * 2.2) * np.sin(_Y * 2.2)
        layer = np.where(ball[..., None] > 0, grid[..., None].astype(np.uint8), layer)
        alpha = cv2.max(alpha, ball)
    else:
        raise ValueError(f"no held thing is called {kind}")
    return layer, alpha


def strands(rng: Rng, colour: Rgb, points: Points) -> tuple[Layer, Alpha]:
    """Hair that falls over the forehead, an eye or a cheek: curved lines from above or the side."""
    layer, alpha = flat(rng, colour), np.zeros((SIDE, SIDE), np.uint8)
    dense = rng.random() < 0.5
    count = int(rng.integers(25, 90)) if dense else int(rng.integers(2, 16))
    left, right = float(points[0, 0]), float(points[16, 0])
    root = np.array([rng.uniform(left, right), rng.uniform(-10, 24)])
    reach = rng.uniform(20, 62) if dense else rng.uniform(20, 110)
    lean, width = rng.normal(0, 25), rng.uniform(8, (right - left) / 2 if dense else 30)
    for _ in range(count):
        start = root + np.array([rng.uniform(-width, width), rng.normal(0, 4)])
        end = start + np.array([lean + rng.normal(0, 9), reach * rng.uniform(0.6, 1.15)])
        bend = (start + end) / 2 + rng.normal(0, 5, 2)
        t = np.linspace(0, 1, 9)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        line = [np.rint(curve * 16).astype(np.int32)]
        cv2.polylines(alpha, line, False, 255, int(rng.integers(1, 3)), cv2.LINE_AA, 4)
        shade = tuple(float(v) for v in np.clip(colour * rng.uniform(0.5, 1.5), 0, 255))
        cv2.polylines(layer, line, False, shade, 1, cv2.LINE_AA, 4)
    return layer, alpha


def glasses(rng: Rng, points: Points) -> tuple[Layer, Alpha, Alpha]:
    """Rims, bridge and temples with their lenses: layer, opacity, and what of it hides the face.

    A clear lens shows the face and hides none of it; a tinted one hides what it covers.
    """
    eyes = [points[part].mean(0) for part in EYES]
    apart = float(np.hypot(*(eyes[1] - eyes[0])))
    across = (eyes[1] - eyes[0]) / max(apart, 1.0)
    down = np.array([-across[1], across[0]])
    rims, lenses = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    thick = int(rng.choice([1, 1, 2, 2, 3, 4]))
    wide, tall = apart * rng.uniform(0.36, 0.5), apart * rng.uniform(0.2, 0.44)
    power = rng.choice([1.0, 0.8, 0.5, 0.35])
    turn = np.linspace(0, 2 * np.pi, 28)[:-1]
    arch = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    drop = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    low = down * apart * rng.uniform(0.0, 0.12)
    for eye, sign in zip(eyes, (-1, 1), strict=True):
        middle = eye + low + across * sign * apart * 0.02
        ring = middle + wide * arch[:, None] * across + tall * drop[:, None] * down
        _fill(lenses, ring)
        line = [np.rint(ring * 16).astype(np.int32)]
        cv2.polylines(rims, line, True, 255, thick, cv2.LINE_AA, 4)
        hinge = middle + across * sign * wide - down * tall * 0.3
        ear = hinge + across * sign * apart * 0.5 + down * rng.normal(0, 3)
        _capsule(rims, hinge, ear, thick / 2)
        nose = middle - across * sign * wide - down * tall * 0.2
        _capsule(rims, nose, (eyes[0] + eyes[1]) / 2 + low - down * tall * 0.3, thick / 2)
    dark = rng.random() < 0.7
    colour = rng.uniform(0, 60, 3) if dark else rng.uniform(60, 230, 3)
    layer = flat(rng, colour)
    tint = 0.0 if rng.random() < 0.55 else rng.uniform(0.6, 1.0)
    glass = flat(rng, rng.uniform(0, 80, 3) if rng.random() < 0.8 else rng.uniform(0, 255, 3))
    if rng.random() < 0.5:  # a window or the sky in the lens
        shine = np.zeros((SIDE, SIDE), np.uint8)
        _fill(shine, (eyes[0] + eyes[1]) / 2 + rng.normal(0, apart * 0.5, (4, 2)))
        glass = np.where(shine[..., None] > 0, np.uint8(rng.uniform(120, 255)), glass)
    see = (lenses * tint).astype(np.uint8)
    if tint == 0.0 and rng.random() < 0.5:
        see = (lenses * rng.uniform(0.0, 0.25)).astype(np.uint8)
        return _over(glass, layer, rims), cv2.max(see, rims), rims
    return _over(glass, layer, rims), cv2.max(see, rims), cv2.max(lenses * np.uint8(tint > 0), rims)


def _over(under: Layer, over: Layer, alpha: Alpha) -> Layer:
    return np.where(alpha[..., None] > 127, over, under)


def _pointing(rng: Rng) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """A place on the face and the unit direction out of the picture, most often downwards."""
    tip = np.array([rng.normal(64, 22), rng.normal(78, 26)])
    angle = rng.normal(np.pi / 2, 0.8) if rng.random() < 0.75 else rng.uniform(0, 2 * np.pi)
    return tip, np.array([np.cos(angle), np.sin(angle)])


def _tube(
    rng: Rng,
    layer: Layer,
    alpha: Alpha,
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    radius: float,
) -> Layer:
    """A round-ended tube, darker to its sides; drawn into ``alpha``, the new layer returned."""
    along = end - start
    share = ((_X - start[0]) * along[0] + (_Y - start[1]) * along[1]) / float(along @ along)
    share = np.clip(share, 0, 1)
    far = np.hypot(_X - start[0] - share * along[0], _Y - start[1] - share * along[1]) / radius
    inside = far < 1.08
    depth = rng.uniform(0.2, 0.55)
    lit = _lit(layer, 1.05 - depth * np.clip(far, 0, 1.1) ** 3)
    np.maximum(alpha, (np.clip((1.04 - far) * radius, 0, 1) * 255).astype(np.uint8), out=alpha)
    return np.where(inside[..., None], lit, layer)


def _lit(layer: Layer, light: NDArray[np.floating]) -> Layer:
    return np.clip(layer * light[..., None].astype(np.float32), 0, 255).astype(np.uint8)


def _turn(degrees: float) -> NDArray[np.floating]:
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def _rounded(corners: NDArray[np.floating]) -> NDArray[np.floating]:
    """Chaikin's corner cutting, twice."""
    for _ in range(2):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], 1)
        corners = corners.reshape(-1, 2)
    return corners


def _fill(alpha: Alpha, corners: NDArray[np.floating]) -> None:
    cv2.fillPoly(alpha, [np.rint(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)


def _ellipse(
    alpha: Alpha, centre: NDArray[np.floating], axes: tuple[float, float], degrees: float
) -> None:
    middle = (round(float(centre[0])), round(float(centre[1])))
    sides = (max(1, round(axes[0])), max(1, round(axes[1])))
    cv2.ellipse(alpha, middle, sides, degrees, 0, 360, 255, -1, cv2.LINE_AA)


def _capsule(
    alpha: Alpha, start: NDArray[np.floating], end: NDArray[np.floating], radius: float
) -> None:
    a, b = (tuple(round(float(v) * 16) for v in p) for p in (start, end))
    cv2.line(alpha, a, b, 255, max(1, round(radius * 2)), cv2.LINE_AA, 4)
