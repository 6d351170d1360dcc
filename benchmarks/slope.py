"""The slope of a measured series with an honest interval: does it grow, or does it only wander?

Ordinary least squares. Neighbouring samples of one process resemble each other, which makes the
usual interval too narrow, so the number of samples is first brought down by the lag-1
autocorrelation r of the residuals to n (1 - r) / (1 + r) (von Storch and Zwiers, "Statistical
Analysis in Climate Research", 1999, section 6.6).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEAST_SAMPLES = 6


@dataclass(frozen=True)
class Slope:
    """Growth per hour with its 95 % interval; ``first`` and ``last`` are on the fitted line.

    ``samples`` were measured, ``effective`` is what they count for.
    """

    per_hour: float
    low: float
    high: float
    first: float
    last: float
    samples: int
    effective: float

    @property
    def grows(self) -> bool:
        """Whether the growth can be told from none."""
        return self.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Rounded, with ``grows``."""
        rounded = {name: round(value, 3) for name, value in asdict(self).items()}
        return rounded | {"grows": self.grows}


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """The slope of ``values`` measured at ``at_s`` (seconds); ``ValueError`` below six of them."""
    n = len(values)
    if n < LEAST_SAMPLES or len(at_s) != n:
        raise ValueError(f"{n} values at {len(at_s)} times, expected as many, from {LEAST_SAMPLES}")
    x, y = np.asarray(at_s, np.float64) / 3600, np.asarray(values, np.float64)
    middle = x - x.mean()
    spread = float(middle @ middle)
    rest = y - y.mean()  # 0 for a constant, whatever rounding does elsewhere
    per_hour = float(middle @ rest) / spread
    residuals = rest - per_hour * middle
    power = float(residuals @ residuals)
    r = float(residuals[1:] @ residuals[:-1]) / power if power > 0 else 0.0
    r = min(max(r, 0.0), 0.99)
    effective = max(n * (1 - r) / (1 + r), 3.0)
    error = math.sqrt(power / (effective - 2) / spread)
    half = student_975(effective - 2) * error
    line = y.mean() + per_hour * middle
    return Slope(
        per_hour, per_hour - half, per_hour + half, float(line[0]), float(line[-1]), n, effective
    )


def student_975(freedom: float) -> float:
    """The 97.5 % point of Student's t, by Cornish and Fisher's expansion; exact for 1 and 2."""
    if freedom < 1.5:
        return 12.706
    if freedom < 2.5:
        return 4.303
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
