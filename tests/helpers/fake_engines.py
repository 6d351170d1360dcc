"""Engines whose answers a test sets: a scripted detector, a swapper that paints one colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines import templates
from engines.detector import Detection
from engines.loading import Engines
from engines.swapper import PreparedIdentity, SwapResult

PAINT = (40, 200, 90)  # BGR of every swapped face
FAKE = "fake"


def detection(
    x: float, y: float, side: float, score: float = 0.9, *, shift: tuple[float, float] = (0, 0)
) -> Detection:
    """An upright face whose box is the square at (x, y)."""
    points = templates.arcface(112) / 112 * side + np.array((x + shift[0], y + shift[1]))
    return Detection((x, y, side, side), points.astype(np.float32), score)


class FakeDetector:
    """Answers ``faces`` (set by the test) and notes which kind of search was asked for.

    It knows where faces are in the whole picture: to a part of it, which is narrower, it answers
    nothing unless ``partly``.
    """

    def __init__(self, faces: Sequence[Detection] = ()) -> None:
        self.faces = list(faces)
        self.calls: list[str] = []
        self.partly = False
        self.stretched: Detection | None = None
        self._width = 0

    def detect(
        self, picture: NDArray[np.uint8], threshold: float, *, size: int = 320, max_faces: int = 16
    ) -> list[Detection]:
        """All faces above the threshold, best first."""
        if picture.shape[1] < self._width and not self.partly:
            return []
        self._width = picture.shape[1]
        self.calls.append("search")
        found = [face for face in self.faces if face.score >= threshold]
        return sorted(found, key=lambda face: -face.score)[:max_faces]

    def detect_near(
        self,
        picture: NDArray[np.uint8],
        box: tuple[float, float, float, float],
        threshold: float,
        *,
        stretch: float = 1.0,
    ) -> Detection | None:
        """The face whose centre is nearest, within one box's width.

        A second look, in a stretched place, sees ``stretched`` where that is set.
        """
        if stretch != 1.0 and self.stretched is not None:
            return self.stretched if self.stretched.score >= threshold else None
        if stretch == 1.0:
            self.calls.append("near")

        def away(face: Detection) -> tuple[float, float]:
            return abs(face.box[0] - box[0]), abs(face.box[1] - box[1])

        near = [
            face
            for face in self.faces
            if face.score >= threshold and away(face)[0] < box[2] and away(face)[1] < box[3]
        ]
        return min(near, key=lambda face: sum(away(face)), default=None)

    def close(self) -> None:
        """Nothing to free."""


class FakeRecognizer:
    """The mean colour of the crop in front of 125 zeros, L2-normalised."""

    name = FAKE
    crop_size = 112
    template = templates.arcface(112)

    def embed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The embedding of a crop."""
        vector = np.zeros(128, np.float32)
        vector[:3] = crop.reshape(-1, 3).mean(axis=0) + 1
        return vector / np.linalg.norm(vector)

    def close(self) -> None:
        """Nothing to free."""


class FakeSwapper:
    """Paints every face ``PAINT``; raises ``failure`` instead once a test sets it."""

    name = FAKE
    crop_size = 128
    template = templates.omokage(128)
    device = "fake device"

    def __init__(self) -> None:
        self.recognizer = FakeRecognizer()
        self.failure: Exception | None = None
        self.crops: list[NDArray[np.uint8]] = []

    def prepare(self, embedding: NDArray[np.float32]) -> PreparedIdentity:
        """The embedding as it is."""
        return PreparedIdentity(FAKE, {"embedding": embedding})

    def swap(self, crop: NDArray[np.uint8], identity: PreparedIdentity) -> SwapResult:
        """A crop of one colour."""
        if self.failure is not None:
            raise self.failure
        self.crops.append(crop)
        painted = np.empty_like(crop)
        painted[:] = PAINT
        return SwapResult(painted, None)

    def close(self) -> None:
        """Nothing to free."""


def fake_engines(faces: Sequence[Detection] = ()) -> Engines:
    """Engines made of the fakes above."""
    return Engines(
        detector=FakeDetector(faces),  # type: ignore[arg-type]
        swapper=FakeSwapper(),  # type: ignore[arg-type]
        report=("fake",),
    )
