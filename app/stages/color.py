"""Gives the swapped face the light of the scene (Reinhard et al. 2001), steadily over time."""

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

Stats = NDArray[np.float64]  # 2 x 3: mean and standard deviation of L, a, b


@dataclass
class _Track:
    swapped: Stats
    target: Stats


class ColorMatcher:
    """Matches mean and spread in Lab under the mask; remembers each track's light."""

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
        lab = cv2.cvtColor(swapped, cv2.COLOR_BGR2Lab)
        light = self._smoothed(
            track_id,
            _stats(lab, inside),
            _stats(cv2.cvtColor(target, cv2.COLOR_BGR2Lab), inside),
        )
        table = _table(light.swapped, light.target, strength)
        return np.asarray(cv2.cvtColor(cv2.LUT(lab, table), cv2.COLOR_Lab2BGR), np.uint8)

    def _smoothed(self, track_id: int, swapped: Stats, target: Stats) -> _Track:
        known = self._tracks.get(track_id)
        if known is None or abs(known.target[0, 0] - target[0, 0]) > JUMP:
            known = self._tracks[track_id] = _Track(swapped, target)
        else:
            known.swapped += FOLLOW * (swapped - known.swapped)
            known.target += FOLLOW * (target - known.target)
        return known


def _stats(lab: cv2.typing.MatLike, inside: Mask) -> Stats:
    return np.array(cv2.meanStdDev(lab, mask=inside), np.float64).reshape(2, 3)


def _table(swapped: Stats, target: Stats, strength: float) -> NDArray[np.uint8]:
    """The 1 x 256 x 3 look-up table from the swapped face's Lab values to the matched ones."""
    gain = np.clip(target[1] / np.maximum(swapped[1], 1.0), *GAIN_LIMITS)
    gain = 1 + strength * (gain - 1)
    mean = swapped[0] + strength * (target[0] - swapped[0])
    values = (np.arange(256.0)[:, None] - swapped[0]) * gain + mean
    table: NDArray[np.uint8] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)[None]
    return table
