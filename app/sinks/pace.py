"""When the next picture of a fixed-rate output is due: pure arithmetic, no clock of its own."""

from __future__ import annotations

GRACE = 0.5  # share of a period that a late frame is waited for before the last one is repeated
PULL = 0.1  # share of the distance to the frames' arrival that is made good in each period
MOST_PULL = 0.01  # of a period: so far the rate may lean towards the source's


class Pace:
    """A steady beat that leans on the source's, so that equal rates neither repeat nor wait.

    A frame that is early waits for ``due``; one that is late is taken up to ``limit``; then the
    last picture is repeated. All times are seconds on one monotonic clock.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._period = 1 / rate
        self.due = now

    @property
    def limit(self) -> float:
        """How long a late frame is waited for."""
        return self.due + GRACE * self._period

    def took(self, arrived_at: float, now: float) -> None:
        """A new frame, there since ``arrived_at``, is sent at ``now``."""
        most = MOST_PULL * self._period
        pull = min(max(PULL * (arrived_at - self.due), -most), most)
        self._next(now, pull)

    def repeated(self, now: float) -> None:
        """The last picture is sent again at ``now``."""
        self._next(now, 0.0)

    def _next(self, now: float, pull: float) -> None:
        self.due += self._period + pull
        if not now - self._period <= self.due <= now + 2 * self._period:
            self.due = now + self._period  # the machine slept, or the device was slow
