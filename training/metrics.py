"""The harness's figures, each a plain function of arrays; ``training/README.md`` defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.landmarks import BROWS, LEFT_CORNER, LEFT_EYE, RIGHT_CORNER, RIGHT_EYE, five
from training.recognizer_metrics import auc
from training.squares import Floats, Squares

JAW = slice(0, 17)
FOREHEAD = 0.7  # brows are raised by so many distances from eyes to mouth
ROOM_PX = 4  # a swap may change this much round the face
SUBSETS, SUBSET = 50, 100  # of KID
FOLDS, RIDGE = 5, 1.0  # of telling made from real
CLIP = 4.0  # spreads: one odd picture must not rule the third power
LIGHTS = {"warm": (1.25, 1.0, 0.65), "cold": (0.7, 0.95, 1.3), "green": (0.8, 1.2, 0.75)}
FLIPPED = 10.0  # CIE76 difference from which a skin tone did not follow the light
LEAST_IN_GROUP = 10


# --- likeness -------------------------------------------------------------------------------------


def cosines(one: Floats, other: Floats) -> Floats:
    """Row by row, of unit embeddings."""
    return np.asarray((one * other).sum(1))


def hits(swaps: Floats, sources: Floats) -> Floats:
    """1 where swap n is nearer to source n than to every other source, else 0."""
    return np.asarray((swaps @ sources.T).argmax(1) == np.arange(len(swaps)), float)


# --- what must stay -------------------------------------------------------------------------------


def face_area(points: Floats, side: int) -> NDArray[np.bool_]:
    """The head's front from jaw to hairline, with a little room, n x side x side."""
    found = np.zeros((len(points), side, side), np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ROOM_PX + 1, 2 * ROOM_PX + 1))
    for picture, face in zip(found, points, strict=True):
        anchors = five(face)
        down = anchors[3:].mean(0) - anchors[:2].mean(0)
        outline = np.concatenate([face[JAW], face[BROWS] - FOREHEAD * down])
        hull = cv2.convexHull(np.rint(outline).astype(np.int32))
        cv2.fillConvexPoly(picture, hull, 1)
        picture[:] = cv2.dilate(picture, kernel)
    return found.astype(bool)


def changes(made: Squares, targets: Squares, where: NDArray[np.bool_]) -> Floats:
    """Mean absolute change in grey levels where ``where`` (n x h x w) says, n; 0 where nowhere."""
    change = np.abs(made.astype(np.float32) - targets.astype(np.float32)).mean(3)
    weight = where.sum((1, 2))
    return np.asarray((change * where).sum((1, 2)) / np.maximum(weight, 1))


def seen(filler: Floats, side: int) -> NDArray[np.bool_]:
    """False on the padded rows at the top, n x side x side."""
    rows = (np.arange(side) + 0.5) / side
    down = rows[None, :] > np.asarray(filler)[:, None] + 1 / side
    return np.broadcast_to(down[:, :, None], (len(down), side, side))


def seam(made: Squares, targets: Squares, masks: NDArray[np.uint8]) -> Floats:
    """Gradient across the mask's edge against the target's own there, n (1: no seam added).

    Across is the direction in which the mask rises; pixels count by how steeply it rises.
    """
    ratios = []
    for picture, target, mask in zip(made, targets, masks, strict=True):
        gx, gy = _slopes(mask.astype(np.float32) / 255)
        steep = np.hypot(gx, gy)
        if steep.max() < 1e-6:
            ratios.append(1.0)
            continue
        nx, ny = gx / np.maximum(steep, 1e-6), gy / np.maximum(steep, 1e-6)
        across = []
        for shown in (picture, target):
            sx, sy = _slopes(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY).astype(np.float32))
            across.append(float((np.abs(sx * nx + sy * ny) * steep).sum() / steep.sum()))
        ratios.append((across[0] + 0.5) / (across[1] + 0.5))  # half a grey level: no division by 0
    return np.array(ratios)


