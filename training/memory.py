"""What was decoded or measured once and is kept on the disk, by what it was made of.

A file's name holds digests of its makings: other pictures or another network never meet it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import read_index


class Memory:
    """Keeps what was measured on real pictures, by the network's name and the pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        name: str,
        network: str,
        pictures: NDArray[np.uint8],
        measure: Callable[[], NDArray[np.floating]],
    ) -> NDArray[np.floating]:
        """``measure()``, or what it gave for this ``network`` (a digest) and these pictures."""
        file = self._folder / f"{name}_{network}_{digest(pictures.tobytes())}.npy"
        if not file.exists():
            save(file, measure())
        found: NDArray[np.floating] = np.load(file)
        return found


def digest(data: bytes) -> str:
    """A short name for a content."""
    return hashlib.sha256(data).hexdigest()[:16]


def digest_of(file: Path) -> str:
    """A short name for a file's content."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def digest_of_faces(folder: Path) -> str:
    """A short name for what a data folder holds: its index and the shards named there."""
    shards = sorted({row.shard for row in read_index(folder)})
    return digest(" ".join(digest_of(folder / name) for name in ("index.csv", *shards)).encode())


def save(file: Path, values: NDArray[np.generic]) -> None:
    """Write an array so that no half-written file is ever found under its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as handle:
        np.save(handle, values)
    part.replace(file)
