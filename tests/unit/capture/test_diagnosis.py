"""Why a camera is slow: what was asked, what the driver gave, what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.capture.diagnosis import SMALLER, CameraFacts, Fix, diagnose, most_by_usb
from app.capture.listing import CameraEntry

USB2 = CameraEntry("0", "C920", "usb:046d:082d", "1-2:1.0", 480)
GOOD = CameraFacts(USB2, (1280, 720), 30, (1280, 720), 30, "MJPG", ("MJPG", "YUYV"), False)


def test_nothing_to_say() -> None:
    assert diagnose(GOOD, 29.8) == []
    assert diagnose(GOOD) == []
    assert diagnose(replace(GOOD, given_format=""), 29.8) == []


def test_uncompressed_over_usb_2() -> None:
    facts = replace(GOOD, given_format="YUYV", formats=("YUYV",), given_rate=10)
    (finding,) = diagnose(facts, 9.9)
    assert "1280 x 720 uncompressed (YUYV)" in finding.what
    assert "USB 2) carries 16 of 30 frames/s" in finding.what
    assert "USB 3" in finding.remedy
    assert (finding.fix, finding.size) == (Fix.SMALLER, (640, 360))


def test_uncompressed_although_it_could() -> None:
    (finding, *_) = diagnose(replace(GOOD, given_format="YUYV"), 16)
    assert "close other programs" in finding.remedy


def test_enough_at_usb_3() -> None:
    usb3 = replace(USB2, usb_mbit=5000)
    assert diagnose(replace(GOOD, entry=usb3, given_format="YUYV"), 30) == []


@pytest.mark.parametrize(
    ("slows", "fix", "word"),
    [(True, Fix.KEEP_RATE, "keep its rate"), (None, None, "dim light"), (False, None, "hub")],
)
def test_slower_than_promised(slows: bool | None, fix: Fix | None, word: str) -> None:
    (finding,) = diagnose(replace(GOOD, slows_in_the_dark=slows), 15.0)
    assert finding.what == "It gives 15 of 30 frames/s."
    assert finding.fix is fix
    assert word in finding.remedy


def test_another_size_is_only_said() -> None:
    (finding,) = diagnose(replace(GOOD, given_size=(640, 480), given_rate=25), 25)
    assert finding.what == "Asked for 1280 x 720 at 30, the camera gives 640 x 480 at 25."
    assert finding.fix is None


@given(
    st.sampled_from([12, 480, 5000, 0]),
    st.sampled_from([(1920, 1080), *SMALLER]),
    st.sampled_from(["MJPG", "YUYV", "NV12", ""]),
    st.integers(5, 60),
    st.floats(0, 80),
)
def test_what_it_offers_helps(
    speed: int, size: tuple[int, int], code: str, rate: int, measured: float
) -> None:
    entry = replace(USB2, usb_mbit=speed)
    facts = CameraFacts(entry, size, rate, size, rate, code, (code,), None)
    for finding in diagnose(facts, measured):
        assert finding.what.endswith(".")
        if finding.fix is Fix.SMALLER:
            assert finding.size is not None
            assert finding.size[0] < size[0]
            smaller = replace(facts, given_size=finding.size)
            assert most_by_usb(smaller) >= rate
