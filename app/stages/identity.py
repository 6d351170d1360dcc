"""The source face as the pipeline needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.swapper import PreparedIdentity


@dataclass(frozen=True, eq=False)
class Identity:
    """Whose face is shown: an L2-normalised embedding and what the swapper baked from it."""

    face_id: str
    name: str
    embedding: NDArray[np.float32]
    prepared: PreparedIdentity
