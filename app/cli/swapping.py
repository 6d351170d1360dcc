"""The work behind ``omokage swap``: what becomes what, and the loops over frames and files."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.capture.clip import Clip
from app.cli.progress import Progress
from app.cli.sources import refuse_input
from app.errors import AppError, CaptureError, PictureError
from app.frame import Frame
from app.pictures import is_picture, is_picture_name, read_picture
from app.pipeline import Pipeline
from app.settings import Settings
from app.sinks.recorder import SUFFIXES, Recorder
from app.sinks.seal import Seal
from app.sinks.snapshot import OPTIONS, save_snapshot
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.words import counted

PICTURES_OUT = tuple(OPTIONS)
VIDEOS_OUT = tuple(sorted(SUFFIXES))
NOTHING_WRITTEN = "Nothing was written."


@dataclass(frozen=True)
class Job:
    """What is to be made: ``kind`` is picture, video or folder."""

    kind: str
    source: Path
    target: Path


@dataclass
class Counts:
    """What was done. ``failed`` holds a file's name and its sentence."""

    frames: int = 0
    faces: int = 0
    without_face: int = 0
    left_out: int = 0
    seconds: float = 0.0
    failed: list[tuple[str, str]] = field(default_factory=list)


def plan(source: Path, target: Path, faces: Sequence[str] = ()) -> Job:
    """Check the paths before anything is loaded; ``AppError`` where the job cannot be done.

    ``faces`` are the words of ``--source``: a picture among them is never replaced.
    """
    if not source.exists():
        raise CaptureError(f"There is no file or folder {source}.")
    if target.exists() and target.samefile(source):
        raise CaptureError(f"{target} is the input itself.", "Name another --output.")
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise CaptureError(f"{source} is a folder, but {target} is a file.", "Name a folder.")
        pictures, _ = pictures_of(source)
        for name in output_names(pictures).values():
            refuse_input(target / name, faces)
        return Job("folder", source, target)
    kind = "picture" if is_picture(source) else "video"
    wanted = PICTURES_OUT if kind == "picture" else VIDEOS_OUT
    if target.is_dir():
        raise CaptureError(f"{target} is a folder, but the input is one {kind}.", "Name a file.")
    if kind == "video" and target.suffix.lower() in PICTURES_OUT:
        raise CaptureError(
            f"{source.name} is no picture, and a video cannot be written as {target.name}.",
            f"Use one of: {', '.join(VIDEOS_OUT)}.",
        )
    if target.suffix.lower() not in wanted:
        raise CaptureError(
            f"A {kind} cannot be written as {target.name}.", f"Use one of: {', '.join(wanted)}."
        )
    if not target.parent.is_dir():
        raise CaptureError(f"There is no folder {target.parent} to write into.", "Make it first.")
    refuse_input(target, faces)
    return Job(kind, source, target)


def work(
    job: Job,
    pipeline: Pipeline,
    settings: Settings,
    identity: Identity,
    seal: Seal,
    wishes: Wishes = NO_WISHES,
) -> Counts:
    """Do the job; ``AppError`` where a single picture or a video could not be done."""
    counts = Counts()
    start = time.perf_counter()
    if job.kind == "picture":
        swap_picture(job.source, job.target, pipeline, settings, identity, seal, counts, wishes)
    elif job.kind == "video":
        swap_video(job.source, job.target, pipeline, settings, identity, seal, counts, wishes)
    else:
        swap_folder(job.source, job.target, pipeline, settings, identity, seal, counts, wishes)
    counts.seconds = time.perf_counter() - start
    return counts


def swap_picture(
    source: Path,
    target: Path,
    pipeline: Pipeline,
    settings: Settings,
    identity: Identity,
    seal: Seal,
    counts: Counts,
    wishes: Wishes = NO_WISHES,
) -> None:
    """One picture; ``PictureError`` where it has no face, and then nothing is written."""
    frame = Frame(read_picture(source), index=0, captured_at=time.monotonic())
    pipeline.reset()
    done = pipeline.process(frame, settings, identity, wishes)
    if not done.swapped:
        raise PictureError(f"There is no face to be found in {source.name}.", NOTHING_WRITTEN)
    save_snapshot(target, done.frame.pixels, seal)
    counts.frames += 1
    counts.faces += done.swapped


def swap_folder(
    source: Path,
    target: Path,
    pipeline: Pipeline,
    settings: Settings,
    identity: Identity,
    seal: Seal,
    counts: Counts,
    wishes: Wishes = NO_WISHES,
) -> None:
    """Every picture directly in ``source``; one that fails is told and the rest goes on."""
    pictures, counts.left_out = pictures_of(source)
    if not pictures:
        raise PictureError(f"There is no picture in {source}.")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"The folder {target} cannot be made ({error.strerror}).") from error
    names = output_names(pictures)
    for path in Progress(pictures, unit="picture"):
        try:
            swap_picture(
                path, target / names[path], pipeline, settings, identity, seal, counts, wishes
            )
        except AppError as error:
            counts.failed.append((path.name, str(error)))
            Progress.write(f"omokage: {error}", file=sys.stderr)


def pictures_of(folder: Path) -> tuple[list[Path], int]:
    """The pictures directly in ``folder``, sorted, and how many other files there are."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    pictures = [path for path in files if is_picture_name(path)]
    return pictures, len(files) - len(pictures)


def output_names(pictures: list[Path]) -> dict[Path, str]:
    """The name each picture's result gets: its own, as PNG where its format is not written."""
    kept = {path: path.name for path in pictures if path.suffix.lower() in PICTURES_OUT}
    taken = set(kept.values())
    for path in pictures:
        if path not in kept:
            name = f"{path.stem}.png" if f"{path.stem}.png" not in taken else f"{path.name}.png"
            kept[path] = name
            taken.add(name)
    return kept


def swap_video(
    source: Path,
    target: Path,
    pipeline: Pipeline,
    settings: Settings,
    identity: Identity,
    seal: Seal,
    counts: Counts,
    wishes: Wishes = NO_WISHES,
) -> None:
    """Every frame of a video, its sound kept; frames without a face pass as they are.

    A video that breaks off gives what it has, and then raises its ``CaptureError``. Where no
    frame shows a face, and at any other failure or interruption, nothing is written.
    """
    clip = Clip(source, realtime=False)
    try:
        info = clip.info
        rate = info.rate or 30.0
        recorder = Recorder(target, info.width, info.height, rate, audio_from=source, seal=seal)
        broken: CaptureError | None = None
        pipeline.reset()
        with contextlib.ExitStack() as undo:
            undo.callback(recorder.abort)
            with Progress(total=info.frame_count, unit="frame") as bar:
                while True:
                    try:
                        frame = clip.read()
                    except CaptureError as error:
                        broken = error
                        break
                    if frame is None:
                        break
                    done = pipeline.process(frame, settings, identity, wishes)
                    recorder.write(done.frame)
                    counts.frames += 1
                    counts.faces += done.swapped
                    counts.without_face += not done.swapped
                    bar.update()
            if not counts.faces:
                where = f"what can be read of {source.name}" if broken else source.name
                raise CaptureError(f"There is no face to be found in {where}.", NOTHING_WRITTEN)
            recorder.close()
            undo.pop_all()
        if recorder.unsealed:
            print(f"omokage: {recorder.unsealed}", file=sys.stderr)
    finally:
        clip.close()
    if broken:
        raise CaptureError(
            f"{broken.what} What comes before it, {counted(counts.frames, 'frame')}, "
            f"was swapped: {target}."
        )
