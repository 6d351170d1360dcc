"""The command line's words. Imports nothing heavy: ``--help`` must answer at once."""

from __future__ import annotations

import argparse

from app import __version__
from app.cli import bench, consent, control, doctor, enrol, models, run, scenes, swap, verify
from app.cli.parser import Parser

DESCRIPTION = "A real-time face-swap mirror: webcam in, another face on it."
EPILOG = "Without a command the window opens with the first camera, else with the built-in demo."


def build_parser() -> argparse.ArgumentParser:
    """The parser of every sub-command; each sets ``run``, called with the parsed arguments."""
    parser = Parser(prog="omokage", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"omokage {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, swap, enrol, consent, bench, doctor, models, verify, scenes, control):
        module.add_parser(commands)
    return parser
