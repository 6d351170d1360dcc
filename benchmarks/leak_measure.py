"""Whether an output shows, where a real face is in the input, that face as it is.

Four parts of the face are compared: all of it, the band of the eyes, nose and mouth, and the mouth
alone, which a swap pasted too high would leave; one raw part is a leak, since eyes alone are
recognised. A part is raw where the fine structure of output and input correlates by ``RAW``, or by
``ALIKE`` while the grey levels differ by no more than ``LEVELS``; the mouth by the latter alone,
since a small part correlates by chance (.982 in a swap of the demo, which differs by 3.5 levels at
least). Measured on the demo and four clips, plain, small and dimmed to an eighth, three
personas: raw parts under mark and badge correlate by .92 (in the dark) to 1 and differ by .73
levels at most; swapped ones, which keep pose and expression, correlate by up to .971 (eyes; .979 in
the wider scenes, a persona much like the person) and differ by 4.9 levels at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels
from engines.detector import Box

RAW, ALIKE, LEVELS = 0.985, 0.9, 2.0
LEAST_VISIBLE = 0.6  # of a part must be in the picture and uncovered, or it is not judged
LEAST_PX = 16  # a face's narrower side; below it nobody is recognised, nor the mark told from it
SIDE = 64  # pixels to which a face's box is brought
PARTS = {  # rows and columns of that square
    "face": (slice(8, 60), slice(10, 54)),
    "eyes": (slice(14, 32), slice(8, 56)),
    "nose and mouth": (slice(30, 58), slice(14, 50)),
}

MOUTH = (slice(42, 60), slice(16, 48))

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """Of one part: correlation of the fine structure, and mean difference in grey levels."""

    correlation: float
    levels: float

    @property
    def alike(self) -> bool:
        """Whether it looks the same, light and all."""
        return self.correlation >= ALIKE and self.levels <= LEVELS

    @property
    def raw(self) -> bool:
        """Whether the part is shown as it is."""
        return self.alike or self.correlation >= RAW


def likeness(
    before: Pixels, after: Pixels, face: Box, covered: Sequence[Box] = ()
) -> Likeness | None:
    """Of the rawest part of the face; None where none can be judged.

    ``covered`` are boxes of other things before the face, which may be seen.
    """
    if min(face[2:]) < LEAST_PX or before.shape != after.shape:
        return None
    visible = np.ones(before.shape[:2], np.uint8)
    for box in covered:
        left, top = (max(0, round(v)) for v in box[:2])
        visible[
            top : max(top, round(box[1] + box[3])), left : max(left, round(box[0] + box[2]))
        ] = 0
    plain = [_grey(_square(picture, face)) for picture in (before, after)]
    one, two = (_fine(picture) for picture in plain)
    difference = np.abs(plain[0] - plain[1])
    seen = _square(visible, face) > 0
    found = []
    for part in (*PARTS.values(), MOUTH):
        mask = seen[part]
        if mask.mean() >= LEAST_VISIBLE:
            correlation = _correlation(one[part][mask], two[part][mask])
            look = Likeness(correlation, float(difference[part][mask].mean()))
            if look.alike or part is not MOUTH:
                found.append(look)
    return max(found, key=lambda part: (part.raw, part.correlation), default=None)


def _square(picture: NDArray[np.generic], face: Box) -> NDArray[np.generic]:
    """The box brought to ``SIDE`` squared; what is outside the picture is 0."""
    x, y, width, height = face
    matrix = np.array(
        [[width / SIDE, 0, x], [0, height / SIDE, y]], np.float32
    )  # from the square to the picture
    return np.asarray(
        cv2.warpAffine(
            picture,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
    )


def _grey(square: NDArray[np.generic]) -> Plane:
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2GRAY), np.float32)


def _fine(grey: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1) - cv2.GaussianBlur(grey, (0, 0), 5))


def _correlation(one: Plane, two: Plane) -> float:
    one, two = one - one.mean(), two - two.mean()
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float((one * two).sum()) / norm if norm > 1e-3 else 0.0
