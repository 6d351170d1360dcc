"""Engines for drawn faces: every filled square of pure red, green or blue is a face.

Unlike ``fake_engines`` they look at the picture, so that files and clips can be swapped for real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engines.detector import Detection
from engines.loading import Engines
from engines.swapper import PreparedIdentity, SwapResult
from engines.templates import arcface, omokage

PAINT = (90, 200, 90)  # BGR of every swapped face; itself no face


class ColourDetector:
    """Finds the squares with OpenCV's connected components."""

    def detect(
        self, picture: NDArray[np.uint8], threshold: float, *, size: int = 320, max_faces: int = 16
    ) -> list[Detection]:
        """Every square, largest first."""
        found = []
        for channel in range(3):
            others = np.delete(picture, channel, axis=2).max(axis=2)
            mask = ((picture[..., channel] > 200) & (others < 60)).astype(np.uint8)
            for x, y, width, height, area in cv2.connectedComponentsWithStats(mask)[2][1:]:
                if area > 16:
                    points = (arcface(112) / 112 * [width, height] + [x, y]).astype(np.float32)
                    box = (float(x), float(y), float(width), float(height))
                    found.append(Detection(box=box, landmarks=points, score=0.9))
        return sorted(found, key=lambda face: -face.box[2])[:max_faces]

    def detect_near(
        self,
        picture: NDArray[np.uint8],
        box: tuple[float, float, float, float],
        threshold: float,
        *,
        stretch: float = 1.0,
    ) -> Detection | None:
        """The square next to ``box``, within its width."""
        for face in self.detect(picture, threshold):
            if abs(face.box[0] - box[0]) < box[2] and abs(face.box[1] - box[1]) < box[3]:
                return face
        return None

    def close(self) -> None:
        """Nothing to free."""


class MeanRecognizer:
    """Embeds a crop as its mean colour; keeps what it ``seen``."""

    crop_size = 112
    template = arcface(112)

    def __init__(self, name: str = "omokage") -> None:
        self.name = name
        self.seen: list[Any] = []

    def embed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The embedding of a crop: (3,), L2-normalised."""
        assert crop.shape == (112, 112, 3)
        self.seen.append(crop)
        mean = crop.reshape(-1, 3).mean(axis=0) + 1e-3
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def close(self) -> None:
        """Nothing to free."""


class PaintSwapper:
    """Paints every face in ``PAINT``."""

    name = "paint"
    crop_size = 128
    template = omokage(128)
    device = "none, CPU"

    def __init__(self, recognizer: MeanRecognizer) -> None:
        self.recognizer = recognizer

    def prepare(self, embedding: NDArray[np.float32]) -> PreparedIdentity:
        """The embedding as it is."""
        return PreparedIdentity(self.name, {"embedding": embedding})

    def swap(self, crop: NDArray[np.uint8], identity: PreparedIdentity) -> SwapResult:
        """A crop of one colour."""
        return SwapResult(np.full_like(crop, PAINT), None)

    def close(self) -> None:
        """Nothing to free."""


def colour_engines(recognizer: str = "omokage") -> Engines:
    """Engines of the above; ``recognizer`` names the one the swapper wants."""
    return Engines(
        detector=ColourDetector(),  # type: ignore[arg-type]
        swapper=PaintSwapper(MeanRecognizer(recognizer)),  # type: ignore[arg-type]
        report=("colour",),
    )


def picture_of(path: Path, *faces: tuple[int, int, int], colour: Any = (255, 0, 0)) -> Path:
    """A grey picture with a square (x, y, side) for each face; ``colour`` is RGB."""
    image = Image.new("RGB", (640, 480), (90, 90, 90))
    for x, y, side in faces:
        image.paste(colour, (x, y, x + side, y + side))
    image.save(path)
    return path


def write_personas(folder: Path) -> Path:
    """A personas folder with one persona, Mio."""
    folder.mkdir()
    Image.new("RGB", (256, 256), (0, 255, 0)).save(folder / "mio.png")
    (folder / "personas.toml").write_text('[[persona]]\nid = "mio"\nname = "Mio"\n')
    return folder
