"""Compare a detector with the reference on held-out clips and held-out composed scenes.

``python -m training.detector_evaluate --data DIR --clips DIR --hands FILE --model FILE
--reference FILE [--occluders DIR] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.detector_hard import hard_materials
from training.detector_material import SIDE, Material, Scene, load_material
from training.detector_scenes import Composer
from training.detector_teacher import Detections, Floats, ReferenceDetector, overlap
from training.recognizer_covers import Covers, load_covers

MATCH = 0.5  # least overlap of two boxes of one face
TRUTH = 0.4  # least overlap with a known face; its box under a turn is an estimate
SHIFT = 3  # pixels; a steady detector gives the same points in the shifted picture
FALSE = 0.2  # below this overlap with every known face a detection is false


@dataclass
class Tally:
    """Counts over one set; errors are shares of the eye distance, one a face."""

    pictures: int = 0
    reference: int = 0  # faces the reference finds (where the truth is known: true ones)
    kept: int = 0  # of these, found by the model
    extra: int = 0  # faces of the model without a reference face
    extra_unseen: int = 0  # of these, without a reference face at half its threshold
    faces: int = 0  # known faces
    hit_model: int = 0
    hit_reference: int = 0
    false_model: int = 0
    false_reference: int = 0
    apart: list[float] = field(default_factory=list)  # model to reference
    error_model: list[float] = field(default_factory=list)  # model to truth, both found it
    error_reference: list[float] = field(default_factory=list)
    jitter_model: list[float] = field(default_factory=list)  # to itself, SHIFT px aside
    jitter_reference: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float | int | None]:
        """Rates and means for the table; None where nothing was counted."""
        counts = {k: v for k, v in asdict(self).items() if isinstance(v, int)}
        return counts | {
            "recall_of_reference": _ratio(self.kept, self.reference),
            "recall_model": _ratio(self.hit_model, self.faces),
            "recall_reference": _ratio(self.hit_reference, self.faces),
            "points_model_to_reference": _mean(self.apart),
            "points_model_to_truth": _mean(self.error_model),
            "points_reference_to_truth": _mean(self.error_reference),
            "points_model_shifted": _mean(self.jitter_model),
            "points_reference_shifted": _mean(self.jitter_reference),
        }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 5) if whole else None


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 5) if values else None


def pair(a: Floats, b: Floats, least: float) -> list[tuple[int, int]]:
    """Greedy one-to-one pairs of boxes, best overlap first, at or above ``least``."""
    if not len(a) or not len(b):
        return []
    table = overlap(a, b)
    pairs = []
    while table.max() >= least:
        i, j = np.unravel_index(int(table.argmax()), table.shape)
        pairs.append((int(i), int(j)))
        table[i, :] = table[:, j] = -1
    return pairs


def point_error(found: Floats, true: Floats) -> float:
    """Mean distance of five points over the distance of the true eyes."""
    eyes = float(np.hypot(*(true[0] - true[1])))
    return float(np.hypot(*(found - true).T).mean() / max(eyes, 1e-6))


def count(
    tally: Tally, scene: Scene, model: Detections, reference: Detections, faint: Detections
) -> None:
    """Add one picture: ``faint`` are the reference's faces at half its threshold."""
    tally.pictures += 1
    official = np.arange(len(reference.score))
    if len(scene.boxes):
        mine = dict(pair(scene.boxes, model.boxes, TRUTH))
        theirs = dict(pair(scene.boxes, reference.boxes, TRUTH))
        tally.faces += len(scene.boxes)
        tally.hit_model += len(mine)
        tally.hit_reference += len(theirs)
        for n in mine.keys() & theirs.keys():
            true = scene.points[n]
            tally.error_model.append(point_error(model.points[mine[n]], true))
            tally.error_reference.append(point_error(reference.points[theirs[n]], true))
    if scene.certain:
        tally.false_model += _false(model.boxes, scene.boxes)
        tally.false_reference += _false(reference.boxes, scene.boxes)
        official = np.flatnonzero(_true(reference.boxes, scene.boxes))
    pairs = pair(reference.boxes[official], model.boxes, MATCH)
    tally.reference += len(official)
    tally.kept += len(pairs)
    for r, m in pairs:
        tally.apart.append(point_error(model.points[m], reference.points[official[r]]))
    matched = {m for _, m in pair(reference.boxes, model.boxes, MATCH)}
    extra = [n for n in range(len(model.score)) if n not in matched]
    tally.extra += len(extra)
    seen = pair(model.boxes[extra], faint.boxes, FALSE)
    tally.extra_unseen += len(extra) - len(seen)


