"""What hides part of a face, drawn on ArcFace crops of any size: masks, hands, glasses; the dark.

A folder of occluders holds ``face_masks/*.png`` (cut-outs with an alpha channel) and ``hands.tar``
(pictures of one hand on a plain wall). Every tenth hand and the masks of ``TEST_MASKS`` are held
out for the evaluation.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
CROP_PX = 112  # of the template that the places below are given in
TEST_MASKS = ("cloth", "N95", "surgical_green")
HOLD_OUT_HANDS = 10  # one hand in ten is for the evaluation
HAND_PX = 100
SKIN_RED = 6  # Cr levels by which skin is redder than the wall
EYES = ((38.3, 51.6), (73.5, 51.5))  # of the ArcFace template
MASK_BOX = (15.0, 57.0, 97.0, 116.0)  # where a mask sits on an aligned face: x0, y0, x1, y1


@dataclass(frozen=True)
class Covers:
    """RGBA cut-outs: masks trimmed to their opaque part, hands ``HAND_PX`` square."""

    masks: Sequence[Picture]
    hands: Sequence[Picture]

    def masked(self, crop: Picture, rng: Generator) -> Picture:
        """``crop`` with a face mask over nose, mouth and chin, of any colour and light."""
        mask = self.masks[rng.integers(len(self.masks))]
        x0, y0, x1, y1 = (np.asarray(MASK_BOX) + rng.normal(0, 2, 4)) * _scale(crop)
        height, width = mask.shape[:2]
        warp = np.array([[(x1 - x0) / width, 0, x0], [rng.normal(0, 0.01), (y1 - y0) / height, y0]])
        tint = rng.uniform(0.4, 1.1) * (rng.uniform(0.5, 1.2, 3) if rng.random() < 0.5 else 1.0)
        return _pasted(crop, mask, warp, tint)

    def handed(self, crop: Picture, rng: Generator) -> Picture:
        """``crop`` with a hand somewhere before the face."""
        hand, scale = self.hands[rng.integers(len(self.hands))], _scale(crop)
        warp = cv2.getRotationMatrix2D(
            (HAND_PX / 2, HAND_PX / 2), rng.uniform(0, 360), rng.uniform(0.5, 1.1) * scale
        )
        warp[:, 2] += rng.uniform(15, 97, 2) * scale - HAND_PX / 2
        return _pasted(crop, hand, warp, rng.uniform(0.35, 1.05))


def load_covers(folder: Path, *, held_out: bool) -> Covers:
    """The covers of one split.

    :raises ValueError: when the folder lacks masks or hands of that split.
    """
    masks = []
    for path in sorted((folder / "face_masks").glob("*.png")):
        if path.stem.startswith(TEST_MASKS) == held_out:
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
                masks.append(_trimmed(picture))
    hands = []
    with tarfile.open(folder / "hands.tar") as archive:
        for n, member in enumerate(m for m in archive if m.isfile()):
            stream = archive.extractfile(member)
            if (n % HOLD_OUT_HANDS == 0) == held_out and stream is not None:
                hands.append(_cut_out(stream.read()))
    if not masks or not hands:
        raise ValueError(f"{folder} holds {len(masks)} masks and {len(hands)} hands of this split")
    return Covers(masks, hands)


def bespectacled(crop: Picture, rng: Generator) -> Picture:
    """``crop`` with drawn glasses: clear, tinted or dark, thin or thick rims, sometimes a glint."""
    crop, scale = np.ascontiguousarray(crop), _scale(crop)
    glass, rims = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
    radius = np.array([rng.uniform(11, 16), rng.uniform(8, 13)]) * scale
    opacity = rng.choice([rng.uniform(0, 0.15), rng.uniform(0.3, 0.97)])
    tint = rng.uniform(0, 70, 3)
    thick = max(round(int(rng.integers(1, 4)) * scale), 1)
    power = float(rng.choice([2.0, 3.0, 6.0]))  # round to rectangular
    turn = np.linspace(0, 2 * np.pi, 40)
    unit = np.stack([np.cos(turn), np.sin(turn)], 1)
    unit = np.sign(unit) * np.abs(unit) ** (2 / power)
    eyes = np.add(EYES, (0, rng.uniform(-1, 4))) * scale
    lenses = []
    for eye in eyes:
        outline = np.round(eye + unit * radius).astype(np.int32)
        lenses.append(outline)
        cv2.fillPoly(glass, [outline], tuple(map(float, tint)), cv2.LINE_AA)
        cv2.polylines(rims, [outline], True, 255, thick, cv2.LINE_AA)
    inner = [int(lenses[0][:, 0].max()), int(lenses[1][:, 0].min())]
    y = int(eyes[0, 1] - radius[1] * 0.3)
    cv2.line(rims, (inner[0], y), (inner[1], y), 255, thick, cv2.LINE_AA)
    for x, end in ((int(lenses[0][:, 0].min()), 0), (int(lenses[1][:, 0].max()), len(crop))):
        cv2.line(rims, (x, y), (end, y + int(rng.integers(-3, 4))), 255, thick, cv2.LINE_AA)
    if rng.random() < 0.3:
        at = tuple(int(v) for v in eyes[int(rng.integers(2))] + rng.normal(0, 4, 2) * scale)
        axes = (round(5 * scale), round(2 * scale))
        cv2.ellipse(glass, at, axes, rng.uniform(0, 180), 0, 360, (235, 240, 245), -1)
        opacity = max(opacity, 0.4)
    crop = cv2.addWeighted(glass, float(opacity), crop, float(1 - opacity), 0).astype(np.uint8)
    colour = rng.uniform(0, 90, 3) if rng.random() < 0.8 else rng.uniform(120, 230, 3)
    alpha = rims[..., None] / 255.0
    return (crop * (1 - alpha) + colour * alpha).astype(np.uint8)


def darkened(crop: Picture, rng: Generator) -> Picture:
    """``crop`` as by little light: a tenth to two fifths of it, a cast, and the sensor's noise."""
    light = rng.uniform(0.1, 0.4) * np.exp(rng.normal(0, 0.12, 3))
    if rng.random() < 0.4:  # from one side
        side = np.linspace(rng.uniform(0.2, 1), rng.uniform(0.2, 1), crop.shape[1])[:, None]
        light = light * side
    noise = rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(1, 5))
    return np.clip(crop * light + noise, 0, 255).astype(np.uint8)


