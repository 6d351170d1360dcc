"""The invisible mark in every swapped frame: a fixed spread-spectrum pattern in the luma.

After Cox et al., "Secure Spread Spectrum Watermarking for Multimedia" (1997), made periodic so that
a crop keeps it (Kutter 1998). ``CHIPS`` are independent signs drawn once from a hash; each covers a
square cell of the picture, smoothed, its low frequencies taken out. The cells are as many along the
short side at every resolution of one kind, so that a rescaled picture keeps their number. The key
is public, as the program is: the mark tells honest makers' pictures, it does not stop a forger.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels

TILE = 128  # cells on a side of the pattern, then it repeats
KEY = b"omokage mark 1"
# Cells along the short side for pictures from so many pixels on: a cell is about 3 pixels or more.
CELLS = ((540, 180), (340, 120), (0, 90))
LEAST_SIDE = 32  # pixels; smaller pictures show nobody
STRENGTH = 0.8  # grey levels, RMS before rounding: fine grain only on flat ground
MOST = 3  # grey levels


def _draw_chips() -> NDArray[np.float32]:
    bits = np.frombuffer(hashlib.shake_256(KEY).digest(TILE * TILE // 8), np.uint8)
    return (np.unpackbits(bits).astype(np.float32) * 2 - 1).reshape(TILE, TILE)


CHIPS = _draw_chips()  # TILE x TILE of -1 and 1


def apply_mark(pixels: Pixels) -> None:
    """Add the mark to BGR ``pixels`` in place: the same to each channel, so to luma alone."""
    height, width = pixels.shape[:2]
    if not takes_mark(height, width):
        return
    rise, fall = _pattern(height, width)
    cv2.add(pixels, rise, pixels)  # saturates: black and white do not wrap
    cv2.subtract(pixels, fall, pixels)


def cells_along(short_side: int) -> int:
    """How many cells the mark has along a short side of so many pixels when it is made."""
    return next(cells for least, cells in CELLS if short_side >= least)


def takes_mark(height: int, width: int) -> bool:
    """Whether a picture of this size is large enough to be marked."""
    return min(height, width) >= LEAST_SIDE


@lru_cache(maxsize=2)
def _pattern(height: int, width: int) -> tuple[Pixels, Pixels]:
    """What to add and what to subtract, both height x width x 3."""
    levels = mark_levels(height, width)
    rise = np.repeat(np.maximum(levels, 0).astype(np.uint8)[..., None], 3, axis=2)
    fall = np.repeat(np.maximum(-levels, 0).astype(np.uint8)[..., None], 3, axis=2)
    return np.ascontiguousarray(rise), np.ascontiguousarray(fall)


@lru_cache(maxsize=2)
def mark_levels(height: int, width: int) -> NDArray[np.int8]:
    """What the mark adds to every channel, in grey levels of both signs. Read-only."""
    side = min(height, width) / cells_along(min(height, width))  # of a cell, in pixels
    down, across = (int(np.ceil(length / side)) + 1 for length in (height, width))
    cells = CHIPS[np.arange(down) % TILE][:, np.arange(across) % TILE]
    to_picture = np.array([[side, 0, side / 2 - 0.5], [0, side, side / 2 - 0.5]], np.float32)
    fine = cv2.warpAffine(
        cells, to_picture, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    wave = fine - cv2.GaussianBlur(fine, (0, 0), 2 * side)
    wave *= STRENGTH / float(np.sqrt(np.mean(wave**2)))
    levels: NDArray[np.int8] = np.clip(np.rint(wave), -MOST, MOST).astype(np.int8)
    levels.flags.writeable = False
    return levels