def jitter(
    detector: ReferenceDetector, picture: NDArray[np.uint8], first: Detections
) -> list[float]:
    """How far the points of each face move, beyond the shift, when the picture is shifted."""
    shifted = np.zeros_like(picture)
    shifted[SHIFT:, SHIFT:] = picture[:-SHIFT, :-SHIFT]
    again = detector.detect(shifted, 0.5)
    return [
        point_error(again.points[j] - SHIFT, first.points[i])
        for i, j in pair(first.boxes, again.boxes - (SHIFT, SHIFT, 0, 0), MATCH)
    ]


def _false(found: Floats, true: Floats) -> int:
    if not len(found) or not len(true):
        return len(found)
    return int((overlap(found, true).max(1) < FALSE).sum())


def _true(found: Floats, true: Floats) -> NDArray[np.bool_]:
    if not len(found) or not len(true):
        return np.zeros(len(found), bool)
    return overlap(found, true).max(1) >= TRUTH


def letterbox(frame: NDArray[np.uint8], boxes: Floats, points: Floats) -> Scene:
    """The whole frame in the top left of a black SIDE x SIDE square."""
    scale = SIDE / max(frame.shape[:2])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    hidden = np.zeros(len(boxes), np.float32)
    return Scene(square, boxes * scale, points * scale, hidden, certain=False)


def sets(
    material: Material, covers: Covers | None, scenes: int, seed: int
) -> Iterator[tuple[str, Scene]]:
    """Every held-out picture with the name of its set; the hard ones where there are covers."""
    for frame, boxes, points in zip(
        material.frames, material.frame_boxes, material.frame_points, strict=True
    ):
        yield "clips", letterbox(frame, boxes, points)
    composer = Composer(material, seed)
    for _ in range(scenes // 2):
        yield "clip crops", composer.clip_scene()
    for _ in range(scenes):
        yield "scenes", composer.composed_scene()
    for _ in range(scenes // 2):
        yield "no face", composer.composed_scene(empty=True)
    if covers is None:
        return
    for name, changed in hard_materials(material, covers):
        composer = Composer(changed, seed)
        for _ in range(scenes // 4):
            yield name, composer.composed_scene()


def evaluate(args: argparse.Namespace) -> dict[str, dict[str, float | int | None]]:
    """All sets at one threshold; the reference's is always 0.6."""
    cv2.setNumThreads(1)
    reference, model = ReferenceDetector(args.reference), ReferenceDetector(args.model)
    material = load_material(
        args.data,
        args.clips,
        args.hands,
        reference,
        held_out=not args.trained_on,
        limit=args.faces,
    )
    tallies: dict[str, Tally] = {}
    covers = load_covers(args.occluders, held_out=True) if args.occluders else None
    for name, scene in sets(material, covers, args.scenes, args.seed):
        tally = tallies.setdefault(name, Tally())
        mine = model.detect(scene.picture, args.threshold)
        theirs = reference.detect(scene.picture, 0.6)
        count(tally, scene, mine, theirs, reference.detect(scene.picture, 0.3))
        tally.jitter_model += jitter(model, scene.picture, mine)
        tally.jitter_reference += jitter(reference, scene.picture, theirs)
    return {name: tally.summary() for name, tally in tallies.items()}


def milliseconds(path: Path, side: int, runs: int = 60) -> float:
    """Least time of one picture on one thread, decoding left out."""
    detector = ReferenceDetector(path)
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        detector.dense(picture)
        times.append(time.perf_counter() - start)
    return round(min(times) * 1e3, 3)


def main() -> None:
    """Print the table and, where asked, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "clips", "hands", "model", "reference"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--occluders", type=Path, help="masks and hands, for the hard sets")
    parser.add_argument("--threshold", type=float, default=0.6)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument(
        "--trained-on", action="store_true", help="the training split, to choose a threshold by"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    table = evaluate(args)
    names = list(table)
    print(f"{'':28}" + "".join(f"{name:>12}" for name in names))
    for key in next(iter(table.values())):
        cells = ["-" if table[n][key] is None else str(table[n][key]) for n in names]
        print(f"{key:28}" + "".join(f"{cell:>12}" for cell in cells))
    speed = {
        which: {side: milliseconds(path, side) for side in (160, 320)}
        for which, path in (("model", args.model), ("reference", args.reference))
    }
    print("ms, one thread", speed)
    if args.json:
        args.json.write_text(json.dumps({"sets": table, "milliseconds": speed}, indent=1))


if __name__ == "__main__":
    main()
