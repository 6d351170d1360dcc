"""Looks for the invisible mark: at any offset, mirrored or not, over a range of scales.

The statistic. A picture is whitened without regard to the key, brought to the grid of cells of a
supposed scale and folded to one tile y; then z = sum(chip * y) / ||y|| for every offset. For a
picture made without the key, and over the draw of the independent signs, Hoeffding's inequality
gives P(z >= t) <= exp(-t^2 / 2), whatever the picture. ``THRESHOLD`` is where this bound, times the
number of all z looked at, falls to ``FALSE_ALARM``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels
from app.provenance.watermark import CELLS, CHIPS, LEAST_SIDE, TILE

Plane = NDArray[np.float32]

FALSE_ALARM = 1e-6  # at most, for one file
FEWEST, MOST = 60.0, 186.0  # cells along the short side: a crop to 70 % at least, of any CELLS
STEP = 1.005  # between two supposed scales
WORKING_SIDE = 720  # pixels; larger pictures are made smaller first
LONGEST = 4  # short sides; of a longer picture the middle is looked at
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # in half cells
BLUR, SPREAD, FLOOR, LIMIT = 3.0, 10.0, 1.0, 2.5  # of the whitening: pixels, pixels, levels, sigmas


def _scales() -> tuple[float, ...]:
    """Cells along the short side: as made first, then everything a crop may leave."""
    count = math.ceil(math.log(MOST / FEWEST) / math.log(STEP))
    made = tuple(float(cells) for _, cells in CELLS)
    return made + tuple(FEWEST * STEP**index for index in range(count))


SCALES = _scales()
TESTS = len(SCALES) * len(PHASES) * 2 * TILE * TILE
THRESHOLD = math.sqrt(2 * math.log(TESTS / FALSE_ALARM))


@dataclass(frozen=True)
class MarkFound:
    """The best of all z, and where: cells along the short side, mirrored or not."""

    score: float
    cells: float
    mirrored: bool

    @property
    def marked(self) -> bool:
        """Whether chance would reach the score in less than ``FALSE_ALARM`` of unmarked files."""
        return self.score >= THRESHOLD


NOTHING = MarkFound(0.0, 0.0, False)


def find_mark(pictures: Iterable[Pixels]) -> MarkFound:
    """The mark in one BGR picture, or in frames of one video (those of the first one's size)."""
    total: Plane | None = None
    for picture in pictures:
        plane = whitened(picture)
        if total is None:
            total = plane
        elif plane.shape == total.shape:
            total += plane
    if total is None or min(total.shape) < LEAST_SIDE:
        return NOTHING
    best = NOTHING
    for index, cells in enumerate(SCALES):
        here = max(_at_scale(total, cells), key=lambda found: found.score, default=NOTHING)
        if index >= len(CELLS) and best.score > max(here.score, 1.5 * THRESHOLD):
            break  # decided, and the peak is behind
        best = max(best, here, key=lambda found: found.score)
    return best


def whitened(picture: Pixels) -> Plane:
    """Luma with content held down: its fine part over its local strength, limited."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    short = min(grey.shape)
    top, left = (max(0, length - LONGEST * short) // 2 for length in grey.shape)
    grey = grey[top : top + LONGEST * short, left : left + LONGEST * short]
    if short > WORKING_SIDE:
        share = WORKING_SIDE / short
        size = tuple(max(1, round(length * share)) for length in grey.shape[::-1])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    fine = grey.astype(np.float32)
    fine -= cv2.GaussianBlur(fine, (0, 0), BLUR)
    strength = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), SPREAD)) + FLOOR
    return np.asarray(np.clip(fine / strength, -LIMIT, LIMIT), np.float32)


def _at_scale(plane: Plane, cells: float) -> Iterator[MarkFound]:
    """The best z of each phase and side."""
    height, width = plane.shape
    per_pixel = cells / min(plane.shape)
    size = (max(2, round(2 * width * per_pixel)), max(2, round(2 * height * per_pixel)))
    smaller = 2 * per_pixel <= 1
    halves = cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    summed = cv2.boxFilter(halves, -1, (2, 2), anchor=(0, 0), normalize=False)
    for down, across in PHASES:
        tile = _folded(np.asarray(summed[down::2, across::2], np.float32))
        norm = float(np.linalg.norm(tile))
        if norm == 0:
            continue
        spectrum = np.fft.rfft2(tile)
        for mirrored, chips in ((False, _CHIPS), (True, _MIRRORED)):
            z = np.fft.irfft2(spectrum * chips, s=tile.shape)
            yield MarkFound(float(z.max()) / norm, cells, mirrored)


def _folded(cells: Plane) -> Plane:
    """The picture's cells summed into one tile."""
    height, width = (math.ceil(length / TILE) * TILE for length in cells.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    tiles = padded.reshape(height // TILE, TILE, width // TILE, TILE)
    return np.asarray(tiles.sum(axis=(0, 2)), np.float32)


_CHIPS = np.conj(np.fft.rfft2(CHIPS))
_MIRRORED = np.conj(np.fft.rfft2(CHIPS[:, ::-1]))
