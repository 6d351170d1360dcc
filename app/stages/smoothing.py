"""The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) for a face's landmarks."""

from __future__ import annotations

import math

import numpy as np

from app.frame import Points

SPEED_CUTOFF_HZ = 2.0
BETA = 7.0  # cutoff gained per face width a second
CALMEST_HZ, FASTEST_HZ = 0.3, 8.0
JUMP = 0.3  # of the face's width between two frames: another face or a cut, not a movement
LONGEST_STEP_S = 0.5


class LandmarkFilter:
    """Smooths 5 x 2 landmarks; calm while the face rests, quick while it moves."""

    def __init__(self) -> None:
        self._at = 0.0
        self._points: Points | None = None
        self._speed = np.zeros((5, 2), np.float32)

    def step(self, points: Points, width: float, at: float, smoothing: float) -> Points:
        """The smoothed landmarks at time ``at`` (seconds).

        ``width`` is the face's, in pixels; ``smoothing`` 0..1. Starts anew where a point jumped
        further than ``JUMP`` widths or time ran backwards or stood for long.
        """
        before, elapsed = self._points, at - self._at
        self._at = at
        if (
            before is None
            or smoothing <= 0
            or not 0 < elapsed < LONGEST_STEP_S
            or float(np.abs(points - before).max()) > JUMP * width
        ):
            self._points, self._speed = points, np.zeros_like(points)
            return points
        unit = max(width, 1.0)
        speed = (points - before) / (unit * elapsed)
        self._speed += _share(SPEED_CUTOFF_HZ, elapsed) * (speed - self._speed)
        rest = CALMEST_HZ * (FASTEST_HZ / CALMEST_HZ) ** (1 - smoothing)
        # One cutoff for the whole face: landmarks that lag differently would bend it.
        cutoff = rest + BETA * float(np.hypot(self._speed[:, 0], self._speed[:, 1]).mean())
        self._points = before + _share(cutoff, elapsed) * (points - before)
        return self._points


def _share(cutoff_hz: float, elapsed_s: float) -> float:
    """Share of the new value of a first-order low-pass."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * elapsed_s))
