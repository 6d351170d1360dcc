"""Harder held-out pictures: in the dark, turned away, with glasses, masks and hands.

On each the student is compared with its teacher on the same picture, and both with the teacher on
the clean one, which says how much of the person a good recogniser still sees there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.detector_hard import turned
from training.detector_material import label_clean
from training.detector_teacher import ReferenceDetector
from training.recognizer_augment import center_crops
from training.recognizer_covers import Covers, Picture, bespectacled, darkened
from training.recognizer_metrics import Floats, cosines, verification

Embed = Callable[[Picture], Floats]  # n x 112 x 112 x 3 RGB crops to unit embeddings n x 128
SEED = 5


@dataclass(frozen=True)
class HardSet:
    """Crops n x 112 x 112 x 3 and the places of the faces they show."""

    name: str
    crops: Picture
    chosen: NDArray[np.intp]


def hard_sets(
    squares: Picture, covers: Covers | None, detector: ReferenceDetector | None
) -> Iterator[HardSet]:
    """The sets that can be made of aligned 128-px ``squares``, the same ones every time; masks and
    hands want ``covers``, profiles want a ``detector``."""
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
    if detector is not None:
        found = [label_clean(square[..., ::-1], detector) for square in squares]
        known = np.array([n for n, label in enumerate(found) if label is not None], np.intp)
        points = [label[1] for label in found if label is not None]
        chosen = known[turned(np.array(points, np.float32).reshape(-1, 5, 2))]
        if len(chosen):
            yield HardSet("profile", crops[chosen], chosen)


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
