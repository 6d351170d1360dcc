"""What a run is watched by: identity cosines on people held out, and a contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training import disturb
from training.faces import Faces
from training.model import Generator
from training.teacher import Teacher

SHOWN = ("sfhq", "fairface_adult", "uk_official", "congress225", "sfhq_t2i", "london")
PAIRS, SOURCES, TARGETS = 64, 6, 8


@dataclass(frozen=True, eq=False)
class Watch:
    """Fixed held-out faces: ``pairs`` to measure on, ``sources`` x ``targets`` to look at."""

    targets: Faces
    sources: Faces
    shown_targets: Faces
    shown_sources: Faces
    teacher: Teacher

    @staticmethod
    def of(faces: Faces, teacher: Teacher) -> Watch:
        rng = np.random.default_rng(7)
        held = [n for n, row in enumerate(faces.rows) if row.held_out and row.filler_top < 0.1]
        order = [held[n] for n in rng.permutation(len(held))]
        by_set = {name: [n for n in order if faces.rows[n].set == name] for name in SHOWN}
        sources = [by_set[SHOWN[n % len(SHOWN)]][n // len(SHOWN)] for n in range(SOURCES)]
        targets = [by_set[SHOWN[n % len(SHOWN)]][-1 - n // len(SHOWN)] for n in range(TARGETS)]
        return Watch(
            faces.pick(order[:PAIRS]),
            faces.pick(order[PAIRS : 2 * PAIRS]),
            faces.pick(targets),
            faces.pick(sources),
            teacher,
        )

    @torch.no_grad()
    def measure(self, generator: Generator, size: int, veil: int = 0) -> dict[str, float]:
        """Teacher's mean cosine of the swaps to their source and to their target, and mask mean.

        With ``veil`` the targets' faces are blurred to so many cells, as in a veiled stage.
        """
        every = np.arange(PAIRS)
        targets = _veiled(self.targets.batch(every, size, np.zeros(PAIRS, bool)), veil)
        made, mask = generator(targets, torch.from_numpy(self.sources.recognised))
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
        targets = self.shown_targets.batch(np.arange(TARGETS), size, np.zeros(TARGETS, bool))
        targets = _veiled(targets, veil)
        sources = torch.from_numpy(self.shown_sources.recognised)
        columns = [_column(self.shown_targets.pictures, size)]
        columns[0] = np.concatenate([np.full((128, 128, 3), 255, np.uint8), columns[0]])
        for n in range(SOURCES):
            made, _ = generator(targets, sources[n : n + 1].expand(TARGETS, -1))
            top = self.shown_sources.pictures[n]
            columns.append(np.concatenate([top, _column(_pixels(made), size)]))
        cv2.imwrite(str(file), np.concatenate(columns, axis=1)[..., ::-1])


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
