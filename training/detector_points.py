"""Teach the detector's point branch where the five points of turned heads lie.

``python -m training.detector_points --data DIR --clips DIR --hands FILE --reference FILE
--start FILE.onnx --out DIR``

The rest of the network stays as it is, so that what it finds does not change. Half of the steps
show views as the application has them when it follows a face (160 px, the face half of it), half
the scenes that the network learnt from. The truth is the mean of the reference's answers to six
views.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from training.detector_export import export
from training.detector_material import Material, Picture, load_material, mirror_face
from training.detector_model import Detector
from training.detector_restore import from_onnx
from training.detector_scenes import Composer
from training.detector_teacher import Floats, ReferenceDetector, anchors
from training.following import follow
from training.turning import nose_aside

VIEW_PX = 160
SURE = 0.3  # least score of an anchor that is taught
TURN_SHARE = 8.0  # how much more often a face is drawn, for each eye distance its nose is off
FRAMES_SHARE = 0.35
CLIP_SHARE = 0.4  # of the scenes
LEAST_PX, MOST_HIDDEN = 14, 0.5  # a face of a scene that is taught


@dataclass(frozen=True)
class Known:
    """Faces with their truth: BGR picture, box (x, y, w, h), points 5 x 2 in its pixels."""

    pictures: list[Picture]
    boxes: Floats
    points: Floats

    @property
    def turn(self) -> Floats:
        """How far each nose is off the middle of the eyes, in eye distances: n."""
        return nose_aside(self.points)

    @staticmethod
    def squares(material: Material) -> Known:
        """The aligned faces."""
        return Known(list(material.faces), material.boxes, material.points)

    @staticmethod
    def frames(material: Material) -> Known:
        """The faces in clip frames."""
        counts = [len(boxes) for boxes in material.frame_boxes]
        pictures = [f for f, n in zip(material.frames, counts, strict=True) for _ in range(n)]
        return Known(
            pictures, np.concatenate(material.frame_boxes), np.concatenate(material.frame_points)
        )


@dataclass(frozen=True)
class Batch:
    """Pictures n x 3 x s x s (BGR, 0 to 255) and the m faces in them: which picture's, the middle
    and side of the box (m x 3) and the points (m x 5 x 2), in pixels."""

    pictures: Tensor
    owners: Tensor
    centres: Tensor
    points: Tensor

    @staticmethod
    def of(shown: Iterable[tuple[Picture, Floats, Floats]]) -> Batch:
        """From pictures, each with its faces' centres k x 3 and points k x 5 x 2."""
        pictures, centres, points = zip(*shown, strict=True)
        blob = np.ascontiguousarray(np.stack(pictures), np.float32)
        owners = np.repeat(np.arange(len(centres)), [len(some) for some in centres])
        return Batch(
            torch.from_numpy(blob)
            .permute(0, 3, 1, 2)
            .contiguous(memory_format=torch.channels_last),
            torch.from_numpy(owners),
            torch.from_numpy(np.concatenate(centres).astype(np.float32)),
            torch.from_numpy(np.concatenate(points).astype(np.float32)),
        )


def view(
    known: Known, n: int, behind: Picture, rng: Generator | None
) -> tuple[Picture, Floats, Floats]:
    """Face ``n`` as the tracker looks at it, its box's centre and size (1 x 3: x, y, side) and its
    points (1 x 5 x 2), in pixels of the view; with ``rng`` moved, turned, sized and mirrored."""
    picture, box, points = known.pictures[n], known.boxes[n], known.points[n]
    if rng is not None and rng.random() < 0.5:
        box, points = mirror_face(box, points, picture.shape[1])
        picture = np.ascontiguousarray(picture[:, ::-1])
    side, angle, shift = VIEW_PX / 2, 0.0, np.zeros(2)
    if rng is not None:
        wide = rng.random() < 0.3
        side *= float(np.exp(rng.uniform(-0.7, 0.75) if wide else rng.normal(0, 0.1)))
        angle = float(np.radians(rng.normal(0, 12)))
        shift = rng.normal(0, 6, 2)
    scale = side / float(max(box[2], box[3]))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]])
    offset = VIEW_PX / 2 + shift - rotation @ (box[:2] + box[2:] / 2)
    warp = np.column_stack([rotation, offset])
    made = behind.copy()
    cv2.warpAffine(
        picture,
        warp,
        (VIEW_PX, VIEW_PX),
        dst=made,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    size = float(np.sqrt(box[2] * box[3])) * scale
    centre = np.array([[*(VIEW_PX / 2 + shift), size]], np.float32)
    return made, centre, (points @ rotation.T + offset).astype(np.float32)[None]


def spoiled(picture: Picture, rng: Generator) -> Picture:
    """Light, cast, blur, noise and JPEG, each with some chance."""
    x = picture
    if rng.random() < 0.6:
        table = (np.arange(256)[:, None] / 255) ** np.exp(rng.uniform(-0.5, 0.6))
        gain = rng.uniform(0.5, 1.3) * (1 + rng.uniform(-0.2, 0.2, 3) * (rng.random() < 0.4))
        x = cv2.LUT(x, np.clip(table * gain * 255, 0, 255).astype(np.uint8)[None])
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
    if rng.random() < 0.3:
        noise = rng.standard_normal(x.shape, np.float32) * np.float32(rng.uniform(1, 12))
        x = np.clip(x + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 95))
        x = cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
    return np.asarray(x, np.uint8)


