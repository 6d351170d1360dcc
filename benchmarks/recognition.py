"""Where the recogniser's thresholds belong: ``python -m benchmarks.recognition FOLDER``.

Each clip of the folder shows one person; ``--same A B ...`` names clips (file stems) of one person.
A person is enrolled as the window does it, from one clip, and then met in every other one, in
windows of as many looks as the pipeline averages. Clips of one person that are the only one are
split in half. With ``--faces`` single photographs of held-out people (the training set's layout)
are compared as well: the hard case of another day, light and camera.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.capture.clip import Clip
from app.settings import DetectorSettings
from app.stages.align import align
from app.stages.recognition import FIRST_LOOKS, likeness
from app.stages.track import Tracker
from engines.loading import Engines, load_engines
from engines.recognizer import SAME_PERSON, STRANGER, Recognizer, embed_both

Embeddings = NDArray[np.float32]
ENROLLED = 12  # looks in an enrolment


def embeddings_of(path: Path, engines: Engines, recognizer: Recognizer) -> Embeddings:
    """Of the largest face in each frame and of its mirror image, n x 2 x d."""
    clip, tracker, found = Clip(path, realtime=False), Tracker(engines.detector), []
    try:
        while (frame := clip.read()) is not None:
            faces = tracker.update(frame, DetectorSettings())
            if not faces or faces[0].track_id in tracker.missing:
                continue
            crop = align(
                frame.pixels, faces[0].landmarks, recognizer.template, recognizer.crop_size
            )
            turned = np.ascontiguousarray(crop.pixels[:, ::-1])
            found.append([recognizer.embed(crop.pixels), recognizer.embed(turned)])
    finally:
        clip.close()
    return np.stack(found)


def windows(embeddings: Embeddings, looks: int) -> list[Embeddings]:
    """Means of ``looks`` successive embeddings, length 1: of the face and, every second one, of its
    mirror image, as the application looks."""
    means = []
    at = np.arange(len(embeddings))
    embeddings = embeddings[at, at % 2]
    for start in range(0, len(embeddings) - looks + 1, looks):
        mean = embeddings[start : start + looks].mean(axis=0)
        means.append(mean / np.linalg.norm(mean))
    return means


def clip_scores(
    clips: dict[str, Embeddings], groups: list[set[str]], looks: int
) -> tuple[list[float], list[float]]:
    """Likenesses of the same person, and of others."""
    same, other = [], []
    for enrolled, met in itertools.product(clips, clips):
        together = any({enrolled, met} <= group for group in groups)
        alone = not any(enrolled in group for group in groups)
        if enrolled == met and not alone:
            continue
        half = len(clips[met]) // 2 if enrolled == met else 0
        templates = clips[enrolled][: half or None].sum(axis=1)
        templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        templates = templates[:: max(1, len(templates) // ENROLLED)]
        scores = [likeness(window, templates) for window in windows(clips[met][half:], looks)]
        (same if together or enrolled == met else other).extend(scores)
    return same, other


def photo_scores(folder: Path, recognizer: Recognizer) -> tuple[list[float], list[float]]:
    """Cosines of two photographs of one held-out person, and of two people."""
    from training.data import load_pictures, read_index

    rows = [row for row in read_index(folder) if row.held_out]
    pictures = load_pictures(folder, rows, 128)[:, 8:120, 8:120, ::-1]
    found = np.stack([embed_both(recognizer, np.ascontiguousarray(p)) for p in pictures])
    likely = found @ found.T
    people = np.array([row.identity for row in rows])
    equal = people[:, None] == people[None]
    upper = np.triu(np.ones_like(equal), 1)
    return likely[equal & upper].tolist(), likely[~equal & upper].tolist()


def report(name: str, same: list[float], other: list[float]) -> None:
    """One table: what each threshold lets in and keeps out."""
    if not same or not other:
        print(f"{name}: not enough of them to compare one person with itself and with others")
        return
    mine, theirs = np.array(same), np.array(other)
    print(f"{name}: {len(mine)} of the same person, {len(theirs)} of others")
    print(f"  same: least {mine.min():.3f}, 1 % {np.percentile(mine, 1):.3f}", end="")
    print(f", median {np.median(mine):.3f}; others: most {theirs.max():.3f}", end="")
    print(f", 99 % {np.percentile(theirs, 99):.3f}, median {np.median(theirs):.3f}")
    print(f"  {'threshold':>10}{'missed':>10}{'let in':>10}")
    for threshold in sorted({*np.round(np.arange(0.2, 0.75, 0.05), 2), SAME_PERSON, STRANGER}):
        missed, let_in = (mine < threshold).mean(), (theirs >= threshold).mean()
        print(f"  {threshold:>10.2f}{missed:>10.2%}{let_in:>10.3%}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="clips of one person each")
    parser.add_argument("--same", nargs="+", action="append", default=[], metavar="CLIP")
    parser.add_argument("--faces", type=Path, help="folder of face shards with index.csv")
    arguments = parser.parse_args()
    engines = load_engines()
    try:
        recognizer = engines.recognizer  # which tells people apart; the swapper's may see more
        assert recognizer is not None
        files = sorted(arguments.folder.iterdir())
        clips = {path.stem: embeddings_of(path, engines, recognizer) for path in files}
        empty = [name for name, found in clips.items() if not len(found)]
        if empty:
            parser.error(f"no face is found in {', '.join(empty)}")
        groups = [set(group) for group in arguments.same]
        for looks in (1, FIRST_LOOKS):
            report(f"clips, {looks} looks", *clip_scores(clips, groups, looks))
        if arguments.faces:
            report("held-out photographs", *photo_scores(arguments.faces, recognizer))
    finally:
        engines.close()


if __name__ == "__main__":
    main()
