"""Make a data folder of your own photos, to train or fine-tune on.

python -m training.prepare PHOTOS --output DIR --licence TEXT

``PHOTOS`` holds a folder a person, or pictures of one person. Faces are found, aligned and written
as one tar shard with its ``index.csv``, as ``training.data`` reads them. Use pictures only of
people who agreed to it.
"""

from __future__ import annotations

import argparse
import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import cv2
from tqdm import tqdm

from app.errors import PictureError
from app.pictures import SUFFIXES, read_picture
from app.portraits import SIDE, portrait
from engines.detector import Detector
from engines.loading import load_engines
from training.data import FaceRow

SHARD = "faces.tar"
JPEG_QUALITY = 95


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
                identity=f"own:{who}",
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
    (output / SHARD).write_bytes(content.getvalue())
    with (output / "index.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(FaceRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--licence", required=True, help='on what ground, e.g. "consent of 2026"')
    given = parser.parse_args()
    engines = load_engines()
    try:
        left_out = prepare(given.photos, given.output, given.licence, engines.detector)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    finally:
        engines.close()
    for file, why in left_out.items():
        print(f"{file}: {why}")


if __name__ == "__main__":
    main()