@dataclass(frozen=True)
class Views:
    """Draws batches of views and of scenes."""

    material: Material
    composer: Composer
    squares: Known
    frames: Known
    chances: tuple[NDArray[np.floating], NDArray[np.floating]]

    @staticmethod
    def over(material: Material, seed: int) -> Views:
        """Turned faces more often."""
        both = Known.squares(material), Known.frames(material)
        weights = [1 + TURN_SHARE * np.abs(known.turn).clip(0, 0.6) for known in both]
        chances = weights[0] / weights[0].sum(), weights[1] / weights[1].sum()
        return Views(material, Composer(material, seed), *both, chances)

    def near(self, size: int, rng: Generator) -> Batch:
        """``size`` faces as the tracker sees them."""
        shown = []
        for _ in range(size):
            kind = int(rng.random() < FRAMES_SHARE)
            known = (self.squares, self.frames)[kind]
            n = int(rng.choice(len(known.boxes), p=self.chances[kind]))
            other = self.material.frames[rng.integers(len(self.material.frames))]
            behind = np.asarray(cv2.resize(other, (VIEW_PX, VIEW_PX)), np.uint8)
            picture, centre, points = view(known, n, behind, rng)
            shown.append((spoiled(picture, rng), centre, points))
        return Batch.of(shown)

    def scenes(self, size: int, rng: Generator) -> Batch:
        """``size`` scenes of the training, with every face that is large and bare enough."""
        shown = []
        for _ in range(size):
            clip = rng.random() < CLIP_SHARE
            scene = self.composer.clip_scene() if clip else self.composer.composed_scene()
            side = np.sqrt(scene.boxes[:, 2] * scene.boxes[:, 3])
            known = (side > LEAST_PX) & (scene.hidden < MOST_HIDDEN)
            middle = scene.boxes[:, :2] + scene.boxes[:, 2:] / 2
            centres = np.column_stack([middle, side])
            shown.append((scene.picture, centres[known], scene.points[known]))
        return Batch.of(shown)


def taught(maps: Tensor, centres: Tensor, grid: Tensor) -> Tensor:
    """The weight of every anchor, m x N, from the heads' maps m x N x 16: its score, where its box
    is the face's at ``centres``."""
    score = (maps[..., 0].sigmoid() * maps[..., 1].sigmoid()).sqrt()
    stride = grid[:, 2]
    at = (maps[..., 2:4] + grid[:, :2]) * stride[:, None]
    side = (0.5 * maps[..., 4:6].sum(-1)).exp() * stride
    wanted = centres[:, None, 2]
    near = (at - centres[:, None, :2]).norm(dim=-1) < 0.25 * wanted
    alike = (side / wanted).log().abs() < 0.35
    return score * (score > SURE) * near * alike


def loss_of(maps: Tensor, weight: Tensor, centres: Tensor, points: Tensor, grid: Tensor) -> Tensor:
    """Smooth L1 of the points in shares of the face's side, quadratic below a twentieth."""
    local = maps[..., 6:].unflatten(-1, (5, 2))
    found = (local + grid[:, None, :2]) * grid[:, None, 2:]
    apart = (found - points[:, None]) / centres[:, None, None, 2:]
    each = F.smooth_l1_loss(apart, torch.zeros_like(apart), reduction="none", beta=0.05)
    return (each.sum((2, 3)) * weight).sum() / weight.sum().clamp_min(1e-6)


def cells(pictures: Tensor) -> Tensor:
    """Column, row and stride of every anchor of these pictures: N x 3."""
    return torch.from_numpy(anchors(*pictures.shape[-2:]))


