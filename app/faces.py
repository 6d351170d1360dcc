"""The source faces: built-in personas and the user's own, each with a consent record.

Of an added picture only an aligned square, its embedding and the consent are kept, in one folder
per face that appears and disappears in one step.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import re
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tomlkit
from numpy.typing import NDArray

from app.errors import AppError, ConsentError, PictureError
from app.frame import Pixels
from app.pictures import decode_picture, read_bytes, read_picture
from app.portraits import embed, mean_embedding, portrait
from app.provenance.consent import (
    Basis,
    ConsentRecord,
    ConsentRegister,
    from_table,
    record_consent,
    to_table,
)
from app.stages.identity import Identity
from engines.loading import Engines
from engines.manifest import BUNDLED

MOST_PICTURES = 16  # averaged for one face
PERSONAS = BUNDLED / "personas"
PERSONA_RECOGNIZER = "omokage"  # the one whose embeddings the personas carry


@dataclass(frozen=True, eq=False)
class SourceFace:
    """One face to choose from.

    ``thumbnail`` is a square, aligned as ``app.portraits.LANDMARKS`` scaled to its side;
    ``embedding`` is L2-normalised, of the recogniser called ``recognizer``; ``picture`` is the
    thumbnail's file.
    """

    face_id: str
    name: str
    builtin: bool
    thumbnail: Pixels
    embedding: NDArray[np.float32]
    picture: Path | None
    consent: ConsentRecord
    recognizer: str = PERSONA_RECOGNIZER


class FaceLibrary:
    """All source faces; ``folder`` holds the user's own and need not exist.

    ``personas`` is the folder of the built-in ones. Used by one thread at a time.
    """

    def __init__(self, folder: Path, engines: Engines, *, personas: Path = PERSONAS) -> None:
        self._folder = folder
        self._engines = engines
        self._register = ConsentRegister(folder / ".consent")
        self._personas = read_personas(personas)
        self._problems: tuple[str, ...] = ()
        self._read: dict[Path, tuple[_Signature, SourceFace]] = {}  # what list() read before

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each kept face that the last ``list`` could not read."""
        return self._problems

    def list(self) -> builtins.list[SourceFace]:
        """Personas first, then the user's own by name. A damaged one is left alone and left out."""
        own, problems = [], []
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for folder in folders:
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                own.append(self._face_in(folder))
            except AppError as error:
                problems.append(f"The face kept in {folder} cannot be used: {error}")
        self._problems = tuple(problems)
        return [*self._personas, *sorted(own, key=lambda face: face.name.casefold())]

    def get(self, face_id_or_name: str) -> SourceFace | None:
        """The face with this id, else the first with this name (any case)."""
        faces = self.list()
        wanted = face_id_or_name.casefold()
        by_id = (face for face in faces if face.face_id == face_id_or_name)
        by_name = (face for face in faces if face.name.casefold() == wanted)
        return next(by_id, None) or next(by_name, None)

    def add(
        self, pictures: Sequence[Path], name: str, basis: Basis, person: str, note: str = ""
    ) -> SourceFace:
        """Keep a face made of one or more pictures of one person.

        ``PictureError``: unreadable, no face, several, too small; ``ConsentError``: no basis.
        """
        files = [(read_bytes(path), path.name) for path in pictures]
        return self._add(files, name, basis, person, note)

    def add_bytes(
        self, data: bytes, name: str, basis: Basis, person: str, note: str = ""
    ) -> SourceFace:
        """Keep a face made of a pasted or dropped picture; as ``add``."""
        return self._add([(data, "the picture")], name, basis, person, note)

    def remove(self, face_id: str) -> None:
        """Delete an added face: picture, embedding and record."""
        folder = self._folder / face_id
        if any(face.face_id == face_id for face in self._personas):
            raise PictureError("The built-in personas cannot be removed.")
        if not re.fullmatch(r"[a-z0-9-]+", face_id) or not folder.is_dir():
            raise PictureError(f"There is no face {face_id!r} to remove.")
        gone = self._folder / f".removed-{secrets.token_hex(4)}"
        try:
            folder.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise PictureError(
                f"The face {face_id} cannot be removed ({error.strerror}).",
                f"Delete the folder {gone if gone.exists() else folder} by hand.",
            ) from error

    def consent_for(self, picture: Path) -> ConsentRecord | None:
        """The record about this picture file, from a kept face or an earlier ``record_consent``."""
        sha256 = hashlib.sha256(read_bytes(picture)).hexdigest()
        kept = (face.consent for face in self.list() if face.consent.covers(sha256))
        return next(kept, None) or self._register.find(sha256)

    def kept_from(self, pictures: Sequence[Path]) -> SourceFace | None:
        """The kept face that was made of just these picture files, if there is one."""
        hashes = {hashlib.sha256(read_bytes(path)).hexdigest() for path in pictures}
        made = (f for f in self.list() if set(f.consent.picture_sha256.split()) == hashes)
        return next(made, None)

    def record_consent(self, picture: Path, basis: Basis, person: str, note: str = "") -> None:
        """Record the consent for a picture that is used without being kept."""
        self._register.add(record_consent("", person, basis, note, [read_bytes(picture)]))

    def identity(self, face: SourceFace) -> Identity:
        """The face, prepared for the swapper in use; ``ConsentError`` where consent ran out."""
        return self.identity_of([face])

    def identity_from_pictures(self, pictures: Sequence[Path]) -> Identity:
        """The mean of several pictures of a face; each needs a consent record."""
        return self.identity_of(pictures)

    def identity_of(self, sources: Sequence[SourceFace | Path]) -> Identity:
        """The mean of faces and picture files, prepared for the swapper in use."""
        if not sources:
            raise PictureError("There is no source face.", "Name a persona or a picture.")
        embedding = mean_embedding([self._embedding(source) for source in sources])
        ids = [s.face_id if isinstance(s, SourceFace) else s.stem for s in sources]
        names = [s.name if isinstance(s, SourceFace) else s.stem for s in sources]
        return Identity(
            face_id="+".join(ids),
            name=" + ".join(names),
            embedding=embedding,
            prepared=self._engines.swapper.prepare(embedding),
        )

    def _face_in(self, folder: Path) -> SourceFace:
        """The face kept in a folder; its files are read again only when they have changed."""
        signature = _signature(folder)
        known = self._read.get(folder)
        if known is None or known[0] != signature:
            known = self._read[folder] = signature, _read_face(folder)
        return known[1]

    def _embedding(self, source: SourceFace | Path) -> NDArray[np.float32]:
        recognizer = self._engines.swapper.recognizer
        if isinstance(source, SourceFace):
            source.consent.check()
            if source.recognizer == recognizer.name:
                return source.embedding
            return embed(_squares(source), recognizer)
        record = self.consent_for(source)
        if record is None:
            raise ConsentError(f"There is no consent record for {source.name}.")
        record.check()
        square = portrait(read_picture(source), source.name, self._engines.detector)
        return embed([square], recognizer)

    def _add(
        self, files: Sequence[tuple[bytes, str]], name: str, basis: Basis, person: str, note: str
    ) -> SourceFace:
        if not 1 <= len(files) <= MOST_PICTURES:
            raise PictureError(
                f"A face is made of 1 to {MOST_PICTURES} pictures, not {len(files)}."
            )
        name = " ".join(name.split()) or "Face"
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "face"
        face_id = f"{slug}-{secrets.token_hex(4)}"
        consent = record_consent(face_id, person, basis, note, [data for data, _ in files])
        detector, recognizer = self._engines.detector, self._engines.swapper.recognizer
        squares = [portrait(decode_picture(data, of), of, detector) for data, of in files]
        embedding = embed(squares, recognizer)
        folder = self._write(face_id, name, recognizer.name, squares, embedding, consent)
        return _read_face(folder)

    def _write(
        self,
        face_id: str,
        name: str,
        recognizer: str,
        squares: Sequence[Pixels],
        embedding: NDArray[np.float32],
        consent: ConsentRecord,
    ) -> Path:
        """One folder, complete before it gets its name."""
        card = {"name": name, "recognizer": recognizer, "consent": to_table(consent)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=self._folder, prefix=".adding-", ignore_cleanup_errors=True
            ) as text:
                part = Path(text) / face_id
                part.mkdir()
                for number, square in enumerate(squares, 1):
                    (part / f"face-{number}.png").write_bytes(_png(square))
                np.save(part / "embedding.npy", embedding)
                (part / "face.toml").write_text(tomlkit.dumps(card), encoding="utf-8")
                return part.rename(self._folder / face_id)
        except OSError as error:
            raise PictureError(
                f"The face cannot be kept in {self._folder} ({error.strerror}).",
                "Free some space or check the folder's permissions.",
            ) from error


