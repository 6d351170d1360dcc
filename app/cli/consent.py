"""``omokage consent``: whose faces may be used, since when and why; and withdrawing it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.consents import Consents


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``consent``."""
    parser = commands.add_parser(
        "consent",
        help="list, export or revoke the consent records",
        description="Every face that is used has a record of consent. List them, write them to a "
        "file, or revoke one: its face is then not used any more, from the next frame on.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", metavar="{list,export,revoke}")
    parser.set_defaults(run=run, action="list")  # after add_subparsers, whose default is None
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    actions.add_parser("list", parents=[shared], help="all records, newest first (default)")
    export = actions.add_parser("export", parents=[shared], help="write them to a file")
    export.add_argument("file", type=Path, metavar="FILE", help="ends in .json or .csv")
    revoke = actions.add_parser("revoke", parents=[shared], help="withdraw one from now on")
    revoke.add_argument(
        "which", metavar="WHICH", help="the record's id or its start, the person or the face"
    )
    revoke.add_argument("--note", default="", help="kept with the withdrawal")


def run(arguments: argparse.Namespace) -> int:
    """Do it; ``AppError`` where the records cannot be used."""
    from app.consents import Consents
    from app.paths import faces_dir

    consents = Consents(faces_dir())
    if arguments.action == "export":
        return _export(consents, arguments.file, as_json=arguments.json)
    if arguments.action == "revoke":
        return _revoke(consents, arguments.which, arguments.note, as_json=arguments.json)
    return _list(consents, as_json=arguments.json)


def _list(consents: Consents, *, as_json: bool) -> int:
    import sys

    from app.consent_export import as_document

    listed = consents.list()
    if as_json:
        print(json.dumps(as_document(listed, consents.problems()), ensure_ascii=False))
        return 0
    for consent in listed:
        record = consent.record
        until = f", until {record.expires}" if record.expires else ""
        print(
            f"{consent.consent_id[:8]}  {consent.state.value:<8}  {record.person}: "
            f"{record.basis.value}, recorded {record.recorded_at[:10]}{until}"
        )
        for label, text in (("covers", record.scope), ("note", record.note)):
            if text:
                print(f"          {label}: {text}")
        for event in consent.history[1:]:
            print(f"          {event.what.value} on {event.at[:10]} {event.note}".rstrip())
    if not listed:
        print("There are no consent records.")
    for problem in consents.problems():
        print(f"omokage: {problem}", file=sys.stderr)
    return 0


def _export(consents: Consents, file: Path, *, as_json: bool) -> int:
    from app.consent_export import export

    listed = consents.list()
    export(listed, consents.problems(), file)
    if as_json:
        print(json.dumps({"file": str(file), "records": len(listed)}))
    else:
        print(f"{file}: {len(listed)} consent record{'' if len(listed) == 1 else 's'}.")
    return 0


def _revoke(consents: Consents, which: str, note: str, *, as_json: bool) -> int:
    consent = consents.revoke(which, note)
    if as_json:
        print(json.dumps({"consent_id": consent.consent_id, "state": "revoked"}))
    else:
        print(f"The consent for {consent.record.person} is revoked: the face is not used any more.")
    return 0
