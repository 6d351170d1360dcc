"""Judge a swapper's ONNX files on people it was not trained on.

python -m training.evaluate --data DIR --teacher FILE --models DIR [--dlib FILE] [--landmarks FILE]
    [--pairs N] [--sheet PNG] [--json]

Every figure stands beside the baselines it must beat: no swap (the target itself), self swap (the
target's own identity) and a random third person's identity.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training import regions
from training.faces import Faces, load
from training.judges import (
    DlibJudge,
    Floats,
    Landmarks,
    Recogniser,
    Squares,
    TeacherJudge,
    pose_and_expression,
)
from training.teacher import Teacher

RANKED = 100  # sources among which the right one is looked for


class OnnxSwapper:
    """``swapper.onnx`` and ``swapper_identity.onnx`` of a folder, picture by picture."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def opened(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(
                str(folder / name), options, providers=["CPUExecutionProvider"]
            )

        self._baking, self._swapping = opened("swapper_identity.onnx"), opened("swapper.onnx")

    def __call__(self, squares: Squares, embeddings: NDArray[np.float32]) -> Squares:
        """Targets n x 128 x 128 x 3 with these identities n x 128."""
        (gains,) = self._baking.run(["gains"], {"embedding": embeddings})
        made = np.empty_like(squares)
        for n, square in enumerate(squares):
            feed = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / 255
            given = {"target": feed, "gains": gains[n : n + 1]}
            (output,) = self._swapping.run(["output"], given)
            made[n] = np.clip(output[0].transpose(1, 2, 0) * 255 + 0.5, 0, 255)
        return made


@dataclass(frozen=True, eq=False)
class Pairs:
    """Targets, sources of other people, and third people, all held out and as many."""

    targets: Faces
    sources: Faces
    strangers: Faces

    @staticmethod
    def of(faces: Faces, count: int, seed: int = 11) -> Pairs:
        """One photo a person; no person is on two sides of one pair."""
        first = {row.identity: n for n, row in reversed(list(enumerate(faces.rows)))}
        held = [n for n in first.values() if faces.rows[n].held_out]
        held = [n for n in held if faces.rows[n].filler_top < 0.15]
        if len(held) < 3:
            raise ValueError(f"three people held out are needed, the data has {len(held)}")
        order = np.random.default_rng(seed).permutation(held)
        third = len(order) // 3
        count = min(count, third)
        return Pairs(*(faces.pick(order[n * third : n * third + count]) for n in range(3)))


@dataclass(frozen=True, eq=False)
class Judged:
    """One recogniser's unit embeddings of swaps, of their sources and of their targets, n x d."""

    swaps: Floats
    sources: Floats
    targets: Floats

    @property
    def gain(self) -> Floats:
        """How much nearer each swap is to its source than the target was."""
        return ((self.swaps - self.targets) * self.sources).sum(1)

    def figures(self) -> dict[str, float]:
        """Mean cosines to source and target, the gain, retrieval among ``RANKED`` sources."""
        among = min(RANKED, len(self.swaps))
        nearest = (self.swaps[:among] @ self.sources[:among].T).argmax(1)
        return {
            "to_source": float((self.swaps * self.sources).sum(1).mean()),
            "to_target": float((self.swaps * self.targets).sum(1).mean()),
            "gain": float(self.gain.mean()),
            "retrieval": float((nearest == np.arange(among)).mean()),
        }


def kept_figures(made: Squares, pairs: Pairs, landmarks: Landmarks | None) -> dict[str, float]:
    """What should stay the target's: background, pose, expression."""
    outside = 1 - regions.oval(128, 58, 64).numpy()[0, 0, :, :, None]
    change = np.abs(made.astype(np.float32) - pairs.targets.pictures) * outside
    figures = {"background": float(change.sum() / (3 * outside.sum() * len(made)))}
    if landmarks is not None:
        found = pose_and_expression(landmarks(made))
        wanted = pose_and_expression(landmarks(pairs.targets.pictures))
        for name, f, w in zip(("pose", "expression"), found, wanted, strict=True):
            figures[name] = float(np.abs(f - w).mean())
    return figures


def by_group(gain: Floats, targets: Faces) -> dict[str, dict[str, float]]:
    """The gain by the target's labels, where at least ten targets share one."""
    groups: dict[str, dict[str, float]] = {}
    for label in ("gender", "race", "age"):
        values = np.array([getattr(row, label) for row in targets.rows])
        kinds = [kind for kind in sorted(set(values)) if kind and (values == kind).sum() >= 10]
        groups[label] = {str(kind): float(gain[values == kind].mean()) for kind in kinds}
    return groups


def evaluate(
    swap: Callable[[Squares, NDArray[np.float32]], Squares],
    pairs: Pairs,
    judges: list[Recogniser],
    landmarks: Landmarks | None,
) -> dict[str, Any]:
    """Figures of the swap and of its baselines, by name; groups by the last judge."""
    targets = pairs.targets.pictures
    made = {
        "swap": swap(targets, pairs.sources.embeddings),
        "self swap": swap(targets, pairs.targets.embeddings),
        "random identity": swap(targets, pairs.strangers.embeddings),
        "no swap": targets,
    }
    table: dict[str, Any] = {name: {} for name in made}
    for judge in judges:
        before, sources = judge(targets), judge(pairs.sources.pictures)
        for name, pictures in made.items():
            swaps = before if pictures is targets else judge(pictures)
            judged = Judged(swaps, sources, before)
            table[name][judge.name] = judged.figures()
            if name == "swap":
                table["groups"] = by_group(judged.gain, pairs.targets)
    for name, pictures in made.items():
        table[name]["kept"] = kept_figures(pictures, pairs, landmarks)
    table["pairs"] = len(targets)
    return table


def sheet(swap: Callable[..., Squares], pairs: Pairs, count: int = 8) -> NDArray[np.uint8]:
    """Sources along the top, targets down the left, swaps between."""
    targets = pairs.targets.pictures[:count]
    columns = [np.concatenate([np.full((128, 128, 3), 255, np.uint8), *targets])]
    for n in range(count):
        same = np.repeat(pairs.sources.embeddings[n : n + 1], len(targets), axis=0)
        columns.append(np.concatenate([pairs.sources.pictures[n], *swap(targets, same)]))
    return np.concatenate(columns, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path("assets"))
    parser.add_argument("--dlib", type=Path, help="dlib's face recognition ResNet")
    parser.add_argument("--landmarks", type=Path, help="OpenSeeFace's landmark network")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    faces = load(given.data, Teacher(given.teacher), given.cache)
    pairs = Pairs.of(faces, given.pairs)
    swap = OnnxSwapper(given.models)
    if given.sheet:
        cv2.imwrite(str(given.sheet), sheet(swap, pairs)[..., ::-1])
    judges: list[Recogniser] = [TeacherJudge(given.teacher)]
    if given.dlib:
        judges.append(DlibJudge(given.dlib, pairs.sources.pictures))
    landmarks = Landmarks(given.landmarks) if given.landmarks else None
    table = evaluate(swap, pairs, judges, landmarks)
    if given.json:
        print(json.dumps(table, indent=1))
        return
    for name in ("swap", "no swap", "self swap", "random identity"):
        parts = [f"{kind} {key} {v:.3f}" for kind, d in table[name].items() for key, v in d.items()]
        print(f"{name}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
