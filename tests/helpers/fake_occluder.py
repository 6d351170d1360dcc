"""An occluder whose answers a test sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines import templates
from engines.occluder import FaceParts

SIDE = 128


def parts(
    face: NDArray[np.uint8] | None = None,
    *,
    eyes: NDArray[np.uint8] | None = None,
    mouth: NDArray[np.uint8] | None = None,
) -> FaceParts:
    """All face and no parts where nothing else is said."""
    nothing = np.zeros((SIDE, SIDE), np.uint8)
    return FaceParts(
        np.full((SIDE, SIDE), 255, np.uint8) if face is None else face,
        nothing if eyes is None else eyes,
        nothing,
        nothing if mouth is None else mouth,
    )


class FakeOccluder:
    """Answers ``answer`` and keeps the crops it was asked about."""

    crop_size = SIDE
    template = templates.omokage(SIDE)

    def __init__(self, answer: FaceParts | None = None) -> None:
        self.answer = answer or parts()
        self.crops: list[NDArray[np.uint8]] = []
        self.closed = False

    def parts(self, crop: NDArray[np.uint8]) -> FaceParts:
        """The answer that was set."""
        assert crop.shape == (SIDE, SIDE, 3)
        self.crops.append(crop)
        return self.answer

    def close(self) -> None:
        """Noted."""
        self.closed = True
