"""Aligned faces from tar shards: index, split by identity, decoded pictures.

A data folder holds ``index.csv`` (one row a face: shard, file, set, identity, size_px, filler_top,
age, gender, race, licence) beside the tar shards it names. Pictures are squares aligned so that the
ArcFace five-point template, in 112-px units, lies at ``template + 8`` of a 128-unit square; the top
``filler_top`` share of a picture is padding.
"""

from __future__ import annotations

import csv
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HELD_OUT_SHARE = 20  # one identity in 20 is never trained on


@dataclass(frozen=True)
class FaceRow:
    """One line of ``index.csv``; ``filler_top`` is a share of the height in [0, 1)."""

    shard: str
    file: str
    set: str
    identity: str
    size_px: int
    filler_top: float
    age: str
    gender: str
    race: str
    licence: str

    @property
    def held_out(self) -> bool:
        """Whether this identity belongs to the held-out split (by a hash of its name)."""
        return zlib.crc32(self.identity.encode()) % HELD_OUT_SHARE == 0


def read_index(folder: Path) -> list[FaceRow]:
    """Read ``folder/index.csv``."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as handle:
        return [
            FaceRow(
                shard=row["shard"],
                file=row["file"],
                set=row["set"],
                identity=row["identity"],
                size_px=int(row["size_px"]),
                filler_top=float(row["filler_top"] or 0.0),
                age=row["age"],
                gender=row["gender"],
                race=row["race"],
                licence=row["licence"],
            )
            for row in csv.DictReader(handle)
        ]


def load_pictures(folder: Path, rows: Sequence[FaceRow], size_px: int) -> NDArray[np.uint8]:
    """Decode the whole squares of ``rows``, in order, as N x size x size x 3 RGB uint8."""
    place = {(row.shard, row.file): n for n, row in enumerate(rows)}
    pictures = np.empty((len(rows), size_px, size_px, 3), np.uint8)
    for shard in _shards(rows):
        with tarfile.open(folder / shard) as archive:
            for member in archive:
                n = place.get((shard, member.name))
                stream = archive.extractfile(member) if n is not None else None
                if stream is None or n is None:
                    continue
                picture = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR)
                if picture is None:
                    raise ValueError(f"{shard}:{member.name} is not a picture")
                pictures[n] = cv2.resize(
                    picture[..., ::-1], (size_px, size_px), interpolation=cv2.INTER_AREA
                )
                del place[shard, member.name]
    if place:
        raise ValueError(
            f"{len(place)} faces of the index are missing, the first: {next(iter(place))}"
        )
    return pictures


def _shards(rows: Iterable[FaceRow]) -> list[str]:
    return sorted({row.shard for row in rows})