_Signature = tuple[tuple[str, int, int], ...]


def _signature(folder: Path) -> _Signature:
    """Name, time of change and size of each file of a kept face."""
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError as error:
        raise PictureError(f"its folder cannot be read ({error.strerror}).") from error
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


def _read_face(folder: Path) -> SourceFace:
    try:
        card = tomllib.loads((folder / "face.toml").read_text(encoding="utf-8"))
        name, recognizer, table = str(card["name"]), str(card["recognizer"]), card["consent"]
        data = io.BytesIO((folder / "embedding.npy").read_bytes())
        embedding = np.load(data, allow_pickle=False).astype(np.float32)
    except OSError as error:
        raise PictureError(f"{error.filename} cannot be read ({error.strerror}).") from error
    except (ValueError, EOFError) as error:  # not TOML, not UTF-8, no array
        raise PictureError(f"its files are damaged ({error}).") from error
    except KeyError as error:
        raise PictureError(f"its record has no {error}.") from error
    if embedding.ndim != 1 or not isinstance(table, dict):
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


def _squares(face: SourceFace) -> list[Pixels]:
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
        entries = tomllib.loads(listing.read_text(encoding="utf-8"))["persona"]
        with np.load(folder / "embeddings.npz", allow_pickle=False) as archive:
            return [_persona(folder, entry, archive[entry["id"]]) for entry in entries]
    except (OSError, ValueError, KeyError) as error:
        raise PictureError(
            f"The built-in personas in {folder} are damaged ({error}).", "Install Omokage again."
        ) from error


def _persona(folder: Path, entry: dict[str, str], embedding: NDArray[np.float32]) -> SourceFace:
    picture = folder / f"{entry['id']}.png"
    return SourceFace(
        face_id=entry["id"],
        name=entry["name"],
        builtin=True,
        thumbnail=read_picture(picture),
        embedding=embedding.astype(np.float32),
        picture=picture,
        consent=ConsentRecord(
            face_id=entry["id"],
            person="nobody: this person does not exist",
            basis=Basis.SYNTHETIC,
            note="made for Omokage by its own generator",
            recorded_at="2026-11-21T00:00:00+00:00",
            picture_sha256=hashlib.sha256(picture.read_bytes()).hexdigest(),
        ),
    )
