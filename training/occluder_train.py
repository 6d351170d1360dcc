"""Train the occluder on scenes that are drawn while it learns.

``python -m training.occluder_train --data DIR --landmarks ONNX --hands TAR --templates DIR
--recipe training/recipes/occluder.toml --run DIR [--start FILE.onnx|FILE.pt]``
"""

from __future__ import annotations

import argparse
import copy
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.following import follow
from training.muon import Muon
from training.occluder_labels import PLANES, SIDE
from training.occluder_material import Material, load_material
from training.occluder_model import Occluder, OccluderShape
from training.occluder_restore import from_onnx
from training.occluder_scenes import KINDS, PLAIN, Composer
from training.recipe import check_keys

# How often a face of a set is drawn; few of FairFace's tight crops show a forehead.
SETS = {"fairface_adult": 0.7, "london": 2.0, "faker": 2.0, "grid_clips": 2.0, "team18f": 2.0}


@dataclass(frozen=True)
class OccluderRecipe:
    """All that decides a run besides the data."""

    steps: int = 5000
    core_minutes: float = 0.0  # it ends after so much of one core, steps left or not; 0: no limit
    falling: float = 0.25  # last share of the run in which the rate falls to nothing
    faces: int = 0  # so many are drawn from, chosen by their set's share; 0: all
    batch: int = 32
    store: int = 1536  # scenes kept at once
    fresh: int = 16  # new scenes a step; each is learnt from batch / fresh times
    rate: float = 3e-3
    decay: float = 0.02  # of what Adam moves: Muon keeps lengths
    turn: float = 0.0  # of Muon: a step's share of a convolution's length; 0: Adam moves all
    averaging: float = 0.998
    compiled: bool = False  # torch.compile: a minute or two once
    overlap: float = 0.5  # weight of the visible face's soft intersection over union
    regions: float = 0.35  # weight of eyes, brows and mouth
    plain: float = PLAIN  # share of scenes with nothing before the face
    # From this step on faces whose label overlaps the network's answer less than so much are out:
    # real hands and sunglasses that nobody labelled, and labels that went wrong.
    sift_at: int = 700
    believed: float = 0.88
    most_of_a_set: int = 7500
    seed: int = 1
    sets: Mapping[str, float] = field(default_factory=lambda: dict(SETS))
    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS))


def read_occluder_recipe(file: Path) -> OccluderRecipe:
    """
    :raises ValueError: on a key that no recipe has, with the nearest one that it has.
    """
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    check_keys(values, OccluderRecipe, file)
    return OccluderRecipe(**values)


@dataclass(frozen=True, eq=False)
class Store:
    """Scenes to learn from, the oldest replaced first: k x 3 x S x S, k x 4 x S x S, k x S x S."""

    pictures: NDArray[np.uint8]
    truths: NDArray[np.uint8]
    weights: NDArray[np.uint8]

    @staticmethod
    def of(scenes: int) -> Store:
        """An empty store."""
        return Store(
            np.zeros((scenes, SIDE, SIDE, 3), np.uint8),
            np.zeros((scenes, len(PLANES), SIDE, SIDE), np.uint8),
            np.zeros((scenes, SIDE, SIDE), np.uint8),
        )

    def fill(self, composer: Composer, first: int, count: int) -> None:
        """Draw ``count`` scenes into the places from ``first`` on, round and round."""
        for n in range(first, first + count):
            scene = composer.scene()
            slot = n % len(self.pictures)
            self.pictures[slot] = scene.picture
            self.truths[slot] = scene.truth
            self.weights[slot] = scene.weight

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Scenes under fresh light, mirrored or not: pictures, truths and weights in [0, 1]."""
        slots = rng.choice(len(self.pictures), size, replace=False)
        gain = rng.uniform(0.85, 1.15, (size, 1, 1, 1)) * rng.uniform(0.95, 1.05, (size, 1, 1, 3))
        lit = torch.from_numpy(self.pictures[slots]) * torch.from_numpy(gain / 255).float()
        pictures = lit.clamp_(0, 1).permute(0, 3, 1, 2)  # its colours last in memory
        truths = torch.from_numpy(self.truths[slots]).float() / 255
        weights = torch.from_numpy(self.weights[slots]).float()[:, None] / 255
        if rng.random() < 0.5:
            pictures, truths, weights = pictures.flip(3), truths.flip(3), weights.flip(3)
        return pictures.contiguous(memory_format=torch.channels_last), truths, weights


def losses(logits: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the visible face, its soft 1 - IoU, cross-entropy of the regions."""
    total = weight.sum().clamp(min=1.0)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight
    seen = (weight > 0).float()
    mine, true = logits[:, :1].sigmoid() * seen, truth[:, :1] * seen
    common = (mine * true).sum((1, 2, 3))
    union = (mine + true - mine * true).sum((1, 2, 3))
    overlap = (common + 20) / (union + 20)  # 20 pixels: a wholly hidden face is no division by 0
    return entropy[:, :1].sum() / total, 1 - overlap.mean(), entropy[:, 1:].sum() / total


