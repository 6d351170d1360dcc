"""Times of stages, latency and rate."""

from __future__ import annotations

import time

import pytest

from app.timing import Percentiles, Timing


def test_percentiles() -> None:
    assert Percentiles.of([]) == Percentiles(0, 0, 0)
    found = Percentiles.of([float(value) for value in range(101)])
    assert found == Percentiles(50, 95, 99)
    assert Percentiles(1.23456, 2, 3).as_dict() == {"p50": 1.235, "p95": 2, "p99": 3}


def test_stages_latency_and_rate() -> None:
    timing = Timing()
    with timing.stage("swap"):
        time.sleep(0.01)
    timing.add_stage("mask", 0.002)
    for _ in range(3):
        timing.frame_done(time.monotonic() - 0.05)
        time.sleep(0.01)
    report = timing.report()
    assert report.frames == 3
    assert 10 <= report.stages_ms["swap"].p50 < 200
    assert report.stages_ms["mask"].p50 == pytest.approx(2)
    assert 50 <= report.latency_ms.p50 < 300
    assert 5 < report.fps <= 100
    timing.reset()
    assert timing.report().frames == 0
    assert timing.report().stages_ms == {}


def test_a_failed_block_is_no_sample() -> None:
    timing = Timing()
    with pytest.raises(ValueError), timing.stage("swap"):
        raise ValueError
    assert timing.report().stages_ms == {}


def test_only_the_window_counts() -> None:
    timing = Timing(window=2)
    for seconds in (9, 0.001, 0.001):
        timing.add_stage("swap", seconds)
    assert timing.report().stages_ms["swap"].p99 == pytest.approx(1)
