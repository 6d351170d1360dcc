"""The network that reads pose, expression and gaze of a swap and of its target for the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.model import CropNetwork

# What is measured, in its order, and what each is of the mirrored face: place and sign.
NAMES = (
    *("yaw", "pitch", "nose_aside"),
    *(f"lips_{n}" for n in range(5)),
    *("mouth_width", "left_corner", "right_corner", "jaw"),
    *(f"left_lids_{n}" for n in range(3)),
    *(f"right_lids_{n}" for n in range(3)),
    *("left_gaze_x", "left_gaze_y", "right_gaze_x", "right_gaze_y"),
)
MIRROR = (0, 1, 2, 7, 6, 5, 4, 3, 8, 10, 9, 11, 15, 16, 17, 12, 13, 14, 20, 21, 18, 19)
SIGNS = np.array([-1.0 if n in (0, 2, 18, 20) else 1.0 for n in range(len(NAMES))])
# Pose, mouth, lids and gaze count alike, however many measures tell of them.
PARTS = (slice(0, 3), slice(3, 12), slice(12, 18), slice(18, 22))
LIDS = PARTS[2]


class ExpressionReader(CropNetwork):
    """RGB in [0, 1], n x 3 x 112 x 112 (the recogniser's crop) to n x 22: ``NAMES``, each
    brought to mean 0 and spread 1 over the faces that it was taught by."""

    def __init__(self) -> None:
        super().__init__(len(NAMES))
        self.register_buffer("mean", torch.zeros(len(NAMES)))
        self.register_buffer("spread", torch.ones(len(NAMES)))

    def forward(self, crops: Tensor) -> Tensor:
        return self.read(crops)


def mirrored(measures: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is measured of the mirrored faces, n x 22."""
    return np.asarray(measures[:, MIRROR] * SIGNS, np.float32)


def misread(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of readings n x 22, each part of ``PARTS`` counted alike."""
    apart = (found - wanted).abs()
    return torch.stack([apart[:, part].mean() for part in PARTS]).mean()


def telling(read: Tensor) -> Tensor:
    """What a source's photo must not tell, n x 4, from its readings n x 22: how far the head is
    turned and nodded, how far the lips are open and the mouth's corners raised."""
    parts = (read[:, 0].abs(), read[:, 1], read[:, 3:8].mean(1), read[:, 9:11].mean(1))
    return torch.stack(parts, dim=1)


def opened(file: Path) -> ExpressionReader:
    """A reader as ``expression_train`` writes it, frozen.

    :raises RuntimeError: when the state dict is of another network.
    """
    network = ExpressionReader().requires_grad_(False).eval().to(memory_format=torch.channels_last)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network
