"""Whether a face is narrower than it was taken for, so that its points lie beside it.

A detector expects faces as wide as faces are: of one pressed together, by a far turn or a picture
of another shape, it reports a smaller one of the usual shape, whose mouth is the real nose. Box and
points agree with each other, so neither can tell. Shown the same place stretched it says better.

Measured: in 6 clips pressed to .4 of their width and back 89 of 336 swaps would leave an eye or
the mouth uncovered; the two signs below hide all of these, and 46 others. Of the same clips plain,
dimmed, small, near and thrown about they hide none of 1435; of 20 clips and the demo 2 of 1014, of
photos 11 of 1445, and of the turned ones among these 4 of 164.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from app.frame import Pixels
from engines.detector import Box, Detection

STRETCH = 1.6
CERTAIN = 0.94  # from this score on no second look is taken: those 89 had at most .935
LEAST = 0.3  # score from which the second look counts
# Of the first look's doubt, 1 - score, in the second: .41 at most in 95 % of those 89, less than .8
# in 17 of the 1014 faces as wide as they seem.
HALVED = 0.5
APART = 0.5  # mean distance of the two looks' points, from eyes to mouth; .35 else, hands aside


class NearFinder(Protocol):
    """What a second look needs of ``engines.detector.Detector``."""

    def detect_near(
        self, picture: Pixels, box: Box, threshold: float, *, stretch: float = 1.0
    ) -> Detection | None:
        """The face about where ``box`` was, looked for in a place shown so many times as wide."""


def disproved(finder: NearFinder, pixels: Pixels, seen: Detection) -> Box | None:
    """Where both looks saw the face, if a stretched one shows that ``seen`` is not where it is.

    ``None`` where the two agree, or where no second look is needed or finds anything.
    """
    if seen.score >= CERTAIN:
        return None
    again = finder.detect_near(pixels, seen.box, LEAST, stretch=STRETCH)
    if again is None:
        return None
    surer = 1 - again.score < HALVED * (1 - seen.score)
    if not surer and _apart(seen, again) <= APART:
        return None
    return _around(seen.box, again.box)


def _apart(one: Detection, two: Detection) -> float:
    """Mean distance of the points, in distances from the eyes to the mouth of the first."""
    points = one.landmarks.astype(np.float64)
    tall = float(np.hypot(*(points[3:].mean(axis=0) - points[:2].mean(axis=0))))
    apart = two.landmarks - points
    return float(np.hypot(apart[:, 0], apart[:, 1]).mean()) / max(tall, 1e-6)


def _around(one: Box, two: Box) -> Box:
    left, top = min(one[0], two[0]), min(one[1], two[1])
    right = max(one[0] + one[2], two[0] + two[2])
    bottom = max(one[1] + one[3], two[1] + two[3])
    return (left, top, right - left, bottom - top)