def answers(model: Detector, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The heads' maps and the whole network's, n x N x 16 each; gradient in the branch alone."""
    with torch.no_grad():
        features = model.features(pictures)
        base = [m.flatten(2).transpose(1, 2) for m in model.base(features)]
    more = [m.flatten(2).transpose(1, 2) for m in model.points(features)]
    whole = [b + F.pad(m, (6, 0)) for b, m in zip(base, more, strict=True)]
    return torch.cat(base, 1), torch.cat(whole, 1)


@torch.no_grad()
def judge(model: Detector, batches: Iterable[Batch]) -> dict[str, float]:
    """The best anchors' mean point error in eye distances, without and with the branch, and the
    slope of the turn they show on the true one (1: right, 0: a mean face)."""
    model.eval()
    errors: list[list[float]] = [[], []]
    turns: list[list[float]] = [[], [], []]
    for batch in batches:
        grid = cells(batch.pictures)
        base, whole = (maps[batch.owners] for maps in answers(model, batch.pictures))
        weight = taught(base, batch.centres, grid)
        best, rows = weight.argmax(1), weight.amax(1).nonzero()[:, 0]
        true, cell = batch.points[rows].numpy(), grid[best[rows]]
        eyes = np.linalg.norm(true[:, 1] - true[:, 0], axis=1)
        for k, maps in enumerate((base, whole)):
            local = maps[rows, best[rows], 6:].unflatten(-1, (5, 2))
            found = ((local + cell[:, None, :2]) * cell[:, None, 2:]).numpy()
            errors[k] += list(np.linalg.norm(found - true, axis=2).mean(1) / eyes)
            turns[k] += list(nose_aside(found))
        turns[2] += list(nose_aside(true))
    slopes = [float(np.polyfit(turns[2], turns[k], 1)[0]) for k in range(2)]
    names = ("error_before", "error", "slope_before", "slope")
    values = (*(float(np.mean(e)) for e in errors), *slopes)
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}


def plain(known: Known) -> list[Batch]:
    """Every face as the tracker sees it, unmoved, on grey."""
    behind = np.full((VIEW_PX, VIEW_PX, 3), 114, np.uint8)
    count = len(known.boxes)
    parts = (range(start, min(start + 64, count)) for start in range(0, count, 64))
    return [Batch.of([view(known, n, behind, None) for n in part]) for part in parts]


def train(given: argparse.Namespace, unseen: dict[str, list[Batch]], views: Views) -> None:
    """For ``--minutes``; writes ``detector.onnx`` now and then."""
    rng = np.random.default_rng(given.seed)
    model = from_onnx(given.start, views.near(64, rng).pictures)
    model = model.to(memory_format=torch.channels_last).requires_grad_(False).eval()
    model.points.requires_grad_(True)
    mean = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.points.parameters(), given.rate, (0.9, 0.98))
    start = told = time.monotonic()
    step, total = 0, 0.0

    def tell(when: str) -> None:
        figures = {name: judge(mean, batches) for name, batches in unseen.items()}
        print(step, when, f"loss {total / max(step, 1):.5f}", figures, flush=True)
        export(copy.deepcopy(mean).eval(), given.out / "detector.onnx")

    tell("start")
    while (done := (time.monotonic() - start) / (60 * given.minutes)) < 1:
        model.points.train()
        for group in optimizer.param_groups:
            group["lr"] = given.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * done))
        wide = step % 2 == 0
        batch = views.scenes(given.batch // 4, rng) if wide else views.near(given.batch, rng)
        grid = cells(batch.pictures)
        base, whole = (maps[batch.owners] for maps in answers(model, batch.pictures))
        weight = taught(base, batch.centres, grid)
        loss = loss_of(whole, weight, batch.centres, batch.points, grid)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step, total = step + 1, total + float(loss.detach())
        keep = min(0.998, step / (step + 10))
        follow(mean.points, model.points, keep)
        if time.monotonic() - told > 120:
            told = time.monotonic()
            tell(f"{done:.3f}")
    tell("end")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "clips", "hands", "reference", "start", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--faces", type=int, default=12000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(given.seed)
    teacher = ReferenceDetector(given.reference)

    def material(held_out: bool, limit: int) -> Material:
        folders = given.data, given.clips, given.hands
        return load_material(*folders, teacher, held_out=held_out, limit=limit, seed=given.seed)

    known = material(held_out=True, limit=400)
    scenes = Views.over(known, given.seed)
    rng = np.random.default_rng(given.seed)
    unseen = {
        "squares": plain(Known.squares(known)),
        "frames": plain(Known.frames(known)),
        "scenes": [scenes.scenes(16, rng) for _ in range(12)],
    }
    train(given, unseen, Views.over(material(held_out=False, limit=given.faces), given.seed))


if __name__ == "__main__":
    main()
