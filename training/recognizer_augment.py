"""Pictures for the recogniser without limit: the teacher labels whatever comes out.

Faces are 128-px RGB squares (see ``training.data``); results are 112-px ArcFace crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.recognizer_covers import Covers, bespectacled, darkened
from training.squares import Floats

Picture = NDArray[np.uint8]
CROP_PX, MARGIN_PX = 112, 8
BLENDED, BENT, SPOILED = 0.4, 0.0, 1.0  # shares of a batch
BEND_NODES, MOST_BEND_PX = 5, 2.5  # of the grid that bends a face, a side; spread of its moves


def center_crops(squares: Picture) -> Picture:
    """The ArcFace crops of n x 128 x 128 x 3 squares: n x 112 x 112 x 3."""
    return squares[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def to_network(crops: Picture) -> NDArray[np.float32]:
    """n x 112 x 112 x 3 uint8 to n x 3 x 112 x 112 in [0, 1]."""
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


@dataclass(frozen=True)
class Shares:
    """Of a batch, each from 0 to 1: made of two faces, given another face's shape, and with colours
    changed, degraded or partly hidden."""

    blended: float = BLENDED
    bent: float = BENT
    spoiled: float = SPOILED


def batch(squares: Picture, size: int, rng: Generator, shares: Shares = Shares()) -> Picture:
    """``size`` augmented crops of random faces."""

    def one() -> Picture:
        bend_px = rng.uniform(0.5, MOST_BEND_PX) if rng.random() < shares.bent else 0.0
        return _placed(squares[rng.integers(len(squares))], rng, bend_px)

    crops = np.empty((size, CROP_PX, CROP_PX, 3), np.uint8)
    for n in range(size):
        crop = one()
        if rng.random() < shares.blended:
            crop = _blended(crop, one(), rng)
        crops[n] = _spoiled(_coloured(crop, rng), rng) if rng.random() < shares.spoiled else crop
    return crops


def harden(crops: Picture, covers: Covers, share: float, rng: Generator) -> Picture:
    """``crops`` of which ``share`` are masked, behind a hand or glasses, or dark; some are both."""
    crops = crops.copy()
    for n in np.flatnonzero(rng.random(len(crops)) < share):
        kind = rng.random()
        if kind < 0.25:
            crops[n] = covers.masked(crops[n], rng)
        elif kind < 0.5:
            crops[n] = covers.handed(crops[n], rng)
        elif kind < 0.7:
            crops[n] = bespectacled(crops[n], rng)
        if kind > 0.6:
            crops[n] = darkened(crops[n], rng)
    return crops


def _placed(square: Picture, rng: Generator, bend_px: float) -> Picture:
    """Mirrored, and shifted, scaled and turned as an imperfect alignment would; features moved
    against each other by some ``bend_px``."""
    if rng.random() < 0.5:
        square = square[:, ::-1]
    loose = rng.random() < 0.5  # the other half stays within what a good detector errs by
    angle = np.radians(rng.normal(0, 3.0 if loose else 1.0))
    scale = float(np.exp(rng.normal(0, 0.04 if loose else 0.015)))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]])
    if rng.random() < 0.2:  # narrower or wider, as a face turned away comes out
        rotation[:, 0] *= np.exp(rng.normal(0, 0.1))
    middle = np.full(2, CROP_PX / 2 - 0.5)
    shift = np.clip(rng.normal(0, 2.0 if loose else 0.7, 2), -4, 4)
    offset = middle + shift - rotation @ (middle + MARGIN_PX)
    warp = np.column_stack([rotation, offset])
    if bend_px > 0:
        return _bent(square, warp, bend_px, rng)
    return cv2.warpAffine(
        square,
        warp,
        (CROP_PX, CROP_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)


def _bent(square: Picture, warp: Floats, bend_px: float, rng: Generator) -> Picture:
    """The crop that ``warp`` (2 x 3, from square to crop) takes, its features moved smoothly and at
    random: the shape of a face that nobody has, which the teacher judges like any other."""
    moves = rng.normal(0, bend_px, (BEND_NODES, BEND_NODES, 2)).astype(np.float32)
    field = cv2.resize(moves, (CROP_PX, CROP_PX), interpolation=cv2.INTER_CUBIC)
    there = np.stack(np.meshgrid(*[np.arange(CROP_PX, dtype=np.float32)] * 2), -1) + field
    back = cv2.invertAffineTransform(warp).astype(np.float32)
    places = there @ back[:, :2].T + back[:, 2]
    return cv2.remap(
        square, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8, copy=False)


def _blended(one: Picture, other: Picture, rng: Generator) -> Picture:
    """A mix of two faces: everywhere alike, or softly divided by a line or a disc."""
    if rng.random() < 0.5:
        share = np.float32(rng.uniform(0.1, 0.9))
        return cv2.addWeighted(one, float(share), other, float(1 - share), 0).astype(np.uint8)
    y, x = np.mgrid[:CROP_PX, :CROP_PX].astype(np.float32)
    cx, cy = rng.uniform(30, 82, 2)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        field = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    else:
        field = np.hypot(x - cx, y - cy) - rng.uniform(15, 45)
    mask = np.clip(field / rng.uniform(1, 20) + 0.5, 0, 1)[..., None]
    return (one * mask + other * (1 - mask)).astype(np.uint8)


def _coloured(crop: Picture, rng: Generator) -> Picture:
    """Brightness, contrast, gamma-like bend and colour cast; sometimes grey."""
    if rng.random() < 0.05:
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        crop = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    if rng.random() < 0.3:
        return crop
    ramp = np.linspace(0, 1, 256)[:, None]
    gain = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.05, 3))
    bend = np.exp(rng.normal(0, 0.2))
    table = 0.5 + (ramp**bend - 0.5) * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.05)
    lut = (np.clip(table * gain, 0, 1) * 255).astype(np.uint8)
    return cv2.LUT(crop, lut.reshape(256, 1, 3)).astype(np.uint8, copy=False)


def _spoiled(crop: Picture, rng: Generator) -> Picture:
    """What cameras and codecs do, and things before the face."""
    if rng.random() < 0.15:
        small = int(rng.integers(36, 100))
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.1:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.15:
        noise = rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(2, 12))
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])[1]
        crop = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if rng.random() < 0.12:
        crop = _hidden(crop, rng)
    return crop.astype(np.uint8, copy=False)


def _hidden(crop: Picture, rng: Generator) -> Picture:
    """A turned rectangle or an ellipse of one colour over part of the face."""
    crop = np.ascontiguousarray(crop)
    middle = tuple(float(v) for v in rng.uniform(0, CROP_PX, 2))
    size = tuple(float(v) for v in rng.uniform(8, 56, 2))
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    shape = (middle, size, float(rng.uniform(0, 180)))
    if rng.random() < 0.5:
        cv2.ellipse(crop, shape, colour, -1, cv2.LINE_AA)
    else:
        cv2.fillConvexPoly(crop, cv2.boxPoints(shape).astype(np.int32), colour, cv2.LINE_AA)
    return crop
