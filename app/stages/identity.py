"""The source face as the pipeline needs it, and what is wanted beside the settings."""

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


@dataclass(frozen=True, eq=False)
class Wishes:
    """What is wanted of a run and is no setting.

    ``real_face`` shows the raw picture while the swap is off: it holds for this run, is never saved
    and is only set by a confirmed act. ``me`` are the enrolled embeddings (n x d, each of length
    1), or None; ``further`` are the faces that other people get where each gets their own.
    """

    real_face: bool = False
    me: NDArray[np.float32] | None = None
    further: tuple[Identity, ...] = ()


NO_WISHES = Wishes()
