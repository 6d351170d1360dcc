"""Timing backends against each other while other work goes on."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence

from engines.backend import Backend
from engines.checking import Inputs
from engines.runtimes import REFERENCE

LEAST_ROUNDS = 5
WORTH_IT = 0.95  # a runtime that takes more of the reference's time than this is not switched to
WORTH_LESS_EXACT = 0.8  # nor is a less exact one that takes more than this of a more exact one's


def race(
    backends: Mapping[str, Backend],
    inputs: Sequence[Inputs],
    budget_s: float,
    stop: threading.Event,
) -> dict[str, list[float]] | None:
    """Seconds of each run by name, in rounds of one run each on the same input.

    Pauses for as long as it runs, so that a live picture beside it keeps its cores; ``None`` once
    ``stop`` is set. At least ``LEAST_ROUNDS`` rounds, the first of which is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in backends}
    end, rounds = time.monotonic() + budget_s, 0
    while rounds <= LEAST_ROUNDS or time.monotonic() < end:
        for name, backend in backends.items():
            start = time.perf_counter()
            backend.run(inputs[rounds % len(inputs)])
            taken = time.perf_counter() - start
            if rounds:
                times[name].append(taken)
            if stop.wait(taken):
                return None
        rounds += 1
    return times


def fastest(times: Mapping[str, Sequence[float]]) -> str:
    """The name with the least median share of the reference's time in the same round.

    Of those nearly as fast (to ``WORTH_LESS_EXACT``) the first, which is the more exact one in the
    order of the chain; the reference itself where none takes less than ``WORTH_IT`` of its time.
    """
    base = times[REFERENCE]
    shares = {
        name: statistics.median(a / b for a, b in zip(taken, base, strict=True))
        for name, taken in times.items()
    }
    least = min(shares.values())
    worth = (name for name, share in shares.items() if share < WORTH_IT)
    return next((name for name in worth if WORTH_LESS_EXACT * shares[name] <= least), REFERENCE)
