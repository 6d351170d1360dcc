"""The report of the delay: JSON for programs, one page that needs nothing else for people."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import SinkError
from app.latency_report import LatencyReport, save_report
from app.report_page import page
from app.report_plots import distribution, stages, timeline
from app.timing import Percentiles, Samples, Timing

TIMES = tuple(10.0 + n % 17 for n in range(300))
REPORT = LatencyReport(
    made_at="2026-01-02T03:04:05+00:00",
    machine="A processor <of> 2 cores",
    engine="OpenVINO & Co",
    source="Cam <script>alert(1)</script>",
    resolution="1280x720",
    fps=29.9,
    source_fps=30.0,
    frames=300,
    dropped=2,
    target_ms=25.0,
    latency_ms=Percentiles.of(list(TIMES)),
    stages_ms={"detect": Percentiles(1, 2, 3), "swap": Percentiles(8, 9, 12)},
    samples=Samples(tuple(n / 30 for n in range(300)), TIMES),
)


def test_json(tmp_path: Path) -> None:
    save_report(tmp_path / "a.json", REPORT)
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["latency_ms"] == REPORT.latency_ms.as_dict()
    assert document["stages_ms"]["swap"] == {"p50": 8, "p95": 9, "p99": 12}
    assert len(document["samples"]["at_s"]) == len(document["samples"]["latency_ms"]) == 300
    assert document["over_target"] == pytest.approx(sum(t > 25 for t in TIMES) / 300, abs=1e-4)


class Reader(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    save_report(tmp_path / "a.HTML", REPORT)
    text = (tmp_path / "a.HTML").read_text()
    reader = Reader()
    reader.feed(text)
    assert not reader.tags & {"script", "link", "img", "iframe"}
    assert reader.addresses == []
    assert "url(" not in text
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text
    assert "Cam &lt;script&gt;" in text
    assert len(re.findall("<svg", text)) == 3
    for plot in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(plot)


def test_says_whether_the_target_is_held() -> None:
    document = REPORT.as_dict()
    assert "25 ms is not held" in page(document)
    assert "27 ms is held" in page(document | {"target_ms": 27.0})


finite = st.floats(0, 1e5)


@given(st.lists(finite, max_size=400), st.floats(1, 500))
@settings(max_examples=60, deadline=None)
def test_plots_of_any_times_are_whole_and_inside(times: list[float], target: float) -> None:
    at = [n / 30 for n in range(len(times))]
    part = Percentiles.of(times).as_dict()
    for plot in (timeline(at, times, target), distribution(times, part, target)):
        root = ElementTree.fromstring(plot)
        height = float(root.attrib["viewBox"].split()[3])
        for points in (e.attrib["points"] for e in root.iter() if "points" in e.attrib):
            for pair in points.split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= 960
                assert 0 <= y <= height
        for bar in root.iter("rect"):
            assert float(bar.attrib["height"]) >= 0
            assert float(bar.attrib["width"]) > 0
    ElementTree.fromstring(stages({"swap": part}))
    ElementTree.fromstring(stages({}))


@pytest.mark.parametrize("name", ["report.pdf", "report"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match="reports are HTML or JSON"):
        save_report(tmp_path / name, REPORT)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        save_report(tmp_path / "absent" / "a.html", REPORT)


def test_samples_of_a_timing() -> None:
    timing = Timing()
    assert timing.samples() == Samples()
    for _ in range(3):
        timing.frame_done(0.0)
    samples = timing.samples()
    assert len(samples.at_s) == len(samples.latency_ms) == 3
    assert samples.at_s[0] == 0
    assert list(samples.at_s) == sorted(samples.at_s)
