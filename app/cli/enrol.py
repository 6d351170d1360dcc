"""``omokage enrol``: let only your own face be swapped, from the camera or from pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.enrolment import Enrolment, Enrolments

LONGEST_S = 30.0  # before the camera


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``enrol``."""
    parser = commands.add_parser(
        "enrol",
        help="enrol your face, so that --faces me swaps only you",
        description="Keep embeddings of your face on this machine (no picture), from a few seconds "
        "before the camera or from pictures. Use only your own face.",
    )
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE")
    parser.add_argument("--camera", metavar="0|NAME|URL|FILE|demo", help="default: the first one")
    parser.add_argument("--delete", action="store_true", help="delete what is enrolled")
    parser.add_argument("--show", action="store_true", help="only say what is enrolled")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0 when done, ``AppError`` where it cannot be."""
    actions = (arguments.delete, arguments.show, bool(arguments.pictures), bool(arguments.camera))
    if sum(actions) > 1:
        arguments.parser.error("give one of PICTURE, --camera, --delete and --show")

    from app.enrolment import Enrolments, delete_enrolment
    from app.paths import enrolment_path
    from engines.loading import load_engines

    if arguments.delete:  # whatever became of the models
        delete_enrolment(enrolment_path())
        _report(None, as_json=arguments.json)
        return 0
    engines = load_engines()
    try:
        enrolments = Enrolments(enrolment_path(), engines)
        if arguments.show:
            kept = enrolments.load()
        elif arguments.pictures:
            kept = enrolments.from_pictures(arguments.pictures)
        else:
            kept = _before_the_camera(enrolments, arguments.camera or "")
    finally:
        engines.close()
    _report(kept, as_json=arguments.json)
    return 0


def _before_the_camera(enrolments: Enrolments, camera: str) -> Enrolment:
    from app.capture import opening
    from app.cli.progress import Progress
    from app.errors import CaptureError
    from app.settings import CaptureSettings

    if not camera and not opening.list_cameras():  # the demo's person is nobody's own face
        raise CaptureError("There is no camera.", "Enrol from pictures: omokage enrol PICTURE.")

    enroller, refused, first = enrolments.begin(), "", None
    source = opening.open_source(camera, CaptureSettings(), realtime=True)
    print("Look at the camera and turn your head a little to each side.", file=sys.stderr)
    try:
        with Progress(total=100, unit="%") as bar:
            while enroller.share < 1 and (frame := source.read()) is not None:
                first = frame.captured_at if first is None else first
                if frame.captured_at - first > LONGEST_S:
                    break
                before = enroller.share
                refused = enroller.add(frame.pixels, frame.captured_at) or refused
                bar.update(round(100 * (enroller.share - before)))
    finally:
        source.close()
    if enroller.share < 1:
        raise CaptureError(
            f"Your face was not seen well enough to enrol it. {refused}",
            "Sit in good light, alone, and look at the camera.",
        )
    return enrolments.save(enroller.templates)


def _report(kept: Enrolment | None, *, as_json: bool) -> None:
    if as_json:
        document = {
            "enrolled": kept is not None,
            "looks": 0 if kept is None else len(kept.templates),
            "made_at": None if kept is None else kept.made_at,
        }
        print(json.dumps(document))
    elif kept is None:
        print("No face is enrolled.")
    else:
        looks = "1 look" if len(kept.templates) == 1 else f"{len(kept.templates)} looks"
        print(f"Your face is enrolled ({looks}, {kept.made_at[:10]}).")
