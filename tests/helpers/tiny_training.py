"""A tiny generator's recipe, drawn faces and a stand-in recogniser, for tests of the training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import disturb
from training.data import FaceRow
from training.faces import Faces, Sampler
from training.model import GeneratorShape
from training.recipe import Recipe
from training.trainer import Trainer
from training.turning import MOST

SHAPE = GeneratorShape(half=8, quarter=8, eighth=16, sixteenth=16, blocks=1)


RECIPE = Recipe(
    size=32,
    swaps=2,
    repairs=2,
    spoiled_steps=4,
    generator_rate=3e-3,
    penalty_every=4,
    shape=SHAPE,
    discriminator=(8, 8, 8),
)


class Plain(nn.Module):
    """Stands in for the identity network: a fixed random projection of the coarse picture."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3 * 49, 128, generator=torch.Generator().manual_seed(5))
        self.register_buffer("weight", weight)

    def forward(self, crops: Tensor) -> Tensor:
        return self.maps(crops)[-1]

    def maps(self, crops: Tensor) -> list[Tensor]:
        coarse = F.avg_pool2d(crops - 0.5, 16)
        return [crops, coarse, F.normalize(coarse.flatten(1) @ self.weight)]


class Lifted(Plain):
    """Stands in for the third network, whose codes are neither centred nor of length 1."""

    def forward(self, crops: Tensor) -> Tensor:
        return 2 * super().forward(crops) + 1


def row(n: int, identity: str) -> FaceRow:
    return FaceRow("s.tar", f"{n}.jpg", "drawn", identity, 128, 0.0, "", "", "", "CC0")


def faces(count: int = 2) -> Faces:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.random((count, 3, 4, 4), np.float32))
    smooth = F.interpolate(coarse, size=(128, 128), mode="bilinear", align_corners=False)
    with torch.no_grad():
        embeddings = Plain()(disturb.crops(smooth, 0.0, torch.Generator())).numpy()
    pictures = (smooth * 255).byte().permute(0, 2, 3, 1).numpy()
    return Faces(
        [row(n, f"person {n // 2}") for n in range(count)],
        pictures,
        embeddings,
        embeddings,
        2 * embeddings + 1,
        np.linspace(0, MOST, count, dtype=np.float32),
        np.zeros((count, 2, 6, 2), np.float32),
    )


def trainer(recipe: Recipe = RECIPE) -> Trainer:
    third = Lifted() if recipe.third_identity else None
    return Trainer(recipe, Sampler.of(faces(), {}), Plain(), Plain(), third=third)
