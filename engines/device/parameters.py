"""What the host decided about one face, and its layout in the small buffer that goes up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.backend import Tensor

Affine = NDArray[np.float64]  # 2 x 3


@dataclass(frozen=True, eq=False)
class FaceWork:
    """One face to swap; pixels of the frame, of the crop (S x S), or as said.

    ``crop_from`` maps crop pixels to those of a part of the frame: ``part`` is its (left, top) in
    the frame and (columns, rows) after ``halvings``. ``paste_from`` maps pixels of ``region``
    (left, top, width, height) to crop pixels, or to those of the doubled crop where ``doubled``.
    ``sharpen`` is the share of unsharp masking. ``paddings`` (top, right, bottom, left) and
    ``feather`` are shares of S; ``outline`` (S x S) is blurred twice by a box of ``soft`` pixels.
    ``light`` is the row (0 to ``LIGHTS`` - 1) in which this face's light is remembered, ``fresh``
    whether another face had it. ``source`` is the generator's input from the identity.
    """

    crop_from: Affine
    part: tuple[int, int, int, int]
    halvings: int
    paste_from: Affine
    region: tuple[int, int, int, int]
    doubled: bool
    sharpen: float
    paddings: tuple[float, float, float, float]
    feather: float
    outline: NDArray[np.uint8] | None
    soft: int
    strength: float
    light: int
    fresh: bool
    source: Mapping[str, Tensor]


LIGHTS = 16  # faces whose light is remembered
LIGHT_BYTES = 12 * 8
# struct Face of kernels/common.cuh
LAYOUT = np.dtype(
    [
        ("crop_from", "<f4", 6),
        ("part", "<i4", 4),
        ("halvings", "<i4"),
        ("paste_from", "<f4", 6),
        ("region", "<i4", 4),
        ("doubled", "<i4"),
        ("sharpen", "<f4"),
        ("paddings", "<f4", 4),
        ("feather", "<f4"),
        ("outline", "<i4"),
        ("soft", "<i4"),
        ("strength", "<f4"),
        ("light", "<i4"),
        ("fresh", "<i4"),
    ]
)


def pack(work: FaceWork) -> NDArray[np.void]:
    """One element of ``LAYOUT``."""
    row = np.zeros((), LAYOUT)
    for name in ("part", "halvings", "region", "doubled", "sharpen", "paddings", "feather"):
        row[name] = getattr(work, name)
    for name in ("soft", "strength", "light", "fresh"):
        row[name] = getattr(work, name)
    row["crop_from"] = work.crop_from.reshape(6)
    row["paste_from"] = work.paste_from.reshape(6)
    row["outline"] = work.outline is not None
    return row
