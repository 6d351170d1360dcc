"""What a run is watched by: identity cosines on people held out, and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training import disturb
from training.faces import SQUARE_PX, Faces
from training.model import Generator
from training.teacher import Teacher

SHOWN = ("sfhq", "fairface_adult", "uk_official", "congress225", "sfhq_t2i", "london")
PAIRS, SOURCES, TARGETS = 64, 6, 8


@dataclass(frozen=True, eq=False)
class Watch:
    """Fixed held-out faces: pairs to measure on, ``shown_sources`` x ``shown_targets`` to look at.

    Where fewer than two are held out, as with a few own photos, faces that are trained on: that
    shows whether it learns, and not how it does on others.
    """

    targets: Faces
    sources: Faces
    shown_targets: Faces
    shown_sources: Faces
    teacher: Teacher

    @staticmethod
    def of(faces: Faces, teacher: Teacher) -> Watch:
        """Fewer faces than ``PAIRS`` and the sheet want give fewer pairs and a smaller sheet."""
        rng = np.random.default_rng(7)
        held = [n for n, row in enumerate(faces.rows) if row.held_out and row.filler_top < 0.1]
        held = held if len(held) > 1 else list(range(len(faces.rows)))
        order = [held[n] for n in rng.permutation(len(held))]
        pairs = min(PAIRS, max(len(order) // 2, 1))
        by_set = [[n for n in order if faces.rows[n].set == name] for name in SHOWN]
        known = [group for group in by_set if group] or [order]
        return Watch(
            faces.pick(order[:pairs]),
            faces.pick(order[-pairs:] if len(order) < 2 * PAIRS else order[PAIRS : 2 * PAIRS]),
            faces.pick(in_turn([group[::-1] for group in known], TARGETS)),
            faces.pick(in_turn(known, SOURCES)),
            teacher,
        )

    @torch.no_grad()
    def measure(self, generator: Generator, size: int, veil: int = 0) -> dict[str, float]:
        """Teacher's mean cosine of the swaps to their source and to their target, and mask mean.

        With ``veil`` the targets' faces are blurred to so many cells, as in a veiled stage.
        """
        targets = _veiled(_whole(self.targets, size), veil)
        made, mask = generator(targets, _known(generator, self.sources))
        found = self.teacher(disturb.crops(made, 0.0, torch.Generator()))

        def cosine(wanted: Faces) -> float:
            return round(float((found * torch.from_numpy(wanted.embeddings)).sum(1).mean()), 4)

        return {
            "to_source": cosine(self.sources),
            "to_target": cosine(self.targets),
            "mask": round(float(mask.mean()), 3),
        }

    @torch.no_grad()
    def sheet(self, generator: Generator, size: int, file: Path, veil: int = 0) -> None:
        """Sources along the top, targets down the left, swaps between, at 128 px."""
        targets = _veiled(_whole(self.shown_targets, size), veil)
        sources = _known(generator, self.shown_sources)
        columns = [_column(self.shown_targets.pictures, size)]
        columns[0] = np.concatenate([np.full((128, 128, 3), 255, np.uint8), columns[0]])
        for source, top in zip(sources, self.shown_sources.pictures, strict=True):
            made, _ = generator(targets, source.expand(len(targets), -1))
            columns.append(np.concatenate([top, _column(_pixels(made), size)]))
        cv2.imwrite(str(file), np.concatenate(columns, axis=1)[..., ::-1])


def in_turn(groups: Sequence[Sequence[int]], count: int) -> list[int]:
    """``count`` of them, or all: the first of each group, then the second of each."""
    deep = max(len(group) for group in groups)
    return [group[k] for k in range(deep) for group in groups if k < len(group)][:count]


def _whole(faces: Faces, size: int) -> Tensor:
    return faces.batch(np.arange(len(faces.rows)), size)


def _known(generator: Generator, sources: Faces) -> Tensor:
    """What the generator is told of these sources in use."""
    crops = disturb.crops(_whole(sources, SQUARE_PX), 0.0, torch.Generator())
    return generator.source(torch.from_numpy(sources.recognised), crops)


def _veiled(targets: Tensor, cells: int) -> Tensor:
    if not cells:
        return targets
    return disturb.spoiled(targets, (cells, cells), 0.0, torch.Generator().manual_seed(5))


def _pixels(pictures: Tensor) -> np.ndarray:
    return (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _column(pictures: np.ndarray, size: int) -> np.ndarray:
    shown = [
        cv2.resize(cv2.resize(p, (size, size), interpolation=cv2.INTER_AREA), (128, 128))
        for p in pictures
    ]
    return np.concatenate(shown)
