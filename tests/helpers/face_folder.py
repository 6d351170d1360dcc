"""Data folders as training reads them, with smooth pictures of people who do not exist."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

COLUMNS = (
    *("shard", "file", "set", "identity", "size_px", "filler_top"),
    *("age", "gender", "race", "licence"),
)


def write_faces(folder: Path, people: Sequence[str], seed: int = 0) -> None:
    """One picture each of ``people``; another ``seed`` gives other pictures of the same names."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    with (
        tarfile.open(folder / "a.tar", "w") as archive,
        (folder / "index.csv").open("w", newline="") as handle,
    ):
        table = csv.DictWriter(handle, COLUMNS)
        table.writeheader()
        for n, who in enumerate(people):
            cells = rng.integers(0, 256, (4, 4, 3), np.uint8)
            coded = cv2.imencode(".png", cv2.resize(cells, (128, 128)))[1].tobytes()
            member = tarfile.TarInfo(f"{n}.png")
            member.size = len(coded)
            archive.addfile(member, io.BytesIO(coded))
            row = dict.fromkeys(COLUMNS, "") | {"shard": "a.tar", "file": member.name}
            table.writerow(row | {"identity": who, "size_px": 128, "filler_top": 0})
