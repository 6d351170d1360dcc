"""The soak's statistics: known slopes are found, noise is called none, the raw face is seen."""

from __future__ import annotations

import numpy as np
import pytest

from app.capture.demo import Demo
from app.frame import Frame
from app.stages.veil import blur_all
from benchmarks.slope import slope, student_975
from benchmarks.soak_faults import shows_raw_face

AT_S = np.arange(60) * 10.0


def test_a_straight_line() -> None:
    found = slope(AT_S, 5 + AT_S / 3600 * 7)
    assert found.per_hour == pytest.approx(7)
    assert (found.low, found.high) == (pytest.approx(7), pytest.approx(7))
    assert found.grows


def test_a_constant_does_not_grow() -> None:
    found = slope(AT_S, np.full(60, 7.0))
    assert (found.per_hour, found.low, found.high, found.grows) == (0, 0, 0, False)


def test_the_interval_holds_what_it_promises() -> None:
    """Of noise that remembers itself (r = .6), about 5 % at most is taken for growth or shrinking.

    The plain interval would be wrong in a fifth of the cases.
    """
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        values = np.zeros(60)
        for place in range(1, 60):
            values[place] = 0.6 * values[place - 1] + rng.normal()
        found = slope(AT_S, values)
        wrong += not found.low <= 0 <= found.high
    assert wrong <= 40  # 10 %: r itself is estimated, and a little too low


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="5 values"):
        slope(AT_S[:5], AT_S[:5])


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (60, 2.0)]
)
def test_students_t(freedom: float, value: float) -> None:
    assert student_975(freedom) == pytest.approx(value, rel=0.01)  # published tables


def test_the_raw_face_is_known_and_a_hidden_one_is_not_taken_for_it() -> None:
    demo = Demo(realtime=False)
    for index in (0, 90, 200, 330):
        clean = demo.picture(index)
        marked = np.clip(clean.astype(np.int16) + 3, 0, 255).astype(np.uint8)
        assert shows_raw_face(clean, Frame(clean.copy(), index, 0.0))
        assert shows_raw_face(clean, Frame(marked, index, 0.0))
        hidden = clean.copy()
        blur_all(hidden)
        assert not shows_raw_face(clean, Frame(hidden, index, 0.0))
        assert not shows_raw_face(clean, Frame(clean[:360, :640].copy(), index, 0.0))
    demo.close()
