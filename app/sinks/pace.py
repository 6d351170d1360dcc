"""When the next picture of a fixed-rate output is due: pure arithmetic, no clock of its own."""

from __future__ import annotations

HALF = 0.5  # of a period: so far before and after its time a picture may go out
PULL = 0.1  # share of the distance to the frames' arrival that is made good in each period
MOST_PULL = 0.01  # of a period: so far the rate may lean towards the source's


class Pace:
    """One picture a period, a new frame as soon as there is one, at a rate that stays.

    From ``ready`` on a new frame goes out at once; at ``limit`` the last picture is repeated. The
    beat leans a little on the source's, so that equal rates neither repeat nor drop. All times are
    seconds on one monotonic clock; pictures are half to one and a half periods apart.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._period = 1 / rate
        self._due = now
        self._sent = now - self._period

    @property
    def ready(self) -> float:
        """Not before this."""
        return max(self._due, self._sent + self._period) - HALF * self._period

    @property
    def limit(self) -> float:
        """Not later than this."""
        return min(self._due, self._sent + self._period) + HALF * self._period

    def took(self, arrived_at: float, now: float) -> None:
        """A new frame, there since ``arrived_at``, is sent at ``now``."""
        most = MOST_PULL * self._period
        self._next(now, min(max(PULL * (arrived_at - self._due), -most), most))

    def repeated(self, now: float) -> None:
        """The last picture is sent again at ``now``."""
        self._next(now, 0.0)

    def _next(self, now: float, pull: float) -> None:
        self._sent = now
        self._due += self._period + pull
        if not now <= self._due <= now + 2 * self._period:
            self._due = now + self._period  # the machine slept, or the device was slow
