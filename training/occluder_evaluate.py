"""Judge an occluder file on held-out people behind held-out things, and on clips.

``python -m training.occluder_evaluate --data DIR --landmarks ONNX --hands TAR --templates DIR
--model ONNX [--clips DIR] [--only FILE] [--sheet PNG] [--json FILE]``

``--only training/recipes/occluder_checked.txt`` keeps to faces that were looked at one by one: with
nothing before them already, and a label that fits. The others' truth is partly wrong.

Three overlaps, pixels of all scenes together at the threshold one half, padding left out: *face*
(the visible face), *rest* (all else in the square) and *hidden* (face that something covers), and
*mIoU*, the mean of face and rest. *Hidden* is the severe one: the background lifts *rest*.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.stages.align import align
from app.stages.mask import hull_mask
from engines.detector import Detector
from engines.manifest import ModelStore
from engines.occluder import FaceParts, Occluder
from engines.onnx_backend import OnnxBackend
from training.occluder_labels import PLANES
from training.occluder_material import Material, load_material
from training.occluder_scenes import KINDS, UNSEEN, Composer, Scene

WANTED = 0.94  # mIoU over all kinds that are trained on
Masks = NDArray[np.uint8]


@dataclass
class Overlap:
    """Pixels in common and in either, by name."""

    common: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    either: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, name: str, mine: NDArray[np.bool_], true: NDArray[np.bool_]) -> None:
        """One picture more."""
        self.common[name] += int((mine & true).sum())
        self.either[name] += int((mine | true).sum())

    def of(self, name: str) -> float:
        """Intersection over union; 1 where there was nothing."""
        return self.common[name] / self.either[name] if self.either[name] else 1.0

    def summary(self) -> dict[str, float]:
        """Every overlap, and the mean of face and rest."""
        found = {name: round(self.of(name), 4) for name in self.either}
        if "rest" in found:
            found["mIoU"] = round((self.of("face") + self.of("rest")) / 2, 4)
        return found


def judge(overlap: Overlap, parts: FaceParts, scene: Scene) -> None:
    """Add one scene's overlaps; rows without a say count nowhere."""
    counted = scene.weight > 0
    true = {name: scene.truth[n] > 127 for n, name in enumerate(PLANES)}
    mine = {name: getattr(parts, name) > 127 for name in PLANES}
    for name in PLANES:
        overlap.add(name, mine[name] & counted, true[name] & counted)
    overlap.add("rest", ~mine["face"] & counted, ~true["face"] & counted)
    covered = (scene.clean > 127) & counted
    overlap.add("hidden", ~mine["face"] & covered, ~true["face"] & covered)


def scenes_table(
    occluder: Occluder, material: Material, each: int, seed: int
) -> dict[str, dict[str, float]]:
    """Overlaps by kind of occluder, for all trained kinds together, and by group."""
    composer, rng = Composer(material, seed), np.random.default_rng(seed)
    table: dict[str, Overlap] = defaultdict(Overlap)
    for kind in (*KINDS, "plain", UNSEEN):
        for n in rng.integers(0, len(material.rows), each):
            scene = composer.scene(kind, face=int(n))
            parts = occluder.parts(np.ascontiguousarray(scene.picture[..., ::-1]))
            row = material.rows[n]
            judge(table[kind], parts, scene)
            if kind == UNSEEN:
                continue
            judge(table["all"], parts, scene)
            for group in filter(None, (row.race, row.gender)):
                judge(table[f"group: {group}"], parts, scene)
    return {name: overlap.summary() for name, overlap in table.items()}


@dataclass(frozen=True)
class Steadiness:
    """Of a clip's masks inside the outline: mean change a frame, and share that flips to and fro.

    A flip is a pixel that changes sides in one frame and is back in the next: movement does
    that seldom, a restless mask often.
    """

    frames: int
    change: float
    flips: float
    hidden: float  # mean share of the outline that is not seen


def clip_crops(clip: Path, detector: Detector, occluder: Occluder) -> list[Masks]:
    """Aligned BGR crops of the largest face of every frame in which one is found."""
    capture, crops = cv2.VideoCapture(str(clip)), []
    while True:
        good, frame = capture.read()
        if not good:
            break
        faces = detector.detect(np.asarray(frame, np.uint8), 0.5)
        if faces:
            best = max(faces, key=lambda face: face.box[2] * face.box[3])
            crops.append(align(frame, best.landmarks, occluder.template, occluder.crop_size).pixels)
    capture.release()
    return crops


