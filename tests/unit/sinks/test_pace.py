"""The beat of a fixed-rate output, on a simulated clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sinks.pace import HALF, MOST_PULL, Pace


@dataclass
class Beat:
    """What came of a simulated minute."""

    sent_at: list[float]
    fresh: int = 0
    repeated: int = 0
    dropped: int = 0
    waited: float = 0.0  # of the fresh frames, seconds in all


def simulate(arrivals: list[float], rate: float, seconds: float) -> Beat:
    """The output's own rules on a list of arrival times, without a thread."""
    pace, beat, now, waiting = Pace(rate, 0.0), Beat([]), 0.0, None
    arrivals = sorted(arrivals)
    while now < seconds:
        until = pace.ready if waiting is not None else pace.limit
        if arrivals and arrivals[0] <= max(until, now):
            now = max(now, arrivals[0])
            beat.dropped += waiting is not None
            waiting = arrivals.pop(0)
            continue
        now = max(now, until)
        if waiting is not None:
            beat.fresh += 1
            beat.waited += now - waiting
            pace.took(waiting, now)
            waiting = None
        else:
            beat.repeated += 1
            pace.repeated(now)
        beat.sent_at.append(now)
    return beat


def ticks(rate: float, seconds: float, *, start: float = 0.01, jitter: float = 0.0) -> list[float]:
    chance = random.Random(3)
    return [start + n / rate + chance.uniform(0, jitter) for n in range(int(seconds * rate))]


def test_an_equal_rate_is_neither_repeated_nor_dropped_nor_kept_waiting() -> None:
    beat = simulate(ticks(30, 60, jitter=0.008), 30, 60)
    assert beat.repeated <= 3
    assert beat.dropped <= 3
    assert beat.waited / beat.fresh < 0.002


@pytest.mark.parametrize("source", [29.97, 30.2])
def test_a_rate_near_by_is_followed(source: float) -> None:
    beat = simulate(ticks(source, 120), 30, 120)
    assert beat.repeated + beat.dropped <= 8


@pytest.mark.parametrize("source", [12, 25, 50, 60, 120])
def test_another_rate_is_made_up_for(source: float) -> None:
    beat = simulate(ticks(source, 60), 30, 60)
    assert len(beat.sent_at) == pytest.approx(1800, rel=1.2 * MOST_PULL)
    if source < 30:
        assert beat.repeated == pytest.approx(1800 - 60 * source, rel=0.1)
        assert beat.waited / beat.fresh < 0.15 / 30  # it seldom waits for the beat
    else:
        assert beat.dropped == pytest.approx(60 * source - 1800, rel=0.1)
        assert beat.repeated <= 5


@given(st.lists(st.floats(0, 5), max_size=200), st.sampled_from([5.0, 30.0, 60.0]))
def test_whatever_comes_the_beat_stays(arrivals: list[float], rate: float) -> None:
    beat = simulate(arrivals, rate, 5)
    gaps = [later - earlier for earlier, later in pairwise(beat.sent_at)]
    assert max(gaps) <= (1 + HALF) / rate + 1e-9
    assert min(gaps) >= HALF / rate - 1e-9
    assert len(beat.sent_at) == pytest.approx(5 * rate, rel=0.02, abs=2)


def test_after_a_long_sleep_it_does_not_rush() -> None:
    pace = Pace(30, 0.0)
    pace.repeated(100.0)
    assert pace.limit == pytest.approx(100 + 1.5 / 30)
    pace.took(0.0, 100.0)
    assert pace.ready > 100
