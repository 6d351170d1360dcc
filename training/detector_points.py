"""Teach the detector's point branch where the five points of turned heads lie.

``python -m training.detector_points --data DIR --clips DIR --reference FILE --start FILE.onnx
--out DIR``

The rest of the network stays as it is, so that what it finds does not change. Pictures are those in
which the application follows a face: 160 px, the face about half of it. The truth is the mean of
the reference's answers to six views.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from training.data import load_pictures, read_index
from training.detector_export import export
from training.detector_material import Picture, label_clean, label_frame, mirror_face, read_clips
from training.detector_model import Detector
from training.detector_restore import from_onnx
from training.detector_teacher import Floats, ReferenceDetector, anchors
from training.turning import nose_aside

VIEW_PX = 160
FACE_PX = 128
GRID = torch.from_numpy(anchors(VIEW_PX, VIEW_PX))
SURE = 0.3  # least score of an anchor that is taught
EVERY = 5  # frames of a clip
TURN_SHARE = 8.0  # how much more often a face is drawn, for each eye distance its nose is off
FRAMES_SHARE = 0.35


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
    def of(found: Iterator[tuple[Picture, Floats, Floats]]) -> Known:
        """From pictures, boxes and points one after the other."""
        pictures, boxes, points = zip(*found, strict=True)
        return Known(list(pictures), np.stack(boxes), np.stack(points))


def squares(data: Path, teacher: ReferenceDetector, held_out: bool, limit: int) -> Known:
    """Aligned faces of one split, those in which the reference finds a face."""
    rows = [row for row in read_index(data) if row.held_out == held_out]
    rows = [rows[n] for n in np.random.default_rng(0).permutation(len(rows))[:limit]]
    pictures = np.ascontiguousarray(load_pictures(data, rows, FACE_PX)[..., ::-1])
    labels = ((picture, label_clean(picture, teacher)) for picture in pictures)
    return Known.of((picture, *label) for picture, label in labels if label is not None)


def frames(clips: Path, teacher: ReferenceDetector, held_out: bool) -> Known:
    """Faces of every fifth frame of the clips of one split."""

    def found() -> Iterator[tuple[Picture, Floats, Floats]]:
        for picture in read_clips(clips, held_out=held_out)[::EVERY]:
            for box, points in zip(*label_frame(picture, teacher), strict=True):
                yield picture, box, points

    return Known.of(found())


def view(
    known: Known, n: int, behind: Picture, rng: Generator | None
) -> tuple[Picture, Floats, Floats]:
    """Face ``n`` as the tracker looks at it, its box's centre and size (x, y, side) and its points,
    in pixels of the view; with ``rng`` moved, turned, sized and mirrored at random."""
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
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    size = float(np.sqrt(box[2] * box[3])) * scale
    centre = np.array([*(VIEW_PX / 2 + shift), size], np.float32)
    return made, centre, (points @ rotation.T + offset).astype(np.float32)


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
    """Draws batches of views from squares and frames."""

    squares: Known
    frames: Known
    chances: tuple[NDArray[np.floating], NDArray[np.floating]]

    @staticmethod
    def over(some: Known, others: Known) -> Views:
        """Turned faces more often."""
        weights = [1 + TURN_SHARE * np.abs(known.turn).clip(0, 0.6) for known in (some, others)]
        return Views(some, others, (weights[0] / weights[0].sum(), weights[1] / weights[1].sum()))

    def batch(self, size: int, rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures n x 3 x 160 x 160 (BGR, 0 to 255), centres n x 3, points n x 5 x 2."""
        made = []
        for _ in range(size):
            kind = int(rng.random() < FRAMES_SHARE)
            known = (self.squares, self.frames)[kind]
            n = int(rng.choice(len(known.boxes), p=self.chances[kind]))
            other = self.frames.pictures[rng.integers(len(self.frames.pictures))]
            behind = cv2.resize(other, (VIEW_PX, VIEW_PX))
            picture, centre, points = view(known, n, np.asarray(behind, np.uint8), rng)
            made.append((spoiled(picture, rng), centre, points))
        return stacked(made)


def stacked(made: list[tuple[Picture, Floats, Floats]]) -> tuple[Tensor, Tensor, Tensor]:
    """Views as tensors."""
    pictures, centres, points = (np.stack(part) for part in zip(*made, strict=True))
    blob = torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).permute(0, 3, 1, 2)
    return blob, torch.from_numpy(centres), torch.from_numpy(points)


def taught(maps: Tensor, centres: Tensor) -> Tensor:
    """The weight of every anchor, n x N, from the heads' maps n x N x 16: its score, where its box
    is the face's at ``centres``."""
    score = (maps[..., 0].sigmoid() * maps[..., 1].sigmoid()).sqrt()
    stride = GRID[:, 2]
    at = (maps[..., 2:4] + GRID[:, :2]) * stride[:, None]
    side = (0.5 * maps[..., 4:6].sum(-1)).exp() * stride
    wanted = centres[:, None, 2]
    near = (at - centres[:, None, :2]).norm(dim=-1) < 0.25 * wanted
    alike = (side / wanted).log().abs() < 0.35
    return score * (score > SURE) * near * alike


