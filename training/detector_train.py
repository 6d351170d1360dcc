"""Train the detector: another process draws scenes into a shared store while this one learns.

``python -m training.detector_train --data DIR --clips DIR --hands FILE --reference FILE --out DIR``
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.detector_export import export
from training.detector_material import SIDE, load_material
from training.detector_model import Detector
from training.detector_restore import from_onnx
from training.detector_scenes import Composer
from training.detector_targets import dense_targets
from training.detector_teacher import ReferenceDetector, anchors
from training.following import follow
from training.recognizer_covers import load_covers

GRID = anchors(SIDE, SIDE)
CHANNELS = 17
POINT_MIRROR = [2, 3, 0, 1, 4, 5, 8, 9, 6, 7]


@dataclass(frozen=True)
class Paths:
    """Where the material and the reference model lie."""

    data: Path
    clips: Path
    hands: Path
    reference: Path
    occluders: Path | None


@dataclass(frozen=True)
class Store:
    """Shared arrays of scenes: pictures K x SIDE x SIDE x 3 uint8, targets K x N x 17 float16."""

    pictures: NDArray[np.uint8]
    targets: NDArray[np.float16]
    count: NDArray[np.int64]  # scenes drawn so far, scenes learnt from so far

    @staticmethod
    def size(scenes: int) -> int:
        """Bytes that ``over`` needs."""
        return scenes * (SIDE * SIDE * 3 + len(GRID) * CHANNELS * 2) + 16

    @staticmethod
    def over(memory: SharedMemory, scenes: int) -> Store:
        """Lay the arrays over a block."""
        at = scenes * SIDE * SIDE * 3
        end = at + scenes * len(GRID) * CHANNELS * 2
        return Store(
            np.ndarray((scenes, SIDE, SIDE, 3), np.uint8, memory.buf),
            np.ndarray((scenes, len(GRID), CHANNELS), np.float16, memory.buf, at),
            np.ndarray((2,), np.int64, memory.buf, end),
        )


def compose_forever(
    name: str, scenes: int, paths: Paths, limit: int, seed: int, repeats: float
) -> None:
    """Draw scenes into the store, oldest first, until the parent is gone.

    Once the store is full, one new scene for every ``repeats`` that were learnt from.
    """
    cv2.setNumThreads(1)
    parent = os.getppid()
    memory = SharedMemory(name)
    store = Store.over(memory, scenes)
    teacher = ReferenceDetector(paths.reference)
    material = load_material(
        paths.data, paths.clips, paths.hands, teacher, held_out=False, limit=limit, seed=seed
    )
    covers = load_covers(paths.occluders, held_out=False) if paths.occluders else None
    composer = Composer(material, seed, covers)
    while os.getppid() == parent:
        if store.count[0] - scenes > store.count[1] / repeats:
            time.sleep(0.05)
            continue
        scene = composer.scene()
        slot = int(store.count[0]) % scenes
        store.pictures[slot] = scene.picture
        store.targets[slot] = dense_targets(scene, teacher.dense(scene.picture))
        store.count[0] += 1


@dataclass(frozen=True)
class Hardness:
    """How wrong the scores of each scene were when it was last learnt from; 0: not yet."""

    values: NDArray[np.float32]  # K, in the order of the store
    share: float  # of a batch drawn by hardness; the rest is drawn evenly

    def draw(self, size: int, known: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Slots of ``size`` of the first ``known`` scenes: the wrong ones come back more often."""
        slots = rng.integers(0, known, size)
        values = self.values[:known]
        hard = rng.random(size) < self.share
        if values.any() and hard.any():
            slots[hard] = rng.choice(known, int(hard.sum()), p=values / values.sum(dtype=float))
        return slots

    def note(self, slots: NDArray[np.intp], wrong: NDArray[np.floating]) -> None:
        """The root of the loss: one hopeless scene must not fill a batch."""
        self.values[slots] = np.sqrt(wrong)


