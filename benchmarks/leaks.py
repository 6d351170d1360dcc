"""Counts frames in which a real face leaves the pipeline raw: ``python -m benchmarks.leaks``.

Scenes of exits, occlusions, turns, second persons, cuts, damaged frames and injected faults are
made from the built-in demo, and from a folder of clips where one is given. Where real faces are is
known by construction in the demo; in clips two passes of a detector over the untouched input say
so, or one that the recogniser confirms (``--detector`` names another network of the same layout).
``--wide`` adds scenes of edges, hands, crossings, posters and light. The same count over the raw
pictures, marked and badged but not swapped, must find nearly every face, or the measure is worth
nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from app.capture.clip import Clip
from app.capture.demo import RATE, Demo, pose_at
from app.capture.puppet import EYE_PX
from app.errors import EngineError
from app.faces import FaceLibrary
from app.frame import Frame, Pixels
from app.governor import EFFORTS, Effort, governed
from app.pipeline import Pipeline
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import DetectorSettings, MaskSettings, PrivacySettings, Settings
from app.stages.align import align
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.stages.recognition import Templates
from app.timing import Timing
from benchmarks.leak_measure import Likeness, likeness
from benchmarks.leak_scenes import SCENES, Scene, Shot
from benchmarks.leak_truth import true_faces
from benchmarks.leak_wider import WIDER
from engines.detector import Box, Detection, Detector
from engines.loading import Engines, load_engines
from engines.onnx_backend import OnnxBackend
from engines.recognizer import Recognizer, embed_both
from engines.swapper import PreparedIdentity, Swapper, SwapResult

ALL = SCENES | WIDER
LEAST_FOUND = 0.98  # of the raw faces the measure must find


@dataclass
class Count:
    """What one scene gave."""

    frames: int = 0
    faces: int = 0
    leaks: int = 0
    found_raw: int = 0  # of the faces, in the raw picture with mark and badge
    most: float = 0.0  # correlation of a face that is no leak
    shown: dict[str, int] = field(default_factory=dict)
    where: list[tuple[int, ...]] = field(default_factory=list)  # frame and box of each leak


class FaultyDetector:
    """A detector that fails, or sees less, where the shot says so."""

    def __init__(self, inner: Detector) -> None:
        self._inner = inner
        self.fault = ""

    def detect(
        self, picture: Pixels, threshold: float, *, size: int = 320, max_faces: int = 16
    ) -> list[Detection]:
        """As the inner one, or with the fault."""
        found = self._inner.detect(picture, threshold, size=size, max_faces=max_faces)
        return self._spoilt(found)

    def detect_near(
        self, picture: Pixels, box: Box, threshold: float, *, stretch: float = 1.0
    ) -> Detection | None:
        """As the inner one, or with the fault."""
        found = self._inner.detect_near(picture, box, threshold, stretch=stretch)
        return next(iter(self._spoilt([] if found is None else [found])), None)

    def close(self) -> None:
        """Free the network."""
        self._inner.close()

    def _spoilt(self, found: list[Detection]) -> list[Detection]:
        if self.fault == "detector raises":
            raise EngineError("The detector failed on purpose.")
        if self.fault == "detector sees nothing":
            return []
        if self.fault == "detector loses one":
            return sorted(found, key=lambda face: -face.box[2])[1:]
        return found


class FaultySwapper:
    """A swapper that fails, or lies, where the shot says so."""

    def __init__(self, inner: Swapper) -> None:
        self._inner = inner
        self.fault = ""

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def swap(self, crop: Pixels, identity: PreparedIdentity) -> SwapResult:
        """As the inner one, or with the fault."""
        done = self._inner.swap(crop, identity)
        if self.fault == "swapper raises":
            raise EngineError("The swapper failed on purpose.")
        if self.fault == "swapper gives back":
            return SwapResult(crop, done.mask)
        if self.fault == "mask of nothing":
            return SwapResult(done.pixels, np.zeros(crop.shape[:2], np.uint8))
        if self.fault == "numbers that are none":
            nowhere = np.full(crop.shape, np.nan, np.float32)
            with np.errstate(invalid="ignore"):
                empty = nowhere.astype(np.uint8)
            return SwapResult(empty, np.ascontiguousarray(empty[..., 0]))
        return done


def demo_shots(first: int, count: int, width: int, seed: int = 0) -> list[Shot]:
    """Frames of the demo, ``width`` pixels wide; where the face is follows from its pose."""
    demo, shots = Demo(realtime=False), []
    for index in range(first, first + count):
        pixels, pose = demo.picture(index), pose_at(index)
        scale = width / pixels.shape[1]
        side = EYE_PX * pose.scale * scale
        x, y = pose.x * scale, pose.y * scale
        face = (x - 0.95 * side, y - 0.65 * side, 1.9 * side, 2.3 * side)
        size = (width, round(pixels.shape[0] * scale))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        shots.append(Shot(_noisy(np.asarray(small, np.uint8), index + 10007 * seed), (face,)))
    return shots


def clip_shots(
    path: Path, detector: Detector, recognizer: Recognizer | None, count: int, skip: int = 0
) -> list[Shot]:
    """A clip there and back until it has ``count`` frames; the real faces of ``true_faces``."""
    clip, pictures = Clip(path, realtime=False), []
    try:
        while len(pictures) < skip + count and (frame := clip.read()) is not None:
            pictures.append(frame.pixels.copy())
    finally:
        clip.close()
    pictures = pictures[min(skip, len(pictures) // 2) :]
    truths = true_faces(pictures, detector, recognizer)
    shots = [Shot(p, truth.faces) for p, truth in zip(pictures, truths, strict=True)]
    turn = itertools.cycle([*shots, *reversed(shots)])
    return [next(turn) for _ in range(count)] if shots else []


def _noisy(pixels: Pixels, index: int) -> Pixels:
    """A sensor's noise: no camera gives the same picture twice."""
    noise = np.random.default_rng(index).normal(0, 1.5, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def count_leaks(
    scene: Scene,
    engines: Engines,
    identity: Identity,
    settings: Settings,
    wishes: Wishes = NO_WISHES,
    effort: Effort = EFFORTS[0],
) -> Count:
    """Run a scene through a fresh pipeline and count; ``effort`` is the governor's."""
    detector, swapper = FaultyDetector(engines.detector), FaultySwapper(engines.swapper)
    spoilt = replace(engines, detector=detector, swapper=swapper)  # type: ignore[arg-type]
    pipeline, count = Pipeline(spoilt, Timing()), Count()
    settings, wishes = governed(settings, effort), replace(wishes, patient=effort.patient)
    for index, shot in enumerate(scene):
        if index % effort.frame_every:
            continue
        detector.fault = swapper.fault = shot.fault
        frame = Frame(shot.pixels.copy(), index, index / RATE)
        done = pipeline.process(frame, settings, identity, wishes)
        pipeline.catch_up()
        if done.frame.pixels.shape != shot.pixels.shape:
            raise RuntimeError("the output is of another size than the input")
        count.frames += 1
        count.shown[done.showing.value] = count.shown.get(done.showing.value, 0) + 1
        marked = shot.pixels.copy()
        draw_badge(marked, settings.badge)
        apply_mark(marked)
        leaked = False
        for number, face in enumerate(shot.faces):
            got = rawest(shot, done.frame.pixels, number)
            raw = rawest(shot, marked, number)
            if got is None or raw is None:
                continue
            count.faces += 1
            count.found_raw += raw.raw
            if got.raw:
                leaked = True
                count.where.append((index, *(round(value) for value in face)))
            else:
                count.most = max(count.most, got.correlation)
        count.leaks += leaked
    return count


def rawest(shot: Shot, after: Pixels, number: int) -> Likeness | None:
    """Of one of the shot's faces, with and without what is before it."""
    before = shot.before[number] if shot.before else ()
    covers = {shot.covered, (*shot.covered, *before)}
    looks = [likeness(shot.pixels, after, shot.faces[number], boxes) for boxes in covers]
    found = [look for look in looks if look is not None]
    return max(found, key=lambda look: (look.raw, look.correlation), default=None)


def run(
    footage: dict[str, Sequence[Shot]],
    engines: Engines,
    identity: Identity,
    settings: Settings,
    wanted: Sequence[str],
    only: Sequence[str],
    wishes: Wishes = NO_WISHES,
    effort: Effort = EFFORTS[0],
) -> Iterator[tuple[str, str, Count]]:
    """The scenes ``wanted`` of the footage in ``only``; the next one's are the second persons.

    Where only the performer is swapped, that is who is in each footage.
    """
    names = list(footage)
    for number, name in enumerate(names):
        others = footage[names[(number + 1) % len(names)]]
        if name not in only:
            continue
        asked = wishes
        if settings.detector.faces == "me":
            asked = replace(wishes, me=_enrolled(footage[name], engines))
        for scene in wanted:
            made = ALL[scene](footage[name], others)
            yield name, scene, count_leaks(made, engines, identity, settings, asked, effort)


def _enrolled(shots: Sequence[Shot], engines: Engines) -> Templates | None:
    """Embeddings of the person in the first frames."""
    if engines.recognizer is None:
        return None
    looks = []
    for shot in shots[::5]:
        for found in engines.detector.detect(shot.pixels, 0.8, max_faces=1):
            template, size = engines.recognizer.template, engines.recognizer.crop_size
            crop = align(shot.pixels, found.landmarks, template, size)
            looks.append(embed_both(engines.recognizer, crop.pixels))
    return np.stack(looks).astype(np.float32) if looks else None


def main() -> int:
    """Print the table; 1 where a frame leaked, or where the measure misses raw faces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of videos with faces")
    parser.add_argument("--detector", type=Path, help="says where faces are in clips")
    parser.add_argument("--frames", type=int, default=180, help="of each scene")
    parser.add_argument("--most-clips", type=int, default=1000, metavar="N")
    parser.add_argument("--clip", action="append", help="only this footage, by name")
    parser.add_argument("--wide", action="store_true", help="more scenes")
    parser.add_argument("--scene", action="append", choices=ALL, help="only these")
    parser.add_argument("--seed", type=int, default=0, help="other noise and other frames")
    parser.add_argument("--width", type=int, help="of the demo's pictures, in pixels")
    parser.add_argument("--occluder", action="store_true", help="with hands kept before faces")
    steps = range(len(EFFORTS))
    parser.add_argument(
        "--step", type=int, choices=steps, default=0, help="what the governor gives up"
    )
    modes = ("largest", "centre", "all", "each", "me")
    parser.add_argument("--faces", default="largest", choices=modes)
    parser.add_argument("--others", default="blurred", choices=("blurred", "left alone"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    settings = Settings(
        mirror=False,
        detector=DetectorSettings(faces=arguments.faces),
        mask=MaskSettings(occluder=arguments.occluder),
        privacy=PrivacySettings(others=arguments.others),
    )
    engines = load_engines()
    truth = engines.detector
    if arguments.detector:
        truth = Detector(OnnxBackend(arguments.detector.read_bytes(), arguments.detector.name))
    try:
        library = FaceLibrary(Path("/nonexistent"), engines)
        personas = [library.identity(persona) for persona in library.list()[:3]]
        identity, seed = personas[0], arguments.seed
        wishes = Wishes(further=tuple(personas[1:])) if arguments.faces == "each" else NO_WISHES
        sizes = (arguments.width or 960, arguments.width or 640)
        footage: dict[str, Sequence[Shot]] = {
            "demo": demo_shots(97 * seed, arguments.frames, sizes[0], seed),
            "demo, walking out": demo_shots(370 + 41 * seed, arguments.frames, sizes[1], seed),
        }
        paths = sorted(arguments.clips.iterdir()) if arguments.clips else []
        for path in paths[: arguments.most_clips]:
            shots = clip_shots(path, truth, engines.recognizer, arguments.frames, skip=7 * seed)
            footage[path.stem] = shots
        wanted = arguments.scene or tuple(ALL if arguments.wide else SCENES)
        only = arguments.clip or tuple(footage)
        rows = []
        effort = EFFORTS[arguments.step]
        for name, scene, count in run(
            footage, engines, identity, settings, wanted, only, wishes, effort
        ):
            rows.append((name, scene, count))
            if not arguments.json:
                _print(name, scene, count)
    finally:
        engines.close()
        if truth is not engines.detector:
            truth.close()
    return _conclude(rows, as_json=arguments.json)


def _print(name: str, scene: str, count: Count) -> None:
    shown = " ".join(f"{state} {number}" for state, number in sorted(count.shown.items()))
    where = f" at {count.where[:5]}" if count.where else ""
    figures = f"{count.frames:>5} frames{count.faces:>5} faces{count.leaks:>4} leaks"
    details = f"next {count.most:.2f}; raw found {count.found_raw}; {shown}{where}"
    print(f"{name:<18}{scene:<24}{figures}, {details}", flush=True)


def _conclude(rows: list[tuple[str, str, Count]], *, as_json: bool) -> int:
    leaks = sum(count.leaks for *_, count in rows)
    frames = sum(count.frames for *_, count in rows)
    faces = sum(count.faces for *_, count in rows)
    found = sum(count.found_raw for *_, count in rows)
    trusted = found >= LEAST_FOUND * faces
    if as_json:
        print(
            json.dumps(
                {
                    "leaks": leaks,
                    "frames": frames,
                    "faces": faces,
                    "raw_found": found,
                    "trusted": trusted,
                    "scenes": [
                        {"footage": name, "scene": scene, **vars(count)}
                        for name, scene, count in rows
                    ],
                }
            )
        )
    else:
        print(f"{leaks} leaks in {frames} frames with {faces} faces; of the same faces left raw,")
        print(f"marked and badged, the measure finds {found / max(faces, 1):.2%}")
    return 0 if not leaks and trusted else 1


if __name__ == "__main__":
    sys.exit(main())