def misfit(
    model: Occluder, pictures: Tensor, truth: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """``losses`` of what the model says, in bfloat16, of the pictures."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(pictures)
    return losses(logits.float(), truth, weight)


@torch.no_grad()
def believed(
    model: Occluder, material: Material, chosen: NDArray[np.int64], least: float
) -> NDArray[np.bool_]:
    """Whether each chosen face's label and the model's answer to it overlap at least so much.

    ``model`` is in evaluation mode.
    """
    kept = []
    for start in range(0, len(chosen), 32):
        part = chosen[start : start + 32]
        pictures = torch.from_numpy(material.faces[part]).permute(0, 3, 1, 2).float() / 255
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(pictures.contiguous(memory_format=torch.channels_last))[:, 0]
        for n, answer in zip(part, (logits > 0).numpy(), strict=True):
            label = material.planes[n, 0] > 127
            top = int(np.ceil(material.rows[n].filler_top * SIDE))
            common = (answer & label)[top:].sum()
            kept.append(common >= least * (answer | label)[top:].sum())
    return np.array(kept, bool)


def begun(start: Path | None, store: Store) -> Occluder:
    """The network of ``start``, an exported .onnx or a state .pt; None: random weights."""
    if start is not None and start.suffix == ".onnx":
        pictures = torch.from_numpy(store.pictures[:128]).permute(0, 3, 1, 2).float() / 255
        return from_onnx(start, pictures)
    model = Occluder(OccluderShape())
    if start is not None:
        model.load_state_dict(torch.load(start, weights_only=True))
    return model


def optimizers_of(
    recipe: OccluderRecipe, model: Occluder
) -> tuple[tuple[torch.optim.Optimizer, float], ...]:
    """What moves the weights, each with its highest rate: Muon the convolutions before a batch
    norm, Adam what is left, or all where the recipe's ``turn`` is 0."""
    head = set(model.head.parameters())
    heavy = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    turned = [p for p in heavy if recipe.turn > 0 and p not in head]
    rest = [p for p in heavy if recipe.turn == 0 or p in head]
    adam = torch.optim.AdamW(
        [{"params": rest, "weight_decay": recipe.decay}, {"params": plain, "weight_decay": 0.0}],
        lr=recipe.rate,
        betas=(0.9, 0.98),
    )
    return ((adam, recipe.rate), *([(Muon(turned, recipe.turn), recipe.turn)] if turned else []))


def train(recipe: OccluderRecipe, material: Material, run: Path, start: Path | None) -> None:
    """Learn; ``run/occluder.pt`` is the averaged network, written now and then and at the end."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    shares = np.array([recipe.sets.get(row.set, 1.0) for row in material.rows])
    if recipe.faces:
        chosen = rng.choice(len(shares), recipe.faces, replace=False, p=shares / shares.sum())
        shares = np.isin(np.arange(len(shares)), chosen).astype(float)
    composer = Composer(material, recipe.seed, shares, recipe.plain, recipe.kinds)
    store = Store.of(recipe.store)
    store.fill(composer, 0, recipe.store)
    model = begun(start, store).to(memory_format=torch.channels_last)
    mean = copy.deepcopy(model).eval()
    optimizers = optimizers_of(recipe, model)
    read = torch.compile(misfit) if recipe.compiled else misfit
    sums, began = np.zeros(3), time.process_time()
    for step in range(recipe.steps):
        done = step / recipe.steps
        if recipe.core_minutes > 0:
            done = max(done, (time.process_time() - began) / (recipe.core_minutes * 60))
        if done >= 1:
            break
        if step == recipe.sift_at:
            drawn = np.flatnonzero(shares)
            kept = drawn[believed(mean, material, drawn, recipe.believed)]
            print(f"{len(kept)} of {len(drawn)} faces are believed", flush=True)
            shares = shares * np.isin(np.arange(len(shares)), kept)
            composer = Composer(material, recipe.seed + 1, shares, recipe.plain, recipe.kinds)
        height = min(1.0, (step + 1) / 100) * min(1.0, (1 - done) / recipe.falling)
        for optimizer, peak in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = peak * height
        store.fill(composer, step * recipe.fresh, recipe.fresh)
        pictures, truths, weights = store.batch(recipe.batch, rng)
        face, overlap, regions = read(model, pictures, truths, weights)
        model.zero_grad(set_to_none=True)
        (face + recipe.overlap * overlap + recipe.regions * regions).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        follow(mean, model, min(recipe.averaging, (step + 1) / (step + 10)))
        sums += face.item(), overlap.item(), regions.item()
        if (step + 1) % 100 == 0:
            f, o, r = sums / 100
            print(f"{step + 1} {done:.0%} face {f:.4f} 1-IoU {o:.4f} regions {r:.4f}", flush=True)
            sums[:] = 0
        if (step + 1) % 100 == 0:
            save(mean, run)
    save(mean, run)


def save(model: Occluder, run: Path) -> None:
    """Write the state whole or not at all."""
    run.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), run / "occluder.pt.part")
    (run / "occluder.pt.part").replace(run / "occluder.pt")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "landmarks", "hands", "templates", "recipe", "run"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--start", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    recipe = read_occluder_recipe(args.recipe)
    material = load_material(
        args.data,
        args.landmarks,
        args.hands,
        args.templates,
        args.cache,
        held_out=False,
        most_of_a_set=recipe.most_of_a_set,
    )
    train(recipe, material, args.run, args.start)


if __name__ == "__main__":
    main()
