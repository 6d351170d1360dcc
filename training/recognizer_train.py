"""Distil the recogniser: python -m training.recognizer_train --data DIR --teacher FILE --run DIR.

Each step: augmented crops, the teacher's maps and embedding, one student pass in bfloat16. From
random weights the stages at first read the teacher's maps (each learns alone); the share of forced
samples falls to nothing over ``FORCED_UNTIL`` of the run, the hints stay longer, the cosine stays
to the end. ``--start FILE.onnx`` goes on from an exported network instead, ``--resume last.pt``
from a checkpoint. The schedule follows the clock, so that a run ends on time on a busy machine.
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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from training.data import load_pictures, read_index
from training.following import follow
from training.muon import Muon
from training.recognizer_augment import Shares, batch, center_crops, harden, to_network
from training.recognizer_covers import Covers, load_covers
from training.recognizer_model import Recognizer
from training.recognizer_restore import from_onnx
from training.recognizer_teacher import Features, Teacher

FORCED_UNTIL = 0.35  # of the run
HINT_FLOOR = 0.1
# Of the four features, when going on from weights; those of the maps fade, being only a means.
LATE_HINTS = (0.03, 0.03, 0.06, 0.25)
# The pictures are nearer to those met in use then, but show faces that no photo does: the photos
# are few enough to be learnt by heart.
LATE = Shares(blended=0.4, bent=0.5, spoiled=0.5)
TURNED, TURNED_TIMES = 0.25, 3  # faces turned further than this are drawn as many times as often
LATE_HARD = 0.2  # share that is dark, masked, behind a hand or glasses
WARM_UP = 0.04
TELL_EVERY_S = 120
# Batches with the teacher's answer that are drawn from, and how many there are at first. Of 16 the
# network learns the pictures by heart: .06 more cosine on them than on new ones like them.
STORED, STORED_FIRST = 128, 16
COSINE_WEIGHT = 2.0
DEVIATION_BATCHES = 4


@dataclass(frozen=True)
class Recipe:
    minutes: float
    batch: int = 64
    rate: float = 2e-3  # of Adam: gains, offsets, slopes and the depthwise convolution
    turn: float = 0.02  # of Muon: a step's share of the length of a convolution's weights
    repeats: int = 3  # how often an answer of the teacher is learnt from, on average
    ema: float = 0.995
    seed: int = 7
    compiled: bool = False  # torch.compile: a minute once, then a quarter less time a step


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


def learning_rate(done: float, peak: float) -> float:
    """Linear warm-up, then linearly to nearly nothing; ``done`` in [0, 1]."""
    if done < WARM_UP:
        return peak * (0.05 + 0.95 * done / WARM_UP)
    # A Python float: a NumPy one in the optimizer state makes the checkpoint unreadable.
    return peak * (0.005 + 0.995 * (1 - done) / (1 - WARM_UP))


def forced_share(done: float) -> float:
    """How many samples of a batch read the teacher's maps between the stages."""
    return max(0.0, 1.0 - done / FORCED_UNTIL)