def batch(store: Store, slots: NDArray[np.intp], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Scenes with a fresh mirror, light and cast: B x 3 x H x W and B x N x 17 floats."""
    size = len(slots)
    pictures = store.pictures[slots].astype(np.float32)
    targets = store.targets[slots].astype(np.float32)
    for n in range(size):
        if rng.random() < 0.5:
            pictures[n] = pictures[n, :, ::-1]
            targets[n] = mirrored(targets[n])
    if rng.random() < 0.8:
        gain = rng.uniform(0.75, 1.25, (size, 1, 1, 1)) * rng.uniform(0.92, 1.08, (size, 1, 1, 3))
        shift = rng.uniform(-15, 15, (size, 1, 1, 1))
        pictures = np.clip(pictures * gain + shift, 0, 255).astype(np.float32)
    channels_last = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return channels_last, torch.from_numpy(targets)


def mirrored(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """The targets (N x 17) of the picture seen in a mirror."""
    parts, at = [], 0
    for stride in (8, 16, 32):
        cells = SIDE // stride
        part = target[at : at + cells * cells].reshape(cells, cells, CHANNELS)[:, ::-1].copy()
        part[..., 3] = 1 - 1 / stride - part[..., 3]
        part[..., 7:] = part[..., 7:][..., POINT_MIRROR]
        part[..., 7::2] = 1 - 1 / stride - part[..., 7::2]
        parts.append(part.reshape(-1, CHANNELS))
        at += cells * cells
    return np.concatenate(parts)


def loss_of(maps: list[Tensor], target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Score, box and point losses against dense targets B x N x 17, and each scene's share of the
    first: B, without gradient."""
    out = torch.cat(maps, 1)
    score, weight, regression = target[..., 0], target[..., 1], target[..., 2]
    total = score.sum().clamp(min=1.0)
    each = torch.zeros(len(out))
    for logit in (out[..., 0], out[..., 1]):
        far = (logit.sigmoid() - score).abs().detach()
        entropy = F.binary_cross_entropy_with_logits(logit, score, reduction="none")
        each = each + (entropy * far * weight).sum(1) / total
    scores = each.sum()
    at = regression > 0
    if not bool(at.any()):
        return scores, scores * 0, scores * 0, each.detach()
    w = regression[at] / regression.sum()
    mine, true = out[at], target[at]
    sides = true[:, 5:7].exp()
    size = sides.prod(1, keepdim=True).sqrt()
    shift = F.smooth_l1_loss(mine[:, 2:4] / size, true[:, 3:5] / size, reduction="none", beta=0.02)
    growth = F.smooth_l1_loss(mine[:, 4:6], true[:, 5:7], reduction="none", beta=0.04)
    points = F.smooth_l1_loss(mine[:, 6:] / size, true[:, 7:] / size, reduction="none", beta=0.01)
    boxes = (w[:, None] * (shift + growth)).sum()
    return scores, boxes, (w[:, None] * points).sum(), each.detach()


def train(args: argparse.Namespace) -> None:
    """Learn for ``--minutes``; writes ``detector.pt`` and ``detector.onnx`` now and then."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    paths = Paths(args.data, args.clips, args.hands, args.reference, args.occluders)
    memory = SharedMemory(create=True, size=Store.size(args.scenes))
    store = Store.over(memory, args.scenes)
    store.count[:] = 0
    worker = multiprocessing.get_context("spawn").Process(
        target=compose_forever,
        args=(memory.name, args.scenes, paths, args.faces, args.seed, args.repeats),
        daemon=True,
    )
    worker.start()
    try:
        await_scenes(store, args.first, worker)
        _learn(args, store)
    finally:
        worker.terminate()
        worker.join()
        del store
        memory.unlink()


def await_scenes(store: Store, first: int, composer: BaseProcess) -> None:
    """Wait until ``composer`` has drawn ``first`` scenes.

    :raises SystemExit: when it ends before; it has said why by itself.
    """
    while store.count[0] < first:
        composer.join(0.5)
        if composer.exitcode is not None:
            raise SystemExit(f"no scenes are drawn: their process ended ({composer.exitcode})")


def _learn(args: argparse.Namespace, store: Store) -> None:
    rng = np.random.default_rng(args.seed)
    model = Detector()
    if args.start:
        pictures, _ = batch(store, np.arange(min(args.first, 64)), rng)
        model = from_onnx(args.start, pictures, args.shift)
    elif args.resume:
        model.load_state_dict(torch.load(args.resume, weights_only=True))
    hardness = Hardness(np.zeros(args.scenes, np.float32), args.hard)
    model = model.to(memory_format=torch.channels_last)
    mean = copy.deepcopy(model)
    plain = [p for p in model.parameters() if p.ndim == 1]
    heavy = [p for p in model.parameters() if p.ndim > 1]
    optimizer = torch.optim.AdamW(
        [{"params": heavy, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
    )
    start = saved = time.monotonic()
    step, sums = 0, np.zeros(3)
    while (done := (time.monotonic() - start) / (args.minutes * 60)) < 1.0:
        warm = min(1.0, (step + 1) / 200)
        rate = args.rate * warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        known = int(min(store.count[0], args.scenes))
        slots = hardness.draw(args.batch, known, rng)
        pictures, targets = batch(store, slots, rng)
        scores, boxes, points, wrong = loss_of(model(pictures), targets)
        hardness.note(slots, wrong.numpy())
        optimizer.zero_grad(set_to_none=True)
        (scores + 2.0 * boxes + 1.5 * points).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        keep = min(0.998, (step + 1) / (step + 10))
        follow(mean, model, keep)
        sums += scores.item(), boxes.item(), points.item()
        step += 1
        store.count[1] += args.batch
        if step % 100 == 0:
            s, b, p = sums / 100
            print(
                f"step {step} {done:.1%} rate {rate:.1e} drawn {int(store.count[0])}"
                f" score {s:.4f} box {b:.4f} points {p:.4f}",
                flush=True,
            )
            sums[:] = 0
        if time.monotonic() - saved > args.save_s:
            saved = time.monotonic()
            save(mean, args.out)
    save(mean, args.out)


def save(model: Detector, folder: Path) -> None:
    """Write the state and the ONNX file, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "detector.pt.part")
    (folder / "detector.pt.part").replace(folder / "detector.pt")
    export(copy.deepcopy(model).eval(), folder / "detector.onnx")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "clips", "hands", "reference", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--occluders", type=Path, help="masks and hands to hide faces behind")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--start", type=Path, help="an exported .onnx to go on from")
    begin.add_argument("--resume", type=Path, help="a detector.pt to go on from")
    parser.add_argument("--shift", type=float, default=0.0, help="logits its export had added")
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--repeats", type=float, default=4.0)
    parser.add_argument("--hard", type=float, default=0.5, help="share drawn by how wrong it was")
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--faces", type=int, default=6000)
    parser.add_argument("--save-s", type=float, default=120.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    train(parse())
