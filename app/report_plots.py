"""The plots of a latency report, as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

import numpy as np

WIDTH = 960
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 40  # around a plot
BUCKETS = 240  # of the curve: each shows its median and its extent
BINS = 48  # of the distribution
ROW = 30  # height of a stage


def timeline(at_s: Sequence[float], latency_ms: Sequence[float], target_ms: float) -> str:
    """The delay over time: median and extent of short spans, and the target."""
    height = 280
    if len(at_s) < 2:
        return _empty(height)
    times, values = np.asarray(at_s), np.asarray(latency_ms)
    top = _nice_top(max(float(values.max()), target_ms * 1.1))
    x, y = _scale(0, float(times[-1]), LEFT, WIDTH - RIGHT), _scale(0, top, height - BOTTOM, TOP)
    groups = np.array_split(np.arange(len(times)), min(BUCKETS, len(times)))
    middle = [(x(times[g].mean()), y(np.median(values[g]))) for g in groups]
    high = [(x(times[g].mean()), y(values[g].max())) for g in groups]
    low = [(x(times[g].mean()), y(values[g].min())) for g in groups]
    body = [
        *_across(top, y),
        *(_label(x(t), height - 14, f"{t:g} s", "middle") for t in _ticks(float(times[-1]), 6)),
        f'<polygon class="extent" points="{_points([*high, *reversed(low)])}"/>',
        f'<polyline class="curve" points="{_points(middle)}"/>',
        *_target(y(target_ms), target_ms),
    ]
    return _svg(height, body, "Delay over time")


def distribution(
    latency_ms: Sequence[float], percentiles: Mapping[str, float], target_ms: float
) -> str:
    """How many frames took how long."""
    height = 240
    if len(latency_ms) < 2:
        return _empty(height)
    values = np.asarray(latency_ms)
    top_ms = max(float(np.percentile(values, 99.5)) * 1.08, target_ms * 1.05)
    counts, edges = np.histogram(np.minimum(values, top_ms), bins=BINS, range=(0, top_ms))
    x, y = _scale(0, top_ms, LEFT, WIDTH - RIGHT), _scale(0, max(counts), height - BOTTOM, TOP + 18)
    base = height - BOTTOM
    bars = [
        f'<rect class="bar{" over" if left >= target_ms else ""}" x="{x(left) + 1:.1f}" '
        f'y="{y(count):.1f}" width="{max(x(right) - x(left) - 2, 1):.1f}" '
        f'height="{base - y(count):.1f}" rx="2"/>'
        for count, left, right in zip(counts, edges, edges[1:], strict=False)
        if count
    ]
    marks = []
    for name, ms in [(n, percentiles[n]) for n in ("p50", "p95", "p99")]:
        if ms <= top_ms:
            marks.append(_line(x(ms), TOP + 14, x(ms), base, "mark"))
            marks.append(_label(x(ms), TOP + 8, name, "middle"))
    body = [
        *bars,
        *marks,
        _line(x(target_ms), TOP + 14, x(target_ms), base, "target"),
        _line(LEFT, base, WIDTH - RIGHT, base, "axis"),
        *(_label(x(ms), height - 14, f"{ms:g} ms", "middle") for ms in _ticks(top_ms, 8)),
    ]
    return _svg(height, body, "Distribution of the delay")


def stages(parts: Mapping[str, Mapping[str, float]]) -> str:
    """Each stage's median as a bar, its 95th and 99th percentile behind it."""
    height = TOP + ROW * max(len(parts), 1) + BOTTOM
    if not parts:
        return _empty(height)
    top = _nice_top(max(part["p99"] for part in parts.values()) or 1.0)
    left = 130
    x = _scale(0, top, left, WIDTH - 90)
    body = []
    for ms in _ticks(top, 6):
        body.append(_line(x(ms), TOP, x(ms), height - BOTTOM + 4, "grid"))
        body.append(_label(x(ms), height - 14, f"{ms:g} ms", "middle"))
    for row, (name, part) in enumerate(parts.items()):
        y = TOP + row * ROW + ROW / 2
        body.append(_label(left - 12, y + 4, escape(name), "end", "name"))
        body.append(_line(x(0), y, x(part["p99"]), y, "whisker"))
        for key, kind, thick in (("p95", "wide", 12), ("p50", "bar", 12)):
            width = max(x(part[key]) - x(0), 1.5)
            body.append(
                f'<rect class="{kind}" x="{x(0):.1f}" y="{y - thick / 2:.1f}" '
                f'width="{width:.1f}" height="{thick}" rx="3"/>'
            )
        body.append(_label(x(part["p99"]) + 10, y + 4, f"{part['p50']:.2f}", "start"))
    return _svg(height, body, "Time per stage")


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: first + (float(value) - low) / span * (last - first)


def _nice_step(span: float, most: int) -> float:
    step = 10 ** np.floor(np.log10(max(span, 1e-6) / most))
    for factor in (1, 2, 2.5, 5, 10):
        if span / (step * factor) <= most:
            return float(step * factor)
    return float(step * 10)


def _nice_top(value: float) -> float:
    step = _nice_step(value, 5)
    return float(np.ceil(value / step) * step)


def _ticks(top: float, most: int) -> Iterator[float]:
    step = _nice_step(top, most)
    for n in range(int(top / step + 1e-9) + 1):
        yield round(n * step, 6)


def _across(top: float, y: Callable[[float], float]) -> Iterator[str]:
    for ms in _ticks(top, 5):
        yield _line(LEFT, y(ms), WIDTH - RIGHT, y(ms), "axis" if ms == 0 else "grid")
        yield _label(LEFT - 10, y(ms) + 4, f"{ms:g}", "end")


def _target(y: float, target_ms: float) -> Iterator[str]:
    yield _line(LEFT, y, WIDTH - RIGHT, y, "target")
    yield _label(WIDTH - RIGHT, y - 6, f"target {target_ms:g} ms", "end", "goal")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _empty(height: int) -> str:
    text = _label(WIDTH / 2, height / 2, "Too few frames were measured.", "middle")
    return _svg(height, [text], "No data")


def _svg(height: int, body: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(body)}</svg>"
    )
