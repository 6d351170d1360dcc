"""A source face and its files: the built-in personas, and the kept faces of the user.

A kept face is a folder of ``face.toml`` (name, recogniser, consent), ``embedding.npy`` and an
aligned square ``face-N.png`` for each picture it was made of.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import cv2
import numpy as np
import tomlkit
from numpy.typing import NDArray

from app.errors import AppError, PictureError
from app.frame import Pixels
from app.pictures import read_picture
from app.provenance.consent import Basis, ConsentRecord, from_table, to_table
from engines.toml_text import parse_toml

ADDING = ".adding-"  # of the names of folders that are being filled
# What NumPy raises for a header that is none (it is read as Python), beside an array too large.
_DAMAGE = (ValueError, TypeError, SyntaxError, TokenError, MemoryError, OverflowError)


@dataclass(frozen=True, eq=False)
class SourceFace:
    """One face to choose from.

    ``thumbnail`` is a square, aligned as ``app.portraits.LANDMARKS`` scaled to its side;
    ``embedding`` is L2-normalised, of the recogniser called ``recognizer``; None for a persona,
    whose picture says all. ``picture`` is the thumbnail's file.
    """

    face_id: str
    name: str
    builtin: bool
    thumbnail: Pixels
    embedding: NDArray[np.float32] | None
    picture: Path | None
    consent: ConsentRecord
    recognizer: str = ""


Signature = tuple[tuple[str, int, int], ...]


def signature_of(folder: Path) -> Signature:
    """Name, time of change and size of each file of a kept face."""
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError as error:
        raise PictureError(f"its folder cannot be read ({error.strerror}).") from error
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


def write_face(
    library: Path,
    name: str,
    recognizer: str,
    squares: Sequence[Pixels],
    embedding: NDArray[np.float32],
    consent: ConsentRecord,
) -> Path:
    """Keep a face in ``library`` under its consent's ``face_id``, whole or not at all: its folder.

    ``squares`` are aligned as ``app.portraits.LANDMARKS``; ``embedding`` is theirs, made by
    ``recognizer``. ``PictureError`` where the disk refuses.
    """
    card = {"name": name, "recognizer": recognizer, "consent": to_table(consent)}
    try:
        library.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=library, prefix=ADDING, ignore_cleanup_errors=True
        ) as text:
            part = Path(text) / consent.face_id
            part.mkdir()
            for number, square in enumerate(squares, 1):
                (part / f"face-{number}.png").write_bytes(_png(square))
            np.save(part / "embedding.npy", embedding)
            (part / "face.toml").write_text(tomlkit.dumps(card), encoding="utf-8")
            return part.rename(library / consent.face_id)
    except OSError as error:
        raise PictureError(
            f"The face cannot be kept in {library} ({error.strerror}).",
            "Free some space or check the folder's permissions.",
        ) from error


def read_face(folder: Path) -> SourceFace:
    """The face kept in ``folder``; ``PictureError`` or ``ConsentError`` where it is damaged."""
    try:
        card = parse_toml((folder / "face.toml").read_text(encoding="utf-8"))
        name, recognizer, table = str(card["name"]), str(card["recognizer"]), card["consent"]
        data = io.BytesIO((folder / "embedding.npy").read_bytes())
        embedding = np.lib.format.read_array(data, allow_pickle=False).astype(np.float32)
    except OSError as error:
        raise PictureError(f"{error.filename} cannot be read ({error.strerror}).") from error
    except _DAMAGE as error:  # not TOML, not UTF-8, no array
        raise PictureError(f"its files are damaged ({error}).") from error
    except KeyError as error:
        raise PictureError(f"its record has no {error}.") from error
    if embedding.ndim != 1 or not np.isfinite(embedding).all() or not isinstance(table, dict):
        raise PictureError("its files are damaged.")
    return SourceFace(
        face_id=folder.name,
        name=name,
        builtin=False,
        thumbnail=read_picture(folder / "face-1.png"),
        embedding=embedding,
        picture=folder / "face-1.png",
        consent=from_table(table),
        recognizer=recognizer,
    )


def squares_of(face: SourceFace) -> list[Pixels]:
    """Every aligned square that is kept of a face."""
    if face.builtin or face.picture is None:
        return [face.thumbnail]
    return [read_picture(path) for path in sorted(face.picture.parent.glob("face-*.png"))]


def _png(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise PictureError("The face's picture cannot be coded as PNG.")
    return data.tobytes()


def read_personas(folder: Path) -> list[SourceFace]:
    """The personas in ``personas.toml`` of ``folder``; none where there is no such file.

    ``PictureError`` where one is listed but damaged: the installation is broken then.
    """
    listing = folder / "personas.toml"
    if not listing.exists():
        return []
    try:
        entries = parse_toml(listing.read_text(encoding="utf-8"))["persona"]
        return [_persona(folder, entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AppError) as error:
        raise PictureError(
            f"The built-in personas in {folder} are damaged ({error}).", "Install Omokage again."
        ) from error


def _persona(folder: Path, entry: dict[str, str]) -> SourceFace:
    picture = folder / f"{entry['id']}.png"
    return SourceFace(
        face_id=entry["id"],
        name=entry["name"],
        builtin=True,
        thumbnail=read_picture(picture),
        embedding=None,
        picture=picture,
        consent=ConsentRecord(
            face_id=entry["id"],
            person="nobody: this person does not exist",
            basis=Basis.SYNTHETIC,
            note="made for Omokage as the mean of synthetic faces (SFHQ, faker.js)",
            recorded_at="2026-11-21T00:00:00+00:00",
            picture_sha256=hashlib.sha256(picture.read_bytes()).hexdigest(),
        ),
    )
