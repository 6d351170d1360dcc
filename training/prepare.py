"""Make a data folder of your own photos, to train or fine-tune on.

python -m training.prepare PHOTOS --output DIR --licence TEXT

``PHOTOS`` holds a folder a person, or pictures of one person. Faces are found, aligned and written
as one tar shard with its ``index.csv``, as ``training.data`` reads them. Use pictures only of
people who agreed to it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import cv2
from tqdm import tqdm

from app.errors import AppError, PictureError
from app.pictures import SUFFIXES, read_picture
from app.portraits import SIDE, portrait
from engines.atomic_file import write_atomically
from engines.detector import Detector
from engines.loading import load_engines
from training.data import FaceRow, read_index

SHARD = "faces.tar"
JPEG_QUALITY = 95
OWN = "own:"  # before the names of people


def photos(folder: Path) -> Iterator[tuple[str, Path]]:
    """Who, and a picture of them: a sub-folder is a person, else the folder itself is."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES:
            inside = file.relative_to(folder).parts
            yield inside[0] if len(inside) > 1 else folder.resolve().name, file


def prepare(folder: Path, output: Path, licence: str, detector: Detector) -> dict[Path, str]:
    """Write shard and index into ``output``; returns the pictures left out, and why.

    :raises ValueError: where no picture could be used; nothing is written then.
    """
    rows, left_out = [], {}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for who, file in tqdm(list(photos(folder)), disable=None):
            try:
                square = portrait(read_picture(file), file.name, detector)
            except PictureError as error:
                left_out[file] = error.what
                continue
            jpeg = cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            row = FaceRow(
                shard=SHARD,
                file=f"{len(rows):05}.jpg",
                set="own",
                identity=f"{OWN}{who}",
                size_px=SIDE,
                filler_top=0.0,
                age="",
                gender="",
                race="",
                licence=licence,
            )
            member = tarfile.TarInfo(row.file)
            member.size = jpeg.size
            archive.addfile(member, io.BytesIO(jpeg.tobytes()))
            rows.append(row)
    if not rows:
        raise ValueError(f"no usable face in {folder}: " + " ".join(left_out.values()))
    output.mkdir(parents=True, exist_ok=True)
    index = io.StringIO(newline="")
    writer = csv.DictWriter(index, [field.name for field in fields(FaceRow)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_atomically(output / SHARD, content.getvalue())
    write_atomically(output / "index.csv", index.getvalue().encode())
    return left_out


def kept_apart(folder: Path) -> list[str]:
    """The people of a data folder that no training will see: one in twenty, by their name."""
    held = {row.identity for row in read_index(folder) if row.held_out}
    return sorted(name.removeprefix(OWN) for name in held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--licence", required=True, help='on what ground, e.g. "consent of 2026"')
    given = parser.parse_args()
    try:
        with contextlib.closing(load_engines()) as engines:
            left_out = prepare(given.photos, given.output, given.licence, engines.detector)
    except (AppError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    for file, why in left_out.items():
        print(f"{file}: {why}")
    for who in kept_apart(given.output):
        print(f"{who} is held out of training, as one in twenty is: rename the folder to train on.")


if __name__ == "__main__":
    main()
