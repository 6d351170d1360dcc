"""``omokage verify``: was this picture or video made here?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.frame import Pixels
    from app.provenance.credentials import Found
    from app.provenance.mark_search import MarkFound

MARKED, UNMARKED = 0, 3
EVERY, MOST_FRAMES = 5, 24  # of a video: one frame in five, so many in all


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``verify``."""
    parser = commands.add_parser(
        "verify",
        help="tell whether a picture or video was made here",
        description="Look for the invisible mark in a picture or video, and read its content "
        "credentials (C2PA). Exit status: 0 the mark is there, 3 it is not, 1 the file cannot be "
        "read.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="picture or video")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look; 0 where the mark is, 3 where it is not. ``AppError`` where the file cannot be read."""
    from app.paths import signing_key_path
    from app.provenance.credentials import read_credentials
    from app.provenance.mark_search import find_mark

    path: Path = arguments.file
    found = find_mark(pictures_of(path))
    credentials = read_credentials(path, signing_key_path())
    if arguments.json:
        print(json.dumps(document(found, credentials)))
    else:
        print(_sentence(path.name, found))
        print(_said(credentials))
    return MARKED if found.marked else UNMARKED


def document(found: MarkFound, credentials: Found | None) -> dict[str, object]:
    """What ``--json`` prints; ``c2pa`` is null where the file has no content credentials."""
    import dataclasses

    from app.provenance.mark_search import THRESHOLD

    return {
        "marked": found.marked,
        "score": round(found.score, 2),
        "threshold": round(THRESHOLD, 2),
        "c2pa": None if credentials is None else dataclasses.asdict(credentials),
    }


def pictures_of(path: Path) -> Iterator[Pixels]:
    """The picture, or some frames from the start of the video; ``AppError`` where it has none.

    A video that breaks off gives the frames before.
    """
    from app.capture.clip import Clip
    from app.errors import CaptureError
    from app.pictures import is_picture, read_picture

    if not path.exists():
        raise CaptureError(f"There is no file {path}.")
    if is_picture(path):
        yield read_picture(path)
        return
    clip = Clip(path, realtime=False)
    try:
        for index in range(EVERY * MOST_FRAMES):
            try:
                frame = clip.read()
            except CaptureError:
                if index == 0:
                    raise
                return
            if frame is None:
                return
            if index % EVERY == 0:
                yield frame.pixels
    finally:
        clip.close()


def _sentence(name: str, found: MarkFound) -> str:
    from app.provenance.mark_search import THRESHOLD

    numbers = f"score {found.score:.1f}, {THRESHOLD:.1f} needed"
    if not found.marked:
        return f"{name}: no mark of Omokage was found ({numbers})."
    how = " and mirrored since" if found.mirrored else ""
    return f"{name}: made with Omokage, AI face replacement{how} ({numbers})."


def _said(credentials: Found | None) -> str:
    if credentials is None:
        return "Content credentials: none."
    parts = [f"Content credentials: {credentials.explanation}"]
    if credentials.issuer:
        parts.append(f"Signed as {credentials.issuer}, made by {credentials.generator}.")
    if credentials.ai:
        parts.append("They state that AI was used.")
    return " ".join(parts)
