"""Harder held-out pictures: in the dark, turned away, with glasses, masks and hands.

On each the student is compared with its teacher on the same picture, and both with the teacher on
the clean one, which says how much of the person a good recogniser still sees there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.judges import Landmarks, pose_and_expression
from training.recognizer_augment import center_crops
from training.recognizer_covers import Covers, Picture, bespectacled, darkened
from training.recognizer_metrics import Floats, cosines, verification

Embed = Callable[[Picture], Floats]  # n x 112 x 112 x 3 RGB crops to unit embeddings n x 128
SEED = 5
TURNED = 0.22  # nose off the middle of the eyes, in eye distances: some 25 degrees and more


@dataclass(frozen=True)
class HardSet:
    """Crops n x 112 x 112 x 3 and the places of the faces they show."""

    name: str
    crops: Picture
    chosen: NDArray[np.intp]


def hard_sets(
    squares: Picture, covers: Covers | None, landmarks: Landmarks | None
) -> Iterator[HardSet]:
    """The sets that can be made of aligned 128-px ``squares``, the same ones every time; masks and
    hands want ``covers``, profiles want ``landmarks``."""
    crops = center_crops(squares)
    everyone = np.arange(len(crops))
    rng = np.random.default_rng(SEED)

    def changed(change: Callable[[Picture, np.random.Generator], Picture]) -> Picture:
        return np.stack([change(crop, rng) for crop in crops])

    yield HardSet("dark", changed(darkened), everyone)
    yield HardSet("glasses", changed(bespectacled), everyone)
    if covers is not None:
        yield HardSet("mask", changed(covers.masked), everyone)
        yield HardSet("hand", changed(covers.handed), everyone)
    if landmarks is not None:
        pose, _ = pose_and_expression(landmarks(squares))
        turned = np.flatnonzero(np.abs(pose[:, 0]) > TURNED)
        if len(turned):
            yield HardSet("profile", crops[turned], turned)


def judge_hard(
    hard: HardSet, student: Embed, teacher: Embed, clean: Floats, names: Sequence[str]
) -> dict[str, float | int | None]:
    """``clean``: the teacher's embeddings of all untouched faces, ``names`` their people."""
    own, wanted = student(hard.crops), teacher(hard.crops)
    people = [names[n] for n in hard.chosen]
    pairs = 1 < len(set(people)) < len(people)
    return {
        "faces": len(people),
        "cosine": float(cosines(own, wanted).mean()),
        "p5": float(np.percentile(cosines(own, wanted), 5)),
        "student_to_clean": float(cosines(own, clean[hard.chosen]).mean()),
        "teacher_to_clean": float(cosines(wanted, clean[hard.chosen]).mean()),
        "student_auc": verification(own, people).auc if pairs else None,
        "teacher_auc": verification(wanted, people).auc if pairs else None,
    }
