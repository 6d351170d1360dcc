"""The source face as the pipeline needs it, and what is wanted beside the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.swapper import PreparedIdentity

Permit = Callable[[], str]  # why a face may not be used now, in a sentence; empty where it may be


def always() -> str:
    """The permit of a face that shows nobody."""
    return ""


@dataclass(frozen=True, eq=False)
class Identity:
    """Whose face is shown: an L2-normalised embedding and what the swapper baked from it.

    ``permit`` is asked before each frame, so that a consent withdrawn meanwhile counts at once.
    """

    face_id: str
    name: str
    embedding: NDArray[np.float32]
    prepared: PreparedIdentity
    permit: Permit = always


@dataclass(frozen=True, eq=False)
class Wishes:
    """What is wanted of a run and is no setting.

    ``real_face`` shows the raw picture while the swap is off: it holds for this run, is never saved
    and is only set by a confirmed act. ``me`` are the enrolled embeddings (n x d, each of length
    1), or None; ``further`` are the faces that other people get where each gets their own.
    ``patient`` leaves what can wait to ``Pipeline.catch_up``, after the frame is shown.
    """

    real_face: bool = False
    me: NDArray[np.float32] | None = None
    further: tuple[Identity, ...] = ()
    patient: bool = False


NO_WISHES = Wishes()