def steadiness(masks: list[Masks], outline: Masks) -> Steadiness | None:
    """How restless masks of consecutive frames are; None of fewer than three."""
    if len(masks) < 3:
        return None
    inside = outline > 127
    values = np.stack([mask[inside] for mask in masks]).astype(np.float32) / 255
    sides = values > 0.5
    flips = (sides[1:-1] != sides[:-2]) & (sides[1:-1] != sides[2:])
    return Steadiness(
        len(masks),
        round(float(np.abs(np.diff(values, axis=0)).mean()), 5),
        round(float(flips.mean()), 5),
        round(float(1 - values.mean()), 4),
    )


def sheet(scenes: Iterable[tuple[NDArray[np.uint8], Masks, Masks]], columns: int) -> Masks:
    """Rows of picture (BGR), answer and truth over it, two scenes' height apart."""
    tiles = []
    for picture, mine, true in scenes:
        shown = [picture]
        for mask in (mine, true):
            share = mask[..., None].astype(np.float32) / 255
            shown.append((picture * (0.35 + 0.65 * share) + (0, 70, 0) * share).clip(0, 255))
        tiles.append(np.concatenate(shown).astype(np.uint8))
    lines = [np.concatenate(tiles[n : n + columns], axis=1) for n in range(0, len(tiles), columns)]
    return np.concatenate([line for line in lines if line.shape[1] == lines[0].shape[1]])


def milliseconds(backend: OnnxBackend, size: int, runs: int = 200) -> dict[str, float]:
    """Least and middle time of one crop, the picture's conversion counted in."""
    occluder = Occluder(backend)
    crop = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        occluder.parts(crop)
        times.append((time.perf_counter() - start) * 1e3)
    return {"least": round(min(times), 3), "median": round(float(np.median(times)), 3)}


def main() -> None:
    """Print the table and, where asked, write JSON and contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "landmarks", "hands", "templates", "model"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--only", type=Path, help="names of the faces to be used, a line each")
    parser.add_argument("--each", type=int, default=250, help="scenes of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    backend = OnnxBackend(args.model.read_bytes(), args.model.name, threads=1)
    occluder = Occluder(backend)
    material = load_material(
        args.data,
        args.landmarks,
        args.hands,
        args.templates,
        args.cache,
        held_out=True,
        most_of_a_set=1000,
    )
    if args.only:
        names = set(args.only.read_text(encoding="utf-8").split())
        material = material.pick([n for n, r in enumerate(material.rows) if r.file in names])
    table = scenes_table(occluder, material, args.each, args.seed)
    columns = ("mIoU", "face", "rest", "hidden", "eyes", "brows", "mouth")
    print(f"{len(material.rows)} held-out faces, {args.each} scenes of each kind")
    print(f"{'':28}" + "".join(f"{name:>9}" for name in columns))
    for kind, overlaps in table.items():
        print(f"{kind:28}" + "".join(f"{overlaps.get(name, 1.0):9.4f}" for name in columns))
    clips: dict[str, dict[str, float] | None] = {}
    if args.clips:
        detector = Detector(OnnxBackend(ModelStore().file("detector").read(), "detector"))
        outline = hull_mask(occluder.crop_size, occluder.template, 0.1)
        for clip in sorted((*args.clips.glob("*.mkv"), *args.clips.glob("*.mpg"))):
            masks = [occluder.parts(c).face for c in clip_crops(clip, detector, occluder)]
            found = steadiness(masks, outline)
            clips[clip.stem] = None if found is None else vars(found)
            print(clip.stem, clips[clip.stem] or "hardly ever shows a face that is found")
    speed = milliseconds(backend, occluder.crop_size)
    print("ms, one thread", speed)
    if args.sheet:
        composer, shown = Composer(material, args.seed + 1), []
        for kind in (*KINDS, "plain", UNSEEN):
            for _ in range(12):
                scene = composer.scene(kind)
                picture = np.ascontiguousarray(scene.picture[..., ::-1])
                shown.append((picture, occluder.parts(picture).face, scene.truth[0]))
        cv2.imwrite(str(args.sheet), sheet(shown, 12))
    if args.json:
        document = {"scenes": table, "clips": clips, "milliseconds": speed, "wanted": WANTED}
        args.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
