"""``omokage models``: which networks there are, whether they are whole, and adding one."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from engines.manifest import FAMILIES, ModelEntry, ModelStore


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The sub-command's arguments; ``subparsers`` is what ``add_subparsers`` gave."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "models",
        help="list, check or add networks",
        description="List the networks, check their files against their sha256, or add your own "
        "SimSwap, INSwapper or BlendFace generator.",
    )
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    actions = parser.add_subparsers(dest="action", metavar="{list,verify,add}")
    parser.set_defaults(run=run, action="list")  # after add_subparsers, whose default is None
    shared = argparse.ArgumentParser(add_help=False)
    # SUPPRESS: a --json before the action must survive the action's own default.
    shared.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print a list for programs"
    )
    actions.add_parser("list", parents=[shared], help="name, size, licence and state (default)")
    actions.add_parser("verify", parents=[shared], help="the same; fails where a file is not whole")
    add = actions.add_parser("add", parents=[shared], help="add a generator of your own")
    add.add_argument("file", type=Path, metavar="FILE", help="the generator, an ONNX file")
    add.add_argument("--family", choices=FAMILIES, help="guessed from the file where left out")
    add.add_argument(
        "--recognizer",
        type=Path,
        metavar="FILE",
        help="the ArcFace ONNX file it was trained with (simswap, inswapper)",
    )
    add.add_argument("--name", help="what to call it (default: the file's name)")
    add.add_argument("--licence", help="under which licence you have it")
    return parser


def run(args: argparse.Namespace, store: ModelStore | None = None) -> int:
    """Do it; exit status 0, or 1 where ``verify`` finds a file or a card missing or damaged.

    Raises ``EngineError`` where a list or a file cannot be used.
    """
    store = store if store is not None else ModelStore()
    if args.action == "add":
        from engines.adding import Candidate, add_model  # heavy: only where it is needed

        card = add_model(
            Candidate(args.file, args.family, args.recognizer, args.name, args.licence), store
        )
        entries = [entry for entry in store.list() if entry.name in _names(card.name)]
    else:
        entries = store.list()
    if args.json:
        print(json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2))
    else:
        for line in _table(entries):
            print(line)
        if args.action == "add":
            print(f"Added {card.name} ({card.family}). Use it with --swapper {card.name}.")
    problems = store.cards()[1] if args.action != "add" else []
    for problem in problems:
        print(f"omokage: {problem}", file=sys.stderr)
    whole = not problems and all(entry.state == "ok" for entry in entries)
    return 0 if whole or args.action == "list" else 1


def _names(card: str) -> tuple[str, str]:
    return card, f"{card} recogniser"


def _table(entries: list[ModelEntry]) -> list[str]:
    rows = [("name", "size", "state", "sha256", "licence")]
    rows += [
        (e.name, f"{e.bytes / 1e6:.2f} MB", e.state, e.sha256[:12], e.licence) for e in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
