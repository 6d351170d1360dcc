"""The governor: a state machine over told times, and a simulated chain whose load doubles."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.governor import CALM_S, EFFORTS, LEAST_FRAMES, QUICK_FRAMES, Governor, governed
from app.settings import DetectorSettings, LatencySettings, Settings

TARGET = LatencySettings(target_ms=50)
FRAME_S = 1 / 30


def feed(governor: Governor, latency_ms: float, seconds: float, start_s: float = 0.0) -> float:
    """Frames of one delay; the time after them."""
    now = start_s
    while now < start_s + seconds:
        now += FRAME_S
        governor.frame_done(latency_ms, now, TARGET)
    return now


def test_full_effort_while_the_delay_is_small() -> None:
    governor = Governor()
    feed(governor, 20, 60)
    assert governor.effort is EFFORTS[0]
    assert governor.status().changes == 0
    assert governor.status().p95_ms == pytest.approx(20)
    assert governor.status().holds


def test_steps_down_one_by_one_and_up_again() -> None:
    governor = Governor()
    steps = []
    now = 0.0
    while governor.status().step < len(EFFORTS) - 1:
        now = feed(governor, 80, FRAME_S, now)
        steps.append(governor.status().step)
    assert sorted(set(steps)) == [0, *range(1, len(EFFORTS))]
    assert all(b - a in (0, 1) for a, b in pairwise(steps))
    feed(governor, 10, 2 * CALM_S * len(EFFORTS), now)
    assert governor.effort is EFFORTS[0]


def test_between_alarm_and_calm_nothing_changes() -> None:
    governor = Governor()
    now = feed(governor, 38, 2, feed(governor, 80, 1))
    step = governor.status().step
    assert step > 0
    feed(governor, 38, 120, now)
    assert governor.status().step == step


def test_switched_off_it_measures_only() -> None:
    governor = Governor()
    feed(governor, 80, 3)
    assert governor.status().step
    off = replace(TARGET, governor=False)
    for n in range(100):
        assert governor.frame_done(80, 10 + n * FRAME_S, off) is EFFORTS[0]
    assert governor.status().p95_ms == pytest.approx(80)


def test_what_was_before_a_gap_does_not_count() -> None:
    governor = Governor()
    for n in range(QUICK_FRAMES - 2):
        governor.frame_done(80, n * FRAME_S, TARGET)
    governor.frame_done(80, 100.0, TARGET)
    assert governor.status().step == 0


def test_one_late_frame_costs_nothing() -> None:
    governor = Governor()
    now = feed(governor, 20, (LEAST_FRAMES - 1) * FRAME_S)
    governor.frame_done(300, now + FRAME_S, TARGET)
    feed(governor, 20, 0.5, now + FRAME_S)
    assert governor.effort is EFFORTS[0]


def test_a_frame_may_wait_for_what_the_work_leaves_of_the_target() -> None:
    governor = Governor()
    assert governor.most_wait_s == float("inf")
    for n in range(QUICK_FRAMES):
        governor.frame_done(40, n * FRAME_S, TARGET, waited_ms=15)
    assert governor.most_wait_s == pytest.approx((0.8 * 50 - 25) / 1000)
    assert not governor.status().fresh_only
    for n in range(QUICK_FRAMES):
        governor.frame_done(60, 1 + n * FRAME_S, TARGET, waited_ms=15)
    assert governor.most_wait_s == 0
    assert governor.status().fresh_only
    governor.frame_done(60, 2.0, replace(TARGET, governor=False), waited_ms=15)
    assert governor.most_wait_s == float("inf")


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0.001, 3)), max_size=300))
@settings(max_examples=60)
def test_always_one_step_at_a_time_after_a_whole_window(
    frames: list[tuple[float, float]],
) -> None:
    governor, now, since, step = Governor(), 0.0, 0, 0
    for latency, pause in frames:
        now += pause
        since += 1
        governor.frame_done(latency, now, TARGET)
        status = governor.status()
        assert 0 <= status.step <= status.steps
        if status.step != step:
            assert abs(status.step - step) == 1
            assert since >= (QUICK_FRAMES if status.step > step else LEAST_FRAMES)
            if status.step > step:
                assert status.p95_ms > 0.9 * TARGET.target_ms
            else:
                assert status.p95_ms < 0.6 * TARGET.target_ms
            since, step = 0, status.step


@given(st.integers(1, 30), st.sampled_from(EFFORTS))
def test_it_never_asks_for_more_than_the_user(interval: int, effort: object) -> None:
    wanted = Settings(detector=DetectorSettings(interval=interval))
    given_ = governed(wanted, effort)  # type: ignore[arg-type]
    assert given_.detector.interval >= interval
    assert replace(given_, detector=wanted.detector, mask=wanted.mask) == wanted
    assert governed(wanted, EFFORTS[0]) is wanted


def simulate(*, governed_: bool, load_at: float, load: float, seconds: float = 90) -> list[float]:
    """Delays in ms of a camera of 30 frames/s behind one worker, from ``load_at`` + 1 s on.

    A frame costs 15 ms, a search 5, the occluder 4, showing it 2, each times ``load`` from
    ``load_at`` on, give or take a tenth. The newest frame waits while the worker is busy.
    """
    chance = random.Random(7)
    governor, wanted = Governor(), replace(TARGET, governor=governed_)
    effort, free_at, done, late = EFFORTS[0], 0.0, 0, []
    waiting: float | None = None
    for n in range(int(seconds / FRAME_S)):
        arrival = n * FRAME_S
        if waiting is not None and free_at <= arrival:  # the worker got free in between
            waiting = waiting if free_at - waiting <= governor.most_wait_s else None
        if waiting is not None and free_at <= arrival:
            start = max(free_at, waiting)
            factor = (load if start >= load_at else 1.0) * chance.uniform(0.9, 1.1)
            search = 5 * (done % max(5, effort.search_every) == 0)
            cost = 15.0 + (0 if effort.patient else search)
            cost += 4 * (done % effort.occluder_every == 0)
            cost += 2 * (done % effort.preview_every == 0)
            out_at = start + cost * factor / 1000
            free_at = out_at + (search * factor / 1000 if effort.patient else 0)
            latency, waited = (out_at - waiting) * 1000, (start - waiting) * 1000
            effort = governor.frame_done(latency, out_at, wanted, waited)
            done += 1
            if start > load_at + 1:
                late.append(latency)
            waiting = None
        if n % effort.frame_every == 0:
            waiting = arrival
    return late


def test_holds_the_delay_from_the_first_second_when_the_load_doubles() -> None:
    """Simulated: up to 26 ms a frame become 52, longer than the camera's period and the target."""
    before = simulate(governed_=False, load_at=0, load=1)
    without = simulate(governed_=False, load_at=20, load=2)
    with_it = simulate(governed_=True, load_at=20, load=2)
    assert np.percentile(before, 95) < TARGET.target_ms
    assert np.percentile(without, 95) > 1.3 * TARGET.target_ms
    assert np.percentile(with_it, 95) <= TARGET.target_ms
    assert len(with_it) > 14 * (90 - 21)  # of 30 frames a second


def test_it_says_where_it_cannot_be_held() -> None:
    governor = Governor()
    feed(governor, 80, 30)
    assert governor.effort is EFFORTS[-1]
    assert not governor.status().holds


def test_it_does_not_swing_where_a_step_is_just_needed() -> None:
    """The delay is calm with a step given up and too long without: tries become rarer."""
    governor, now, changes = Governor(), 0.0, []
    for _ in range(30 * 600):
        now += FRAME_S
        step = governor.status().step
        governor.frame_done(25 if step else 70, now, TARGET)
        if governor.status().step != step:
            changes.append(now)
    assert 2 < len(changes) < 40
    assert max(np.diff(changes)) > 60
