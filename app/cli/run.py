"""``omokage run``: the live mirror, in the window or, with ``--headless``, in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from app.cli.control import add_option as add_control_options
from app.cli.options import add_look_options, add_source_options, count, settings_from
from app.cli.outputs import add_output_options
from app.words import counted

if TYPE_CHECKING:
    from app.settings import Settings


OF_A_SCENE = ("source", "mask", "occluder", "keep", "faces", "color", "no_badge")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``run``."""
    parser = commands.add_parser(
        "run",
        help="the live mirror (this is what happens without a command)",
        description="Show a camera, clip or the built-in demo with another face, live.",
    )
    parser.add_argument(
        "--camera", metavar="0|NAME|URL|FILE|demo", help="default: the first camera, else the demo"
    )
    add_source_options(parser, required=False)
    parser.add_argument("--headless", action="store_true", help="no window; stop with Ctrl-C")
    parser.add_argument(
        "--record", metavar="OUT.mp4", help="record what is shown in a new file (headless)"
    )
    parser.add_argument(
        "--show-real-face", action="store_true", help="no swap: the output shows the raw camera"
    )
    parser.add_argument("--frames", type=count, metavar="N", help="stop after N frames (headless)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON (headless)")
    add_output_options(parser)
    add_control_options(parser)
    add_look_options(parser)
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped; 0 after an orderly end."""
    if not arguments.headless:
        if arguments.show_real_face:
            arguments.parser.error("--show-real-face needs --headless; the window asks you itself")
        for option in ("record", "frames", "json"):
            if getattr(arguments, option):
                arguments.parser.error(f"--{option} needs --headless")

    if arguments.scene:
        given = vars(arguments) | {"no_badge": arguments.no_badge or None}
        for name in OF_A_SCENE:
            if given[name] is not None:
                option = name.replace("_", "-")
                arguments.parser.error(f"a scene brings its own; leave --{option} or --scene out")

    kept, settings, problems = _settings(arguments)
    if arguments.headless:
        for problem in problems:
            print(f"omokage: {problem}", file=sys.stderr)
        return _headless(arguments, settings)

    from app.cli.windowed import open_window

    return open_window(arguments, settings, problems, kept)


def _settings(arguments: argparse.Namespace) -> tuple[Settings, Settings, list[str]]:
    """Those on disk, those of this run, and sentences about the former."""
    from app.paths import config_path
    from app.settings import with_value
    from app.settings_file import load

    kept, problems = load(config_path())
    settings = settings_from(arguments, kept)
    if arguments.show_real_face:
        settings = with_value(settings, "swap", False)
    if arguments.camera is not None:
        settings = with_value(settings, "capture.source", arguments.camera)
    return kept, settings, problems


def _headless(arguments: argparse.Namespace, settings: Settings) -> int:
    from pathlib import Path

    from app.cli.headless import mirror

    record = Path(arguments.record) if arguments.record else None
    figures = mirror(arguments, settings, record)
    if arguments.json:
        print(json.dumps(figures))
    else:
        latency = figures["latency_ms"]
        print(
            f"{counted(figures['frames'], 'frame')} at {figures['fps']:.1f} a second, latency p50 "
            f"{latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, {figures['dropped']} dropped "
            f"({figures['engine']})."
        )
        if figures["recording"]:
            print(figures["recording"])
        for output in figures["outputs"]:
            print(
                f"{output['name']}: {counted(output['sent'], 'picture')}, "
                f"{output['repeated']} repeated, {output['dropped']} dropped, "
                f"reopened {counted(output['reopened'], 'time')}."
            )
    return 0
