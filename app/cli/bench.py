"""``omokage bench``: how fast this machine is, live and flat out."""

from __future__ import annotations

import argparse
import json
from typing import Any

from app.cli.options import add_look_options, add_source_options, seconds, settings_from


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bench``."""
    parser = commands.add_parser(
        "bench",
        help="measure speed and delay on this machine",
        description="Run the demo (1280x720) or a clip twice: paced as a camera would (delay, "
        "drops), then flat out (frames per second, time per stage).",
    )
    parser.add_argument("--clip", metavar="FILE", default="demo", help="a video, else the demo")
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=10.0,
        metavar="S",
        help="length of each part (default 10)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_source_options(parser, required=False)
    add_look_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    from app.cli.measuring import measure
    from app.settings import Settings

    figures = measure(arguments, settings_from(arguments, Settings()))
    print(json.dumps(figures) if arguments.json else table(figures))
    return 0


def table(figures: dict[str, Any]) -> str:
    """The figures of ``measure`` as a readable table."""
    live, latency = figures["paced"], figures["latency_ms"]
    lines = [
        f"{figures['clip']}, {figures['resolution']}, {figures['engine']}",
        figures["machine"],
        f"flat out  {figures['fps']:.1f} frames/s",
        f"paced     {live['fps']:.1f} of {live['source_fps']:.1f} frames/s, latency p50 "
        f"{latency['p50']:.1f} p95 {latency['p95']:.1f} p99 {latency['p99']:.1f} ms, "
        f"{figures['dropped']} dropped, {live['cpu_cores']:.2f} cores busy",
        f"networks  {figures['networks_share']:.0%} of the processing time",
        f"memory    {figures['rss_mb']:.0f} MB ({figures['rss_growth_mb']:+.0f} MB while measured)",
        "",
        f"{'stage':<12}{'p50':>8}{'p95':>8}{'p99':>8}  ms",
    ]
    for name, part in figures["stages_ms"].items():
        lines.append(f"{name:<12}{part['p50']:8.2f}{part['p95']:8.2f}{part['p99']:8.2f}")
    return "\n".join(lines)
