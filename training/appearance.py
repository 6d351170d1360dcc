"""Teach the appearance network to know a photo again, before the generator is told of it.

python -m training.appearance --data DIR --teacher FILE --expression FILE --output FILE [--steps N]

Contrastive (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748; SimCLR, Chen et al. 2020,
arXiv:2002.05709): a photo and another one of the same person, or else the same one, both moved,
mirrored, relit and partly hidden, are to be nearer than any two people of the batch. Taught by the
generator's losses alone it gives every face the same code within some hundred steps: what it says
is noise at first, and silence does less harm than noise.

A photo is known by its pose and its smile as well, and a generator that hears of those turns heads
and opens mouths by the source's photo: at last they are erased from the code (``forget``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import disturb
from training.erase import Eraser
from training.expression_model import opened, telling
from training.faces import SQUARE_PX, Faces, Sampler, load
from training.model import Appearance
from training.teacher import Teacher

BATCH = 160
TEMPERATURE = 0.1
RATE = 2e-3
STRENGTH = 1.5  # see disturb.crops
JUDGED = 1500  # photos by which it is seen what tells pose and smile


def glimpses(faces: Faces, chosen: np.ndarray, strength: float, rng: torch.Generator) -> Tensor:
    """ArcFace crops of these photos, spoiled so that they cannot tell pose, light or place."""
    photos = disturb.crops(faces.batch(chosen, SQUARE_PX), strength, rng)
    return disturb.relit(disturb.hidden(photos, rng), rng)


def misfit(one: Tensor, other: Tensor) -> Tensor:
    """Cross-entropy of finding each code's partner among all of the batch, both ways."""
    likeness = one @ other.T / TEMPERATURE
    partner = torch.arange(len(one))
    return (F.cross_entropy(likeness, partner) + F.cross_entropy(likeness.T, partner)) / 2


def train(network: Appearance, sampler: Sampler, steps: int, seed: int = 1) -> None:
    """Learn from ``steps`` batches."""
    rng, torch_rng = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    read: nn.Module = torch.compile(network) if steps > 50 else network
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20, 2 * (1 - step / steps))
        chosen = rng.choice(len(sampler.shares), BATCH, replace=False, p=sampler.shares)
        others = sampler.other_photo(chosen, rng)
        crops = torch.cat(
            [glimpses(sampler.faces, c, STRENGTH, torch_rng) for c in (chosen, others)]
        )
        with torch.autocast("cpu", torch.bfloat16):
            codes = read(crops)
        one, other = codes.chunk(2)
        loss = misfit(one, other)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if (step + 1) % 10 == 0:
            known = float(((one @ other.T).argmax(1) == torch.arange(BATCH)).float().mean())
            print(f"{step + 1} misfit {float(loss.detach()):.3f} known {known:.2f}", flush=True)


@torch.no_grad()
def forget(network: Appearance, crops: Tensor, known: Tensor) -> None:
    """Change the last layer so that no linear reading of these crops' codes tells ``known`` (n x k)
    better than chance."""
    codes = torch.cat([network(part) for part in crops.split(64)])
    change = Eraser.of(codes, known).change
    network.linear.weight.copy_(change @ network.linear.weight)
    network.linear.bias.copy_(change @ network.linear.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet state dict")
    parser.add_argument(
        "--expression", type=Path, required=True, help="of training.expression_train"
    )
    parser.add_argument("--start", type=Path, help="a state dict to go on from")
    parser.add_argument("--output", type=Path, required=True, help="a state dict")
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    reader = opened(given.expression)
    faces = load(given.data, Teacher(given.teacher), given.cache / given.data.name)
    trained = faces.pick([n for n, row in enumerate(faces.rows) if not row.held_out])
    network = Appearance(given.length).to(memory_format=torch.channels_last)
    if given.start:
        network.load_state_dict(torch.load(given.start, weights_only=True))
    train(network, Sampler.of(trained, {}), given.steps)
    shown = np.random.default_rng(2).permutation(len(trained.rows))[:JUDGED]
    crops = disturb.crops(trained.batch(shown, SQUARE_PX), 0.0, torch.Generator())
    with torch.no_grad():
        read = torch.cat([reader(part) for part in crops.split(64)])
    forget(network, crops, telling(read))
    torch.save(network.state_dict(), given.output)


if __name__ == "__main__":
    main()
