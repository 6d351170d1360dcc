"""Gives the swapped face the light of the scene, steadily over time.

Reinhard et al., "Color Transfer between Images", 2001, in YCrCb instead of l-alpha-beta: it is
linear in BGR, so that a whole match is one 3 x 4 matrix, a tenth of the cost of going through Lab.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Mask, Pixels

FOLLOW = 0.2  # share of the new measurement in each frame
JUMP = 24.0  # grey levels of brightness within one frame that count as a cut
GAIN_LIMITS = (0.6, 1.6)
LEAST_PIXELS = 64
# ITU-R BT.601, BGR to (Y, Cr, Cb) without its offset.
TO_YCC = np.array([[0.114, 0.587, 0.299], [-0.081, -0.419, 0.500], [0.500, -0.331, -0.169]])
FROM_YCC = np.linalg.inv(TO_YCC)
OFFSET = np.array([0.0, 128.0, 128.0])

Stats = NDArray[np.float64]  # 2 x 3: mean and standard deviation of Y, Cr, Cb


@dataclass
class _Track:
    swapped: Stats
    target: Stats


class ColorMatcher:
    """Matches mean and spread in YCrCb under the mask; remembers each track's light."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}

    def keep(self, track_ids: set[int]) -> None:
        """Forget all other tracks."""
        self._tracks = {n: track for n, track in self._tracks.items() if n in track_ids}

    def match(
        self, swapped: Pixels, target: Pixels, mask: Mask, strength: float, track_id: int
    ) -> Pixels:
        """``swapped`` in the light of ``target`` (equal squares); strength 0 changes nothing."""
        if strength <= 0:
            return swapped
        inside = np.asarray(cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)
        if cv2.countNonZero(inside) < LEAST_PIXELS:
            return swapped
        light = self._smoothed(track_id, _stats(swapped, inside), _stats(target, inside))
        matrix = _transform(light.swapped, light.target, strength)
        return np.asarray(cv2.transform(swapped, matrix), np.uint8)

    def _smoothed(self, track_id: int, swapped: Stats, target: Stats) -> _Track:
        known = self._tracks.get(track_id)
        if known is None or abs(known.target[0, 0] - target[0, 0]) > JUMP:
            known = self._tracks[track_id] = _Track(swapped, target)
        else:
            known.swapped += FOLLOW * (swapped - known.swapped)
            known.target += FOLLOW * (target - known.target)
        return known


def _stats(pixels: Pixels, inside: Mask) -> Stats:
    spread = cv2.meanStdDev(cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb), mask=inside)
    return np.array(spread, np.float64).reshape(2, 3)


def _transform(swapped: Stats, target: Stats, strength: float) -> NDArray[np.float32]:
    """The 3 x 4 matrix from the swapped face's BGR values to the matched ones."""
    gain = np.clip(target[1] / np.maximum(swapped[1], 1.0), *GAIN_LIMITS)
    gain = 1 + strength * (gain - 1)
    mean = swapped[0] + strength * (target[0] - swapped[0])
    linear = FROM_YCC @ (gain[:, None] * TO_YCC)
    # YCrCb has an offset of (0, 128, 128), which the means carry too.
    shift = FROM_YCC @ (mean - OFFSET - gain * (swapped[0] - OFFSET))
    return np.concatenate((linear, shift[:, None]), axis=1).astype(np.float32)
