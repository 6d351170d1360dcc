"""Judge a swapper on people it was not trained on: see "The harness" in training/README.md.

python -m training.evaluate --data DIR --teacher FILE --landmarks FILE [--gaze FILE] [--dlib FILE]
    [--mobileface FILE] [--models DIR | --added NAME] [--clips DIR] [--quick] [--sheet PNG]
    [--json [FILE]]

Every figure stands beside the baselines: self swap (another photo of the same person), no swap (the
target), paste (the source's face laid on the target) and random identity.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from app.errors import AppError
from engines.detector import Detector
from engines.loading import load_engines
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.swapper import PreparedIdentity, Swapper
from training.gaze import Gaze
from training.harness import Stage, evaluate
from training.heldout import Pairs, People, held_out, reference
from training.instruments import Instruments, digests
from training.judges import DlibJudge, MobileFaceJudge, NetworkJudge, Recogniser, loss_judge
from training.landmarks import Landmarks
from training.memory import Memory
from training.report import document, sheet, table
from training.swapping import Chain, own_swapper
from training.temporal import steadiness

FULL, QUICK = 400, 100
EXTRAS = 128  # pictures for reconstruction, half as many for light; a quarter with --quick
REFERENCE, CENTRE = 400, 100  # real faces to compare with, and to centre descriptors by
CLIP_FRAMES, QUICK_CLIP_FRAMES = 30, 10  # of each clip
VIDEOS = (".mkv", ".mp4", ".mpg", ".mov", ".webm", ".avi")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="the loss's recogniser")
    parser.add_argument("--landmarks", type=Path, required=True, help="OpenSeeFace's 66 points")
    parser.add_argument("--gaze", type=Path, help="OpenSeeFace's gaze network")
    parser.add_argument("--dlib", type=Path, help="dlib's face recognition ResNet")
    parser.add_argument("--mobileface", type=Path, help="mobileface.json, a second judge")
    parser.add_argument(
        "--judge", type=Path, help="another recogniser (ONNX, 112 px), not in a loss"
    )
    parser.add_argument(
        "--models", type=Path, default=Path("assets"), help="folder of swapper.onnx"
    )
    parser.add_argument("--added", help="name of an added swapper, instead of --models")
    parser.add_argument(
        "--raw", action="store_true", help="without the application's mask and light"
    )
    parser.add_argument("--clips", type=Path, help="folder of videos for jitter")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--pairs", type=int, help=f"default {FULL}, with --quick {QUICK}")
    parser.add_argument("--quick", action="store_true", help="for a look during training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG)")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    found = parser.parse_args(given)
    outputs = [found.sheet, None if found.json in (None, "-") else Path(found.json)]
    for folder in (found.clips, *(file.parent for file in outputs if file is not None)):
        if folder is not None and not folder.is_dir():
            parser.error(f"{folder} is no folder")  # now, not after half an hour
    if found.sheet and not cv2.haveImageWriter(str(found.sheet)):
        parser.error(f"--sheet writes pictures, {found.sheet.name} is none: name it sheet.png")
    return found


def instruments(given: argparse.Namespace, memory: Memory, real: People) -> Instruments:
    """The judges and networks asked for."""
    judges: list[Recogniser] = [loss_judge(given.teacher, given.threads)]
    if given.dlib:
        judges.append(DlibJudge(given.dlib, real.pictures[:CENTRE]))
    if given.mobileface:
        judges.append(MobileFaceJudge(given.mobileface, real.pictures[:CENTRE]))
    if given.judge:
        name, threads = given.judge.stem, given.threads
        judges.append(NetworkJudge(given.judge, name, in_loss=False, threads=threads))
    files = digests(
        teacher=given.teacher,
        dlib=given.dlib,
        landmarks=given.landmarks,
        gaze=given.gaze,
        mobileface=given.mobileface and given.mobileface.with_suffix(".bin"),
    )
    if given.judge:
        files |= digests(**{given.judge.stem: given.judge})
    return Instruments(
        judges,
        Landmarks(given.landmarks, given.threads),
        Gaze(given.gaze, given.threads) if given.gaze else None,
        memory,
        files,
    )


def swapper(given: argparse.Namespace, teacher: Recogniser) -> Swapper:
    """The network to be judged."""
    if given.added:
        return load_engines(given.added).swapper
    return own_swapper(given.models, teacher, given.threads)


def clips(
    given: argparse.Namespace,
    chain: Chain,
    landmarks: Landmarks,
    identities: Sequence[PreparedIdentity],
) -> dict[str, Any]:
    """Jitter over the videos of a folder, each with another source."""
    files = sorted(file for file in given.clips.iterdir() if file.suffix.lower() in VIDEOS)
    frames = QUICK_CLIP_FRAMES if given.quick else CLIP_FRAMES
    store = ModelStore()
    with contextlib.closing(
        Detector(OnnxBackend(store.file("detector").read(), "detector", threads=given.threads))
    ) as detector:
        figures = steadiness(files, detector, chain, identities, landmarks, frames)
    return {"clips": len(files), "frames": frames, "figures": figures}


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Judge, write the sheet that was asked for, and return the document."""
    started = time.perf_counter()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    pairs = Pairs.of(
        held_out(given.data, given.cache), given.pairs or (QUICK if given.quick else FULL)
    )
    real = reference(given.data, given.cache, REFERENCE)
    read = instruments(given, Memory(given.cache), real)
    chain = Chain(swapper(given, read.judges[0]), raw=given.raw)
    stage = Stage.of(pairs, real, read)
    found = evaluate(chain, stage, read, extras=EXTRAS // 4 if given.quick else EXTRAS)
    about: dict[str, Any] = {
        "swapper": given.added or str(given.models),
        "output": "the generator's own output" if given.raw else "as the application shows it",
        "embeddings": chain.swapper.recognizer.name,
    }
    report = document(found, pairs, read.judges, about)
    if given.clips:
        report["clips"] = clips(given, chain, read.landmarks, found.identities)
    if given.sheet:
        picture = sheet(chain, pairs, stage.different.targets, found)
        if not cv2.imwrite(str(given.sheet), picture[..., ::-1]):
            raise SystemExit(f"{given.sheet} cannot be written.")
    report["seconds"] = round(time.perf_counter() - started, 1)
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table or the JSON."""
    given = arguments(argv)
    try:
        report = run(given)
    except (AppError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if given.json == "-":
        print(json.dumps(report, indent=1))
        return 0
    if given.json:
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
