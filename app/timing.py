"""Per-stage times, latency percentiles and drops of one run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

WINDOW = 600  # samples kept per series: 20 s at 30 frames/s


@dataclass(frozen=True)
class Percentiles:
    """p50, p95 and p99 in milliseconds; zeros where nothing was measured."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0

    @staticmethod
    def of(milliseconds: list[float]) -> Percentiles:
        """The percentiles of a list of times."""
        if not milliseconds:
            return Percentiles()
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        return Percentiles(float(p50), float(p95), float(p99))

    def as_dict(self) -> dict[str, float]:
        """As in ``bench --json``, rounded to a microsecond."""
        return {"p50": round(self.p50, 3), "p95": round(self.p95, 3), "p99": round(self.p99, 3)}


@dataclass(frozen=True)
class TimingReport:
    """What was measured so far: rate in frames per second, times in milliseconds."""

    frames: int = 0
    fps: float = 0.0
    latency_ms: Percentiles = Percentiles()
    stages_ms: dict[str, Percentiles] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """Each frame of the window: seconds since the first one, and its delay in milliseconds."""

    at_s: tuple[float, ...] = ()
    latency_ms: tuple[float, ...] = ()


class Timing:
    """Collects times over a sliding window; may be used from several threads."""

    def __init__(self, window: int = WINDOW) -> None:
        self._lock = threading.Lock()
        self._window = window
        self._stages: dict[str, deque[float]] = {}
        self._latency: deque[float] = deque(maxlen=window)
        self._ended: deque[float] = deque(maxlen=window)
        self._frames = 0

    def reset(self) -> None:
        """Forget everything measured so far."""
        with self._lock:
            self._stages.clear()
            self._latency.clear()
            self._ended.clear()
            self._frames = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block as one sample of stage ``name``."""
        start = time.perf_counter()
        yield
        self.add_stage(name, time.perf_counter() - start)

    def add_stage(self, name: str, seconds: float) -> None:
        """Add one sample of stage ``name``."""
        with self._lock:
            series = self._stages.setdefault(name, deque(maxlen=self._window))
            series.append(seconds * 1000)

    def frame_done(self, captured_at: float) -> None:
        """Count a frame that left the pipeline now; ``captured_at`` is monotonic, in seconds."""
        now = time.monotonic()
        with self._lock:
            self._frames += 1
            self._latency.append((now - captured_at) * 1000)
            self._ended.append(now)

    def samples(self) -> Samples:
        """Every frame of the window, for plots."""
        with self._lock:
            latency, ended = tuple(self._latency), tuple(self._ended)
        return Samples(tuple(at - ended[0] for at in ended), latency)

    def report(self) -> TimingReport:
        """The percentiles and the rate over the window."""
        with self._lock:
            latency, ended = list(self._latency), list(self._ended)
            stages = {name: list(series) for name, series in self._stages.items()}
            frames = self._frames
        span = ended[-1] - ended[0] if len(ended) > 1 else 0.0
        return TimingReport(
            frames=frames,
            fps=(len(ended) - 1) / span if span > 0 else 0.0,
            latency_ms=Percentiles.of(latency),
            stages_ms={name: Percentiles.of(series) for name, series in stages.items()},
        )