def _scale(crop: Picture) -> float:
    return crop.shape[0] / CROP_PX


def _pasted(
    crop: Picture, cut_out: Picture, warp: NDArray[np.floating], gain: float | NDArray[np.floating]
) -> Picture:
    layer = cv2.warpAffine(cut_out, warp, crop.shape[1::-1], flags=cv2.INTER_LINEAR)
    alpha = layer[..., 3:].astype(np.float32) / 255
    tinted = np.clip(layer[..., :3] * gain, 0, 255)
    return (tinted * alpha + crop * (1 - alpha)).astype(np.uint8)


def _trimmed(bgra: NDArray[np.integer]) -> Picture:
    """The opaque part, RGBA, at most 160 px wide."""
    rows, columns = np.nonzero(bgra[..., 3] > 40)
    part = bgra[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 160 / part.shape[1]
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cv2.cvtColor(small, cv2.COLOR_BGRA2RGBA), np.uint8)


def _cut_out(coded: bytes) -> Picture:
    """A hand on a plain wall as RGBA: opaque where it is redder than the wall above it."""
    hand = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
    if hand is None:
        raise ValueError("the archive of hands holds a file that is not a picture")
    hand = cv2.resize(hand, (HAND_PX, HAND_PX), interpolation=cv2.INTER_AREA)
    # Red against luma: skin stands out, the lamp's pool of light on the wall does not.
    red = cv2.cvtColor(hand, cv2.COLOR_BGR2YCrCb)[..., 1].astype(np.float32)
    alpha = (cv2.GaussianBlur(red, (3, 3), 0) - np.median(red[:6]) - SKIN_RED) * 40
    alpha = np.clip(alpha, 0, 255).astype(np.uint8)
    return np.dstack([hand[..., ::-1], alpha]).astype(np.uint8)
