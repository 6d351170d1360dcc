"""Drawn faces whose identity, pose and expression can be read off the pixels, and what reads them.

Identity: a 4 x 4 pattern of grey patches on the cheeks. Pose: a green nose, moved to a side.
Expression: a red mouth, more or less open.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.recognizer import Embedding
from engines.swapper import PreparedIdentity, SwapResult
from engines.templates import Template
from training.data import FaceRow
from training.heldout import People
from training.landmarks import LEFT_CORNER, MODEL, RIGHT_CORNER, RIGID, FacePoints
from training.squares import Floats, Squares
from training.swapping import FRAME_POINTS

PATCHES = tuple((x, y) for y in (68, 74, 80, 86) for x in (40, 46, 76, 82))
GREEN, RED, SKIN = (0, 230, 0), (230, 0, 0), (200, 160, 140)
NOSE_Y, MOUTH_Y = 64, 100


@dataclass(frozen=True)
class Drawing:
    """``pattern``: 16 values in [-1, 1]; ``turn`` and ``gape`` in pixels."""

    pattern: tuple[float, ...]
    turn: float
    gape: float


def draw(face: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A 128-px RGB square with a little noise."""
    noise = rng.integers(0, 12, (128, 128, 1))
    picture = (np.full((128, 128, 3), (90, 110, 130)) + noise).astype(np.uint8)
    cv2.ellipse(picture, (64, 76), (46, 58), 0, 0, 360, SKIN, -1)
    repaint(picture, face.pattern)
    cv2.circle(picture, (round(64 + face.turn), NOSE_Y), 4, GREEN, -1)
    half = round(face.gape)
    cv2.rectangle(picture, (54, MOUTH_Y - half), (74, MOUTH_Y + half), RED, -1)
    return picture


def repaint(picture: NDArray[np.uint8], pattern: tuple[float, ...]) -> None:
    """Put another identity's patches on a face, in place."""
    for (x, y), value in zip(PATCHES, pattern, strict=True):
        picture[y - 3 : y + 3, x - 3 : x + 3] = round(150 + 60 * value)


def pattern_of(square: NDArray[np.uint8]) -> Floats:
    grays = [square[y - 1 : y + 2, x - 1 : x + 2].mean() for x, y in PATCHES]
    return (np.array(grays) - 150) / 60


class PatternJudge:
    """Reads the identity off the patches."""

    def __init__(self, name: str = "patches", *, in_loss: bool = False) -> None:
        self.name, self.in_loss, self.read = name, in_loss, 0

    def __call__(self, squares: Squares) -> Floats:
        self.read += len(squares)
        found = np.stack([pattern_of(square) for square in squares])
        return found / np.linalg.norm(found, axis=1, keepdims=True)


class DrawnLandmarks:
    """Reads nose and mouth by their colours; everything else lies where it is drawn."""

    def __call__(self, squares: Squares) -> FacePoints:
        return FacePoints(
            np.stack([_points(square) for square in squares]),
            np.stack(
                [cv2.resize(s, (8, 8), interpolation=cv2.INTER_AREA).ravel() for s in squares]
            ).astype(np.float64),
        )


def _points(square: NDArray[np.uint8]) -> Floats:
    points = np.full((66, 2), 64.0)
    angle = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([64 + 44 * np.cos(angle), 76 + 50 * np.sin(angle)], 1)
    points[17:27] = np.stack([np.linspace(32, 96, 10), np.full(10, 50)], 1)
    for start, x in ((36, 46), (42, 82)):
        ring = np.linspace(np.pi, 3 * np.pi, 6, endpoint=False)
        points[start : start + 6] = np.stack([x + 9 * np.cos(ring), 60 + 4 * np.sin(ring)], 1)
    colours = square.astype(int)
    strong = colours.max(2) - colours.min(2) > 120
    nose = np.argwhere(strong & (colours.argmax(2) == 1))
    turn = nose[:, 1].mean() - 64 if len(nose) else 0.0
    points[list(RIGID)] = 0.62 * MODEL[:, :2] + (64, 82.3)
    points[[27, 28, 29, 30, 31, 32, 33, 34, 35], 0] += turn
    points[48:63] = np.stack([np.linspace(50, 78, 15), np.full(15, MOUTH_Y)], 1)
    points[[LEFT_CORNER, RIGHT_CORNER]] = [(50, MOUTH_Y), (78, MOUTH_Y)]
    mouth = np.argwhere(strong & (colours.argmax(2) == 0))
    half = np.ptp(mouth[:, 0]) / 2 if len(mouth) else 0.0
    points[59:62] = [(58, MOUTH_Y - half), (64, MOUTH_Y - half), (70, MOUTH_Y - half)]
    points[63:66] = [(70, MOUTH_Y + half), (64, MOUTH_Y + half), (58, MOUTH_Y + half)]
    return points


class PictureRecognizer:
    """Hands the source picture on."""

    name, crop_size = "drawn", 128
    template: Template = FRAME_POINTS

    def embed(self, crop: NDArray[np.uint8]) -> Embedding:
        return crop.astype(np.float32).ravel()

    def close(self) -> None:
        """Nothing to free."""


class DrawnSwapper:
    """``swaps`` the patches, ``copies`` the target, or ``pastes`` the source."""

    name, crop_size, device = "drawn", 128, "CPU"
    template: Template = FRAME_POINTS

    def __init__(self, how: str) -> None:
        self._how, self.recognizer = how, PictureRecognizer()

    def prepare(self, embedding: Embedding) -> PreparedIdentity:
        return PreparedIdentity(self.name, {"picture": embedding.reshape(128, 128, 3)})

    def swap(self, crop: NDArray[np.uint8], identity: PreparedIdentity) -> SwapResult:
        source = identity.tensors["picture"].astype(np.uint8)
        if self._how == "pastes":
            return SwapResult(source, None)
        made = crop.copy()
        if self._how == "swaps":
            repaint(made, tuple(pattern_of(source)))
        return SwapResult(made, None)

    def close(self) -> None:
        """Nothing to free."""


def people(count: int, photos: int, seed: int) -> People:
    """``count`` people with ``photos`` photos each, in two groups."""
    rng = np.random.default_rng(seed)
    rows, pictures = [], []
    for n in range(count):
        pattern = tuple(rng.choice([-1.0, 1.0], 16))
        for k in range(photos):
            turn, gape = rng.uniform(-10, 10), rng.uniform(1, 8)
            pictures.append(draw(Drawing(pattern, turn, gape), rng))
            gender = ("Female", "Male")[n % 2]
            name = f"{seed}-{n}"
            rows.append(
                FaceRow("s.tar", f"{name}-{k}.png", "drawn", name, 128, 0.0, "", gender, "", "CC0")
            )
    return People(rows, np.stack(pictures))