def hint_weight(done: float) -> float:
    return HINT_FLOOR + (1 - HINT_FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def hint_weights(done: float, late: bool) -> tuple[float, ...]:
    """Of the four features, for a run from the start or one that goes on from weights."""
    if not late:
        return (hint_weight(done),) * 4
    *maps, raw = LATE_HINTS
    return (*(weight * (1 - done) for weight in maps), raw)


@dataclass(frozen=True)
class Optimizers:
    """Muon for the dense convolutions, Adam for what is left; one schedule for both."""

    recipe: Recipe
    muon: Muon
    adam: torch.optim.Adam

    @staticmethod
    def of(model: nn.Module, recipe: Recipe) -> Optimizers:
        dense, rest = [], []
        for weight in model.parameters():
            (dense if weight.dim() == 4 and weight.size(1) > 1 else rest).append(weight)
        return Optimizers(
            recipe, Muon(dense, recipe.turn), torch.optim.Adam(rest, recipe.rate, (0.9, 0.99))
        )

    def step(self, done: float) -> None:
        """Move the weights at the rate of ``done`` (0 to 1) of the run; forget the gradients."""
        for optimizer, peak in ((self.muon, self.recipe.turn), (self.adam, self.recipe.rate)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(done, peak)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.muon.load_state_dict(saved["muon"])
        self.adam.load_state_dict(saved["adam"])


@torch.no_grad()
def mean_cosine(model: nn.Module, pictures: Tensor, wanted: Tensor) -> float:
    """Over ``pictures``, in evaluation mode; the model is left in it."""
    model.eval()
    own = torch.cat([model(part).embedding for part in pictures.split(64)])
    return float(cosine_similarity(own, wanted).mean())


class Store:
    """The last pictures shown to the teacher, with its answers in bfloat16: asking it costs as much
    as two thirds of a step."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._crops: list[NDArray[np.uint8]] = []
        self._truths: list[Features] = []

    def add(self, crops: NDArray[np.uint8], truth: Features) -> None:
        """Keep n x 112 x 112 x 3 crops and what the teacher says of them; drop the oldest batch."""
        self._crops.append(crops)
        self._truths.append(Features(*(part.bfloat16() for part in truth)))
        if len(self._crops) > self._batches:
            del self._crops[0], self._truths[0]

    def __len__(self) -> int:
        return len(self._crops)

    def draw(self, size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Features]:
        """``size`` random crops and their answers in float32."""
        batches = rng.integers(len(self._crops), size=size)
        places = [int(rng.integers(len(self._crops[n]))) for n in batches]
        taken = list(zip(batches, places, strict=True))
        crops = np.stack([self._crops[n][m] for n, m in taken])
        parts = (torch.stack([self._truths[n][k][m] for n, m in taken]).float() for k in range(4))
        return crops, Features(*parts)


@dataclass(frozen=True)
class Start:
    """Where a run begins: random weights, an exported file, or a checkpoint."""

    onnx: Path | None = None
    checkpoint: Path | None = None

    @property
    def late(self) -> bool:
        """Whether the weights already know faces."""
        return self.onnx is not None or self.checkpoint is not None


def train(
    data: Path,
    covers: Covers | None,
    teacher: Teacher,
    run: Path,
    recipe: Recipe,
    begin: Start,
    turn: NDArray[np.float32] | None = None,
) -> None:
    """Train for ``recipe.minutes``; leaves ``run/last.pt``: model, ema, optimizers, step.

    ``turn`` says how far the face of each row of the index is turned, see ``turning.turns``.
    """
    run.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    rows = read_index(data)
    seen = load_pictures(data, [row for row in rows if not row.held_out], 128)
    if turn is not None:
        seen = oftener(seen, turn[[not row.held_out for row in rows]] > TURNED, TURNED_TIMES)
    unseen = load_pictures(data, [row for row in rows if row.held_out][:320], 128)
    judged = to_network(center_crops(unseen))
    wanted = torch.cat([teacher(part).embedding for part in np.array_split(judged, 10)])
    judged_on = torch.from_numpy(judged).to(memory_format=torch.channels_last)
    samples = [to_network(batch(seen, 64, rng)) for _ in range(DEVIATION_BATCHES)]
    spread = Spread.of([teacher(crops) for crops in samples])
    if begin.onnx is not None:
        model = from_onnx(begin.onnx, torch.from_numpy(np.concatenate(samples)))
    else:
        model = Recognizer()
    model = model.to(memory_format=torch.channels_last)
    optimizers = Optimizers.of(model, recipe)
    ema = copy.deepcopy(model)
    step = 0
    if begin.checkpoint is not None:
        step = restore(torch.load(begin.checkpoint, weights_only=True), model, ema, optimizers)
    read = torch.compile(model) if recipe.compiled else model
    shares = LATE if begin.late else Shares()
    print(f"{len(seen)} faces to train on, {len(judged)} judged", flush=True)
    print(f"{step} held-out cosine {mean_cosine(ema, judged_on, wanted):.4f} start", flush=True)
    store = Store(STORED)
    start = told = time.monotonic()
    while (done := (time.monotonic() - start) / (60 * recipe.minutes)) < 1:
        for _ in range(STORED_FIRST if not store else int(step % recipe.repeats == 0)):
            crops = batch(seen, recipe.batch, rng, shares)
            if covers is not None:
                crops = harden(crops, covers, LATE_HARD, rng)
            store.add(crops, teacher(to_network(crops)))
        crops, truth = store.draw(recipe.batch, rng)
        pictures = torch.from_numpy(to_network(crops)).to(memory_format=torch.channels_last)
        keep = torch.rand(recipe.batch) < forced_share(done) if not begin.late else None
        with torch.autocast("cpu", torch.bfloat16):
            guess = read(pictures, truth, keep)
        misfit = spread.misfit(guess, truth)
        cosine = cosine_similarity(guess.embedding.float(), truth.embedding).mean()
        hints = torch.tensor(hint_weights(done, begin.late))
        loss = (hints * torch.stack(misfit)).sum() + COSINE_WEIGHT * (1 - cosine)
        loss.backward()
        optimizers.step(done)
        step += 1
        follow(ema, model, min(recipe.ema, step / (step + 10)))
        if step % 25 == 0:
            fits = " ".join(f"{float(m.detach()):.3f}" for m in misfit)
            print(
                f"{step} {done:.3f} misfit {fits} cosine {float(cosine.detach()):.4f}", flush=True
            )
        if (now := time.monotonic()) - told > TELL_EVERY_S:
            told = now
            save(run, model, ema, optimizers, step)
            print(f"{step} held-out cosine {mean_cosine(ema, judged_on, wanted):.4f}", flush=True)
    save(run, model, ema, optimizers, step)
    print(f"{step} held-out cosine {mean_cosine(ema, judged_on, wanted):.4f} end", flush=True)


def oftener(squares: NDArray[np.uint8], chosen: NDArray[np.bool_], times: int) -> NDArray[np.uint8]:
    """``squares`` with the ``chosen`` ones in it as many ``times``."""
    return np.concatenate([squares, *[squares[chosen]] * (times - 1)])


def restore(saved: dict[str, Any], model: nn.Module, ema: nn.Module, optimizers: Optimizers) -> int:
    """Take over a checkpoint, return its step. Blocks it lacks keep their (closed) start; the
    optimizers then start anew.

    :raises ValueError: when the checkpoint has tensors that this network lacks.
    """
    lacking = model.load_state_dict(saved["model"], strict=False)
    ema.load_state_dict(saved["ema"], strict=False)
    if lacking.unexpected_keys:
        raise ValueError(f"the checkpoint has {lacking.unexpected_keys[0]}, this network does not")
    if not lacking.missing_keys:
        optimizers.load_state_dict(saved["optimizers"])
    return int(saved["step"])


def save(run: Path, model: nn.Module, ema: nn.Module, optimizers: Optimizers, step: int) -> None:
    """Write ``run/last.pt`` whole or not at all; readable with ``weights_only=True``."""
    state = {
        "model": model.state_dict(),
        "ema": ema.state_dict(),
        "optimizers": optimizers.state_dict(),
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
    parser.add_argument("--turn", type=float, default=Recipe.turn)
    parser.add_argument("--repeats", type=int, default=Recipe.repeats)
    parser.add_argument("--compiled", action="store_true", help="worth it from ten minutes on")
    parser.add_argument("--occluders", type=Path, help="masks and hands to hide faces behind")
    parser.add_argument("--turn-file", type=Path, help="turn_*.npy, as training.train keeps it")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--start", type=Path, help="an exported .onnx to go on from")
    begin.add_argument("--resume", type=Path, help="a last.pt to go on from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = Recipe(
        args.minutes,
        rate=args.rate,
        turn=args.turn,
        repeats=args.repeats,
        seed=args.seed,
        compiled=args.compiled,
    )
    covers = load_covers(args.occluders, held_out=False) if args.occluders else None
    teacher = Teacher(args.teacher, args.threads)
    turn = np.load(args.turn_file) if args.turn_file else None
    train(args.data, covers, teacher, args.run, recipe, Start(args.start, args.resume), turn)


if __name__ == "__main__":
    main()