def loss_of(maps: Tensor, weight: Tensor, centres: Tensor, points: Tensor) -> Tensor:
    """Smooth L1 of the points in shares of the face's side, quadratic below a twentieth."""
    local = maps[..., 6:].unflatten(-1, (5, 2))
    found = (local + GRID[:, None, :2]) * GRID[:, None, 2:]
    apart = (found - points[:, None]) / centres[:, None, None, 2:]
    each = F.smooth_l1_loss(apart, torch.zeros_like(apart), reduction="none", beta=0.05)
    return (each.sum((2, 3)) * weight).sum() / weight.sum().clamp_min(1e-6)


def answers(model: Detector, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The heads' maps and the whole network's, n x N x 16 each; gradient in the branch alone."""
    with torch.no_grad():
        features = model.features(pictures)
        base = [m.flatten(2).transpose(1, 2) for m in model.base(features)]
    more = [m.flatten(2).transpose(1, 2) for m in model.points(features)]
    whole = [b + F.pad(m, (6, 0)) for b, m in zip(base, more, strict=True)]
    return torch.cat(base, 1), torch.cat(whole, 1)


@torch.no_grad()
def judge(model: Detector, known: Known) -> dict[str, float]:
    """On the plain views of ``known``: the best anchor's mean point error in eye distances, without
    and with the branch, and the slope of its turn on the true one (1: right, 0: a mean face)."""
    model.eval()
    behind = np.full((VIEW_PX, VIEW_PX, 3), 114, np.uint8)
    errors: list[list[float]] = [[], []]
    turns: list[list[float]] = [[], [], []]
    for start in range(0, len(known.boxes), 64):
        part = range(start, min(start + 64, len(known.boxes)))
        pictures, centres, points = stacked([view(known, n, behind, None) for n in part])
        base, whole = answers(model, pictures)
        weight = taught(base, centres)
        best = weight.argmax(1)
        rows = torch.arange(len(best))[weight.amax(1) > 0]
        true = points[rows].numpy()
        for k, maps in enumerate((base, whole)):
            cell = GRID[best[rows]]
            local = maps[rows, best[rows], 6:].unflatten(-1, (5, 2))
            found = ((local + cell[:, None, :2]) * cell[:, None, 2:]).numpy()
            eyes = np.linalg.norm(true[:, 1] - true[:, 0], axis=1)
            errors[k] += list(np.linalg.norm(found - true, axis=2).mean(1) / eyes)
            turns[k] += list(Known([], centres.numpy(), found).turn)
        turns[2] += list(Known([], centres.numpy(), true).turn)
    slopes = [float(np.polyfit(turns[2], turns[k], 1)[0]) for k in range(2)]
    names = ("error_before", "error", "slope_before", "slope")
    values = (*(float(np.mean(e)) for e in errors), *slopes)
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "clips", "reference", "start", "out"):
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
    unseen = {
        "squares": squares(given.data, teacher, True, 400),
        "frames": frames(given.clips, teacher, True),
    }
    views = Views.over(
        squares(given.data, teacher, False, given.faces), frames(given.clips, teacher, False)
    )
    rng = np.random.default_rng(given.seed)
    model = from_onnx(given.start, views.batch(64, rng)[0]).to(memory_format=torch.channels_last)
    model.requires_grad_(False).eval()
    model.points.requires_grad_(True)
    mean = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.points.parameters(), given.rate, (0.9, 0.98))
    start = told = time.monotonic()
    step, total = 0, 0.0
    while (done := (time.monotonic() - start) / (60 * given.minutes)) < 1:
        model.points.train()
        for group in optimizer.param_groups:
            group["lr"] = given.rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * done))
        pictures, centres, points = views.batch(given.batch, rng)
        base, whole = answers(model, pictures.contiguous(memory_format=torch.channels_last))
        loss = loss_of(whole, taught(base, centres), centres, points)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step, total = step + 1, total + float(loss.detach())
        keep = min(0.998, step / (step + 10))
        with torch.no_grad():
            pairs = zip(*(m.points.state_dict().values() for m in (mean, model)), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, 1 - keep) if slow.is_floating_point() else slow.copy_(fast)
        if time.monotonic() - told > 120:
            told = time.monotonic()
            figures = {name: judge(mean, known) for name, known in unseen.items()}
            print(step, round(done, 3), round(total / step, 5), figures, flush=True)
            export(copy.deepcopy(mean).eval(), given.out / "detector.onnx")
    figures = {name: judge(mean, known) for name, known in unseen.items()}
    print(step, "end", figures, flush=True)
    export(mean.eval(), given.out / "detector.onnx")


if __name__ == "__main__":
    main()
