"""Distil the recogniser: python -m training.recognizer_train --data DIR --teacher FILE --run DIR.

Each step: augmented crops, the teacher's maps and embedding, one student pass. At first the stages
read the teacher's maps (each learns alone); the share of forced samples falls to nothing over
``FORCED_UNTIL`` of the run, the hints stay longer, the cosine stays to the end. The schedule
follows the clock, so that a run ends on time on a busy machine.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from training.data import load_pictures, read_index
from training.recognizer_augment import batch, center_crops, to_network
from training.recognizer_model import Recognizer
from training.recognizer_teacher import Features, Teacher

FORCED_UNTIL = 0.35  # of the run
HINT_FLOOR = 0.1
LATE_HINTS = (0.03, 0.03, 0.06, 0.25)  # of the four features, when going on from a checkpoint
LATE_BLENDED, LATE_SPOILED = 0.2, 0.5  # and the pictures are nearer to those met in use
WARM_UP = 0.04
COSINE_WEIGHT = 2.0
DEVIATION_BATCHES = 4


@dataclass(frozen=True)
class Recipe:
    minutes: float
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.02
    ema: float = 0.995
    seed: int = 7


@dataclass(frozen=True)
class Spread:
    """Per channel standard deviation of the teacher's maps: makes the hints comparable."""

    maps: Features

    @classmethod
    def of(cls, samples: list[Features]) -> Spread:
        joined = [torch.cat(parts) for parts in zip(*samples, strict=True)]
        return cls(
            Features(
                *(m.std(dim=[d for d in range(m.dim()) if d != 1], keepdim=True) for m in joined)
            )
        )

    def misfit(self, student: Features, teacher: Features) -> list[Tensor]:
        """Share of the teacher's variance left unexplained, for each of the four features."""
        pairs = zip(student, teacher, self.maps, strict=True)
        return [((s - t) / std.clamp_min(1e-4)).square().mean() for s, t, std in pairs]


def _channel_deviation(maps: Tensor) -> Tensor:
    return maps.std(dim=[d for d in range(maps.dim()) if d != 1], keepdim=True)


def learning_rate(done: float, peak: float) -> float:
    """Linear warm-up, then a cosine to nearly nothing; ``done`` in [0, 1]."""
    if done < WARM_UP:
        return peak * (0.05 + 0.95 * done / WARM_UP)
    # A Python float: a NumPy one in the optimizer state makes the checkpoint unreadable.
    phase = math.pi * (done - WARM_UP) / (1 - WARM_UP)
    return peak * (0.005 + 0.995 * 0.5 * (1 + math.cos(phase)))


def forced_share(done: float) -> float:
    """How many samples of a batch read the teacher's maps between the stages."""
    return max(0.0, 1.0 - done / FORCED_UNTIL)


def hint_weight(done: float) -> float:
    return HINT_FLOOR + (1 - HINT_FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def follow(ema: nn.Module, model: nn.Module, keep: float) -> None:
    """Move the averaged weights and batch-norm statistics towards the model's."""
    with torch.no_grad():
        for slow, fast in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if slow.is_floating_point():
                slow.lerp_(fast, 1 - keep)
            else:
                slow.copy_(fast)


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, recipe.rate, (0.9, 0.99), weight_decay=recipe.decay)


@torch.no_grad()
def mean_cosine(model: nn.Module, pictures: Tensor, wanted: Tensor) -> float:
    model.eval()
    own = torch.cat([model(part).embedding for part in pictures.split(64)])
    model.train()
    return float(cosine_similarity(own, wanted).mean())


def train(data: Path, teacher: Teacher, run: Path, recipe: Recipe, resume: Path | None) -> None:
    """Train for ``recipe.minutes``; leaves ``last.pt`` (model, ema, optimizer, step) in ``run``."""
    run.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    rows = read_index(data)
    seen = load_pictures(data, [row for row in rows if not row.held_out], 128)
    unseen = load_pictures(data, [row for row in rows if row.held_out][:320], 128)
    judged = to_network(center_crops(unseen))
    wanted = torch.cat([teacher(part).embedding for part in np.array_split(judged, 10)])
    judged_on = torch.from_numpy(judged).to(memory_format=torch.channels_last)
    spread = Spread.of(
        [teacher(to_network(batch(seen, 64, rng))) for _ in range(DEVIATION_BATCHES)]
    )
    model = Recognizer().to(memory_format=torch.channels_last)
    optimizer = optimizer_of(model, recipe)
    ema = copy.deepcopy(model)
    step = 0
    if resume is not None:
        step = restore(torch.load(resume, weights_only=True), model, ema, optimizer)
    late = resume is not None
    shares = (LATE_BLENDED, LATE_SPOILED) if late else ()
    print(f"{len(seen)} faces to train on, {len(judged)} judged", flush=True)
    start = time.monotonic()
    told = start
    while (done := (time.monotonic() - start) / (60 * recipe.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(done, recipe.rate)
        crops = to_network(batch(seen, recipe.batch, rng, *shares))
        truth = teacher(crops)
        pictures = torch.from_numpy(crops).to(memory_format=torch.channels_last)
        keep = torch.rand(recipe.batch) < forced_share(done) if not late else None
        guess = model(pictures, truth, keep)
        misfit = spread.misfit(guess, truth)
        cosine = cosine_similarity(guess.embedding, truth.embedding).mean()
        hints = torch.tensor(LATE_HINTS if late else (hint_weight(done),) * 4)
        loss = (hints * torch.stack(misfit)).sum() + COSINE_WEIGHT * (1 - cosine)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        step += 1
        follow(ema, model, min(recipe.ema, step / (step + 10)))
        if step % 50 == 0:
            fits = " ".join(f"{float(m.detach()):.3f}" for m in misfit)
            print(
                f"{step} {done:.3f} misfit {fits} cosine {float(cosine.detach()):.4f}", flush=True
            )
        if (now := time.monotonic()) - told > 180:
            told = now
            save(run, model, ema, optimizer, step)
            print(f"{step} held-out cosine {mean_cosine(ema, judged_on, wanted):.4f}", flush=True)
    save(run, model, ema, optimizer, step)
    print(f"{step} held-out cosine {mean_cosine(ema, judged_on, wanted):.4f} end", flush=True)


def restore(
    saved: dict[str, Any], model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Take over a checkpoint, return its step. Blocks it lacks keep their (closed) start; the
    optimizer then starts anew.

    :raises ValueError: when the checkpoint has tensors that this network lacks.
    """
    lacking = model.load_state_dict(saved["model"], strict=False)
    ema.load_state_dict(saved["ema"], strict=False)
    if lacking.unexpected_keys:
        raise ValueError(f"the checkpoint has {lacking.unexpected_keys[0]}, this network does not")
    if not lacking.missing_keys:
        optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def save(
    run: Path, model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer, step: int
) -> None:
    """Write ``run/last.pt`` whole or not at all; readable with ``weights_only=True``."""
    state = {
        "model": model.state_dict(),
        "ema": ema.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    torch.save(state, run / "last.part")
    (run / "last.part").replace(run / "last.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet .onnx")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=Recipe.rate)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--resume", type=Path, help="a last.pt to go on from, without forcing")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = Recipe(minutes=args.minutes, rate=args.rate, seed=args.seed)
    train(args.data, Teacher(args.teacher, args.threads), args.run, recipe, args.resume)


if __name__ == "__main__":
    main()