def _slopes(picture: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Change a pixel to the right and downwards (Scharr)."""
    return (
        cv2.Scharr(picture, cv2.CV_32F, 1, 0) / 32,
        cv2.Scharr(picture, cv2.CV_32F, 0, 1) / 32,
    )


def lit(pictures: Squares, light: Sequence[float]) -> Squares:
    """The pictures under a coloured light: RGB times ``light``."""
    return np.clip(pictures * np.asarray(light, np.float32) + 0.5, 0, 255).astype(np.uint8)


def skin_tones(pictures: Squares, points: Floats) -> Floats:
    """Mean CIE Lab of both cheeks and the nose's bridge, n x 3."""
    tones = []
    for picture, face in zip(pictures, points, strict=True):
        where = np.zeros(picture.shape[:2], np.uint8)
        eyes = [face[part].mean(0) for part in (LEFT_EYE, RIGHT_EYE)]
        radius = max(2, round(float(np.linalg.norm(eyes[1] - eyes[0])) * 0.14))
        for place in (
            (eyes[0] + face[LEFT_CORNER]) / 2,
            (eyes[1] + face[RIGHT_CORNER]) / 2,
            face[28],
        ):
            cv2.circle(where, (round(float(place[0])), round(float(place[1]))), radius, 1, -1)
        lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        tones.append(lab[where > 0].mean(0) if where.any() else lab.mean((0, 1)))
    return np.stack(tones)


# --- realism --------------------------------------------------------------------------------------


def kid(made: Floats, real: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Kernel inception distance with other features: mean and deviation over subsets, x 1000.

    Binkowski et al. 2018 (arXiv:1801.01401): unbiased squared MMD, kernel (x y / d + 1)^3. Features
    are first brought to the real ones' mean and spread, so that every feature counts alike, and
    clipped to ``CLIP`` spreads.
    """
    centre, spread = real.mean(0), real.std(0) + 1e-6
    x, y = (np.clip((part - centre) / spread, -CLIP, CLIP) for part in (made, real))
    size = min(SUBSET, len(x), len(y))
    found = []
    for _ in range(SUBSETS):
        a = x[rng.choice(len(x), size, replace=False)]
        b = y[rng.choice(len(y), size, replace=False)]
        found.append(_mmd(a, b))
    return 1000 * float(np.mean(found)), 1000 * float(np.std(found))


def told_apart(made: Floats, real: Floats, rng: np.random.Generator) -> float:
    """How well a linear judge of features tells made pictures from real ones it has not seen.

    AUC over five folds (classifier two-sample test, Lopez-Paz & Oquab 2017, arXiv:1610.06545) of a
    ridge regression, features as in ``kid``: 0.5, or a little less, is not at all, 1 is always.
    """
    centre, spread = real.mean(0), real.std(0) + 1e-6
    every = np.concatenate([made, real])
    every = np.clip((every - centre) / spread, -CLIP, CLIP) / np.sqrt(every.shape[1])
    share = len(every) / 2
    wanted = np.concatenate(
        [np.full(len(made), share / len(made)), np.full(len(real), -share / len(real))]
    )
    fold = np.concatenate([rng.permutation(len(part)) % FOLDS for part in (made, real)])
    alike = every @ every.T
    found = np.zeros(len(every))
    for n in range(FOLDS):
        known, new = fold != n, fold == n
        weight = np.linalg.solve(
            alike[np.ix_(known, known)] + RIDGE * np.eye(known.sum()), wanted[known]
        )
        found[new] = alike[np.ix_(new, known)] @ weight
    return auc(found[: len(made)], found[len(made) :])


def _mmd(a: Floats, b: Floats) -> float:
    def kernel(p: Floats, q: Floats) -> Floats:
        return np.asarray((p @ q.T / p.shape[1] + 1) ** 3)

    size = len(a)
    aa, bb = kernel(a, a), kernel(b, b)
    within = (aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)) / (size * (size - 1))
    return float(within - 2 * kernel(a, b).mean())


# --- in all ---------------------------------------------------------------------------------------


def harmonic(parts: Sequence[float]) -> float:
    """Harmonic mean of values in [0, 1]: 0 where one is."""
    clipped = [min(max(part, 0.0), 1.0) for part in parts]
    return 0.0 if min(clipped) <= 0 else len(clipped) / sum(1 / part for part in clipped)


def by_group(values: Floats, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean and count of each label that enough faces have."""
    names = np.asarray(labels)
    found = {}
    for name in sorted(set(labels) - {""}):
        chosen = values[(names == name) & np.isfinite(values)]
        if len(chosen) >= LEAST_IN_GROUP:
            found[name] = {"mean": float(chosen.mean()), "faces": len(chosen)}
    return found


def evenness(groups: Mapping[str, Mapping[str, float]]) -> float | None:
    """Least group mean over greatest, in [0, 1]; 1 is even. None with fewer than two groups."""
    means = [max(group["mean"], 0.0) for group in groups.values()]
    if len(means) < 2 or max(means) <= 0:
        return None
    return min(means) / max(means)
