"""Aligned squares as the harness and the trainers pass them, and networks' colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Squares = NDArray[np.uint8]  # n x 128 x 128 x 3 RGB, aligned
Floats = NDArray[np.floating]

# Of ImageNet's pictures, RGB in [0, 1].
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
