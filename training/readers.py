"""The frozen networks that a training step asks, and the losses by what they read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import disturb, losses
from training.erase import Eraser
from training.expression_model import misread, telling
from training.faces import SQUARE_PX, Faces
from training.recipe import Recipe
from training.turning import MOST

JUDGED = 3000  # photos by which it is seen what tells pose and expression


class Readers:
    """Recognisers, the ``teacher``, our own and a ``third``, and what reads expressions."""

    def __init__(
        self,
        recipe: Recipe,
        faces: Faces,
        teacher: nn.Module,
        recognizer: nn.Module,
        expression: nn.Module | None = None,
        third: nn.Module | None = None,
    ) -> None:
        """
        :raises ValueError: when the recipe asks for what nothing here reads.
        """
        if recipe.reads and expression is None:
            raise ValueError("the recipe asks for expressions: what reads them is needed")
        if recipe.third_identity and third is None:
            raise ValueError("the recipe asks for a third recogniser: there is none")
        self.recipe, self.faces = recipe, faces
        self.teacher, self.recognizer, self.expression = teacher, recognizer, expression
        self.third, self.middle = third, torch.from_numpy(faces.others).mean(0)
        self.erasers = self._erasers() if recipe.forgetting else None

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half_precision)

    def likeness(
        self, made: Tensor, sources: np.ndarray, targets: np.ndarray, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """By the name of their weight in the recipe; swaps only."""
        faces, recipe = self.faces, self.recipe
        crops = disturb.crops(made, recipe.crop_strength, rng)
        if recipe.plain_share:
            crops = disturb.plainer(crops, recipe.plain_share, rng)
        # Recognisers like faces seen from the front, and would have one painted on a turned head.
        weight = torch.from_numpy(1 - faces.turn[targets] / MOST)
        by_teacher, by_ours, *by_third = self.erasers or [lambda codes: codes] * 3
        found = F.normalize(by_teacher(self.teacher(crops)))
        wanted, left = (
            F.normalize(by_teacher(torch.from_numpy(faces.embeddings[n])))
            for n in (sources, targets)
        )
        parts = {
            "identity": losses.identity(found, wanted, weight),
            "leaving": losses.likeness(found, left),
        }
        if recipe.second_identity:
            with self._precision():
                found = self.recognizer(crops)
            found = F.normalize(by_ours(found))
            wanted = F.normalize(by_ours(torch.from_numpy(faces.recognised[sources])))
            parts["second_identity"] = losses.identity(found, wanted, weight)
        if self.third is not None and recipe.third_identity:
            with self._precision():
                found = self.third(crops)
            found = F.normalize(by_third[0](found) - self.middle)
            wanted, left = (
                F.normalize(by_third[0](torch.from_numpy(faces.others[n])) - self.middle)
                for n in (sources, targets)
            )
            parts["third_identity"] = losses.identity(found, wanted, weight)
            parts["leaving"] = parts["leaving"] + losses.likeness(found, left)
        return parts

    @torch.no_grad()
    def _erasers(self) -> list[Eraser]:
        """What takes pose and expression out of each recogniser's embeddings."""
        faces, rng = self.faces, np.random.default_rng(self.recipe.seed)
        chosen = rng.permutation(len(faces.rows))[:JUDGED]
        parts = np.array_split(chosen, max(1, len(chosen) // 64))
        exact = torch.Generator()
        crops = (disturb.crops(faces.batch(part, SQUARE_PX), 0.0, exact) for part in parts)
        told = telling(torch.cat([self.expression(part) for part in crops]))
        codes = [faces.embeddings, faces.recognised, *([faces.others] if self.third else [])]
        return [Eraser.of(torch.from_numpy(part[chosen]), told) for part in codes]

    def misread(self, made: Tensor, targets: Tensor, rng: torch.Generator) -> Tensor:
        """By how much swaps are read otherwise than their targets, both cut alike."""
        pairs = torch.cat([made, targets], dim=1)
        found, wanted = disturb.crops(pairs, self.recipe.crop_strength, rng).chunk(2, 1)
        with self._precision():
            read = self.expression(found)
            with torch.no_grad():
                truth = self.expression(wanted)
        return misread(read, truth)

    def perceptual(self, made: Tensor, originals: Tensor) -> Tensor:
        exact = torch.Generator()
        with self._precision():
            found = self.recognizer.maps(disturb.crops(made, 0.0, exact))
            with torch.no_grad():
                wanted = self.recognizer.maps(disturb.crops(originals, 0.0, exact))
        return losses.perceptual([m.float() for m in found], wanted)
