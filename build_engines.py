"""Build engines for this computer's NVIDIA GPU: ``python build_engines.py --help``."""

from __future__ import annotations

import sys

from app.__main__ import run_parsed
from app.cli.build import build_parser


def main() -> int:
    """Read the words and do it; the exit status."""
    return run_parsed(build_parser().parse_args())


if __name__ == "__main__":
    sys.exit(main())
