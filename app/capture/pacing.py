"""Frame times of a source that is not a device: wait until a frame is due, wake up when closed."""

from __future__ import annotations

import threading
import time


class Pacer:
    """Runs a stream's own clock against the wall clock; ``close`` ends a wait at once."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._start: float | None = None

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closing.is_set()

    def elapsed_s(self) -> float:
        """Seconds of stream time that passed; the first call starts the clock."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        return now - self._start

    def wait_until(self, at_s: float) -> None:
        """Wait until stream time ``at_s``; returns at once where it has passed."""
        remaining = at_s - self.elapsed_s()
        if remaining > 0:
            self._closing.wait(remaining)

    def slip(self, seconds: float) -> None:
        """Put the clock back, where the stream could not keep up and shall not rush after it."""
        self.elapsed_s()
        assert self._start is not None
        self._start += seconds

    def close(self) -> None:
        """End the wait under way and all later ones."""
        self._closing.set()
