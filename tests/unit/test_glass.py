"""Glass to glass: numbered frames in, read again by a client of the web page."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.session import Session, State
from app.settings import OutputSettings, Settings
from app.sinks.encoding import fit
from app.slates import slate_pixels
from app.timing import Timing
from benchmarks import glass_pattern
from benchmarks.glass import Glass, Numbered, watch
from tests.helpers.fakes import FakePipeline, StillSource, picture

LAST = (1 << glass_pattern.BITS) - 1


@settings(deadline=None, max_examples=30)
@given(
    number=st.integers(0, LAST),
    size=st.sampled_from([(1280, 720), (640, 480), (322, 242)]),
    quality=st.integers(40, 100),
)
def test_the_number_survives_jpeg_and_scaling(
    number: int, size: tuple[int, int], quality: int
) -> None:
    pixels = picture(*size)
    glass_pattern.paint(pixels, number)
    assert glass_pattern.read(pixels) == number
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    assert glass_pattern.read(cv2.imdecode(data, cv2.IMREAD_COLOR)) == number
    small = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert glass_pattern.read(small) == number


@pytest.mark.parametrize("size", [(1280, 720), (640, 480)])
def test_no_pattern_is_no_number(size: tuple[int, int]) -> None:
    for words in (("Hidden", "The picture is paused"), ("Omokage", "Not running")):
        assert glass_pattern.read(slate_pixels(*size, *words)) is None
    assert glass_pattern.read(picture(*size)) is None
    assert glass_pattern.read(np.zeros((size[1], size[0], 3), np.uint8)) is None


def test_the_report_counts_what_was_seen() -> None:
    glass = Glass({n: float(n) for n in range(6)})
    glass.seen = [(None, 0.5), (1, 1.1), (1, 1.4), (2, 2.2), (5, 5.1), (5, 5.2), (4, 5.3)]
    report = glass.report()
    assert (report["seen"], report["repeated"], report["lost"]) == (4, 2, 1)
    assert (report["out_of_order"], report["slates"]) == (1, 1)
    assert report["latency_ms"]["p50"] == pytest.approx(150)


def test_frames_arrive_in_order_through_the_whole_of_it() -> None:
    glass, stop = Glass(), threading.Event()
    session = Session(FakePipeline(), Timing(), Settings())  # type: ignore[arg-type]
    changed = threading.Event()
    try:
        form = {"width": 640, "height": 360, "rate": 60}
        session.outputs.apply(OutputSettings(web_page=True, web_port=0, **form))
        while not (status := session.outputs.status()[0]).opened:
            assert status.problem is None
            changed.wait(0.01)
        viewer = threading.Thread(target=watch, args=(status.address, glass, stop))
        viewer.start()
        session.start(
            lambda: Numbered(StillSource(picture(640, 360), pause_s=1 / 50, rate=50.0), glass)
        )
        while len({number for number, _ in glass.seen if number is not None}) < 40:
            assert session.status().state in (State.STARTING, State.RUNNING)
            changed.wait(0.01)
        output = session.status().outputs[0]
        session.stop()
        while glass.seen[-1][0] is not None:  # the slate takes the last face away
            changed.wait(0.01)
    finally:
        stop.set()
        session.close()
        viewer.join()
    report = glass.report()
    assert report["seen"] >= 40
    assert report["repeated"] == 0  # the page sends a picture once
    assert report["out_of_order"] == 0
    latency = report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert 0 < output.latency_ms.p50 <= output.latency_ms.p99


def test_a_letterboxed_picture_keeps_its_strip_inside() -> None:
    pixels = picture(640, 480)
    glass_pattern.paint(pixels, 77)
    boxed = fit(pixels, 1280, 720)
    assert glass_pattern.read(np.ascontiguousarray(boxed[:, 160:1120])) == 77
