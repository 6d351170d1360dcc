"""``omokage scenes``: the looks that were saved under a name."""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``scenes``."""
    parser = commands.add_parser(
        "scenes",
        help="list or remove the saved scenes",
        description="Scenes are saved in the window: source face, mask, light, badge and a key. "
        "Show one with: omokage run --scene NAME.",
    )
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    parser.set_defaults(run=run, action="list")
    actions = parser.add_subparsers(dest="action", metavar="{list,remove}")
    listing = actions.add_parser("list", help="name, faces, mask and key (default)")
    listing.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    removing = actions.add_parser("remove", help="forget one")
    removing.add_argument("name", metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0, or ``SettingsError`` where the scene is not there."""
    from app.control.performing import scenes_of
    from app.paths import scenes_path
    from app.scenes import SceneBook

    book = SceneBook(scenes_path())
    for problem in book.problems:
        print(f"omokage: {problem}", file=sys.stderr)
    if arguments.action == "remove":
        book.remove(arguments.name)
        return 0
    if arguments.json:
        print(json.dumps(scenes_of(book)["scenes"], indent=2))
        return 0
    for scene in book.scenes:
        key = f"  {scene.key}" if scene.key else ""
        people = ", ".join(
            face.replace("+", " + ") for face in ("+".join(scene.faces), *scene.further)
        )
        print(f"{scene.name}  {people}  {scene.mask.kind}{key}")
    if not book.scenes:
        print("There is no scene yet. Save one in the window.")
    return 0
