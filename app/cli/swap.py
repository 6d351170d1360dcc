"""``omokage swap``: a picture, a video or a folder of pictures, whole or not at all."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from app.cli.options import add_look_options, add_source_options, settings_from
from app.cli.parser import Parser

if TYPE_CHECKING:
    from app.cli.swapping import Counts, Job
    from engines.loading import Engines


def add_parser(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add ``swap``."""
    parser = commands.add_parser(
        "swap",
        help="swap the face in a picture, a video or a folder of pictures",
        description="Swap the face in a picture, a video (its sound is kept) or every picture of "
        "a folder. The same input always gives the same output.",
        usage="omokage swap INPUT --source FACE [FACE ...] --output OUT [options]",
    )
    parser.add_argument("input", metavar="INPUT", help="picture, video or folder")
    parser.add_argument("--output", required=True, metavar="OUT", help="file, or folder for folder")
    add_source_options(parser, required=True)
    add_look_options(parser)
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.set_defaults(run=run)
    parser.hints = {
        "INPUT": ". INPUT comes first, since --source takes every word after it: "
        "omokage swap INPUT --source FACE --output OUT"
    }


def run(arguments: argparse.Namespace) -> int:
    """Swap; 0 where everything was, 1 where a picture of a folder was not."""
    from pathlib import Path

    from app.cli.swapping import plan, work
    from app.settings import Settings

    job = plan(Path(arguments.input), Path(arguments.output), arguments.source)
    settings = settings_from(arguments, Settings(mirror=False))

    from app.cli.sources import enrolled, identities_from_words
    from app.faces import FaceLibrary
    from app.paths import faces_dir, signing_key_path
    from app.pipeline import Pipeline
    from app.pixel_work.opening import pixel_work
    from app.provenance.credentials import Credentials
    from app.stages.identity import Wishes
    from app.stages.occlude import asked
    from app.timing import Timing
    from engines.loading import load_engines

    spares = asked(settings.mask)
    engines = load_engines(settings.swapper, engine=settings.engine, occluder=spares)
    for note in engines.notes:
        print(note, file=sys.stderr)
    try:
        library = FaceLibrary(faces_dir(), engines)
        identity, further = identities_from_words(library, arguments)
        wishes = Wishes(me=enrolled(engines, settings), further=further)
        timing, seal = Timing(), Credentials(signing_key_path())
        with pixel_work(engines, timing, settings.device) as pixels:
            # What has no face passes as it is, and a fault is told.
            pipeline = Pipeline(engines, timing, pixels, guarded=False)
            counts = work(job, pipeline, settings, identity, seal, wishes)
    finally:
        engines.close()
    _report(arguments.json, job, counts, engines)
    return 1 if counts.failed else 0


def _report(as_json: bool, job: Job, counts: Counts, engines: Engines) -> None:
    fps = counts.frames / counts.seconds if counts.seconds > 0 else 0.0
    if as_json:
        document = {
            "kind": job.kind,
            "input": str(job.source),
            "output": str(job.target),
            "frames": counts.frames,
            "faces_swapped": counts.faces,
            "frames_without_face": counts.without_face,
            "failed": [{"file": file, "problem": text} for file, text in counts.failed],
            "left_out": counts.left_out,
            "seconds": round(counts.seconds, 3),
            "fps": round(fps, 2),
            "device": engines.device,
            "engine": engines.engine,
        }
        print(json.dumps(document))
        return
    noun = "frame" if job.kind == "video" else "picture"
    parts = [f"{_many(counts.frames, noun)}, {_many(counts.faces, 'face')} swapped"]
    if counts.without_face:
        parts.append(f"{_many(counts.without_face, 'frame')} without a face left unchanged")
    if counts.failed:
        parts.append(f"{len(counts.failed)} not done")
    if counts.left_out:
        parts.append(f"{_many(counts.left_out, 'other file')} left out")
    print(f"{job.target}: {', '.join(parts)} ({fps:.1f} a second).", file=sys.stdout)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
