"""A latency report as one HTML page that needs nothing else: no script, no address."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from app.report_plots import distribution, stages, timeline

_STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --panel: #ffffff; --line: #dfe3ea; --text: #1a1d23; --muted: #5b6474;
  --accent: #4a5fd0; --soft: #4a5fd02e; --good: #1d7a4b; --bad: #b3412f; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14161a; --panel: #1a1d23; --line: #2c313b; --text: #eceef2; --muted: #a6adbb;
  --accent: #a9b8ff; --soft: #a9b8ff33; --good: #7fd6a8; --bad: #ff9b85; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 56px; }
h1 { font-size: 26px; font-weight: 650; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 16px; font-weight: 600; margin: 0 0 4px; }
p { margin: 0; } .sub { color: var(--muted); }
header { margin-bottom: 24px; }
.verdict { font-weight: 600; margin-top: 12px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.cards { display: grid; gap: 12px; margin-bottom: 12px;
  grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
.card, section { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; }
.card { padding: 14px 16px; }
.card b { display: block; font-size: 26px; font-weight: 650; line-height: 1.2;
  font-variant-numeric: tabular-nums; }
.card b small { font-size: 14px; font-weight: 500; color: var(--muted); }
.card span { color: var(--muted); font-size: 13px; }
section { padding: 20px 20px 16px; margin-bottom: 12px; }
section .sub { font-size: 13px; margin-bottom: 12px; }
svg { display: block; width: 100%; height: auto; }
text { fill: var(--muted); font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
text.name { fill: var(--text); font-size: 13px; } text.goal { fill: var(--bad); }
.grid { stroke: var(--line); } .axis { stroke: var(--muted); }
.target { stroke: var(--bad); stroke-dasharray: 5 4; stroke-width: 1.5; }
.mark { stroke: var(--muted); stroke-dasharray: 2 3; }
.curve { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.extent, .wide { fill: var(--soft); } .bar { fill: var(--accent); } .over { fill: var(--bad); }
.whisker { stroke: var(--muted); stroke-width: 1.5; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 0 6px 16px; border-top: 1px solid var(--line); }
th { color: var(--muted); font-weight: 500; font-size: 13px; border-top: 0; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 12px 0 0; }
dt { color: var(--muted); } dd { margin: 0; }
@media print { body { background: #fff; } section, .card { break-inside: avoid; } }
"""


def page(report: Mapping[str, Any]) -> str:
    """The page of ``LatencyReport.as_dict``."""
    latency, samples, target = report["latency_ms"], report["samples"], report["target_ms"]
    holds = latency["p95"] <= target
    said = (
        f"The target of {target:g} ms is held: 95 % of the frames took at most "
        f"{latency['p95']:.1f} ms."
        if holds
        else f"The target of {target:g} ms is not held: 95 % of the frames took up to "
        f"{latency['p95']:.1f} ms, {report['over_target']:.1%} longer than the target."
    )
    title = f"Omokage delay report, {report['made_at'][:10]}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>
<header><h1>Delay from camera to output</h1>
<p class="sub">{_subtitle(report)}</p>
<p class="verdict {"good" if holds else "bad"}">{said}</p></header>
<div class="cards">{_cards(report)}</div>
<section><h2>Over time</h2><p class="sub">Line: median of short spans. Shade: their fastest and
slowest frame, in milliseconds.</p>{timeline(samples["at_s"], samples["latency_ms"], target)}
</section>
<section><h2>Distribution</h2><p class="sub">How many frames took how long.</p>
{distribution(samples["latency_ms"], latency, target)}</section>
<section><h2>Where the time goes</h2><p class="sub">Per stage: bar to the median, shade to the 95th
and line to the 99th percentile.</p>{stages(report["stages_ms"])}</section>
<section><h2>Figures</h2>{_table(report)}</section>
<section><h2>What was measured</h2><dl>{_facts(report)}</dl></section>
</main></body></html>
"""


def _subtitle(report: Mapping[str, Any]) -> str:
    parts = (report["source"], report["resolution"].replace("x", " × "), report["engine"])
    return escape(" · ".join(part for part in parts if part))


def _cards(report: Mapping[str, Any]) -> str:
    latency = report["latency_ms"]
    cards = [
        (f"{latency['p50']:.1f}", "ms", "half of the frames (p50)"),
        (f"{latency['p95']:.1f}", "ms", "95 % of the frames"),
        (f"{latency['p99']:.1f}", "ms", "99 % of the frames"),
        (f"{report['fps']:.1f}", "fps", f"of {report['source_fps']:.1f} that came"),
        (str(report["dropped"]), "", "frames replaced by newer ones"),
    ]
    return "".join(
        f'<div class="card"><b>{value} <small>{unit}</small></b><span>{text}</span></div>'
        for value, unit, text in cards
    )


def _table(report: Mapping[str, Any]) -> str:
    rows = [("Camera to pipeline's end", report["latency_ms"])]
    rows += [(f"Camera to {kind.lower()}", part) for kind, part in report["outputs"].items()]
    rows += [(f"Stage: {name}", part) for name, part in report["stages_ms"].items()]
    cells = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{part[key]:.2f}</td>" for key in ("p50", "p95", "p99"))
        + "</tr>"
        for name, part in rows
    )
    return f"<table><tr><th>ms</th><th>p50</th><th>p95</th><th>p99</th></tr>{cells}</table>"


def _facts(report: Mapping[str, Any]) -> str:
    governor = report["governor"]
    facts = [
        ("Made", report["made_at"].replace("T", " ")),
        ("Machine", report["machine"]),
        ("Omokage", report["version"]),
        ("Frames", f"{report['frames']} in all, {len(report['samples']['at_s'])} plotted"),
    ]
    if governor is not None:
        state = governor["says"] if governor["enabled"] else "switched off"
        facts.append(("Governor", f"{state}, {governor['changes']} changes"))
    facts.append(
        ("How", "From the moment a frame was captured to the moment it was handed to the outputs.")
    )
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
