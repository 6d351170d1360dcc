"""The library of source faces: built-in personas and the user's own, each with a consent record.

Of an added picture only an aligned square, its embedding and the consent are kept, in one folder
per face that appears and disappears in one step.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from app.consents import Consents
from app.errors import AppError, ConsentError, EngineError, PictureError
from app.pictures import decode_picture, read_bytes, read_picture
from app.portraits import embed, mean_embedding, portrait
from app.provenance.consent import Basis, ConsentRecord, record_consent
from app.source_face import (
    ADDING,
    Signature,
    SourceFace,
    read_face,
    read_personas,
    signature_of,
    squares_of,
    write_face,
)
from app.stages.identity import Identity
from engines.appearance import JoinedRecognizer
from engines.loading import Engines
from engines.manifest import BUNDLED

__all__ = ["PERSONAS", "FaceLibrary", "SourceFace", "read_personas"]

MOST_PICTURES = 16  # averaged for one face
PERSONAS = BUNDLED / "personas"
REMOVED = ".removed-"  # of the names of folders that are being deleted
LONGEST_ADDING_S = 600.0  # a folder that is being filled for longer was left by a kill


class FaceLibrary:
    """All source faces; ``folder`` holds the user's own and need not exist.

    ``personas`` is the folder of the built-in ones. Used by one thread at a time.
    """

    def __init__(self, folder: Path, engines: Engines, *, personas: Path = PERSONAS) -> None:
        self._folder = folder
        self._engines = engines
        self.consents = Consents(folder)
        self._personas = read_personas(personas)
        self._problems: tuple[str, ...] = ()
        self._removed: set[str] = set()  # ids; whatever became of the record of it
        self._read: dict[Path, tuple[Signature, SourceFace]] = {}  # what list() read before
        # Of faces whose own embedding does not serve the swapper in use.
        self._embedded: WeakKeyDictionary[SourceFace, NDArray[np.float32]] = WeakKeyDictionary()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each kept face that the last ``list`` could not read."""
        return self._problems

    def list(self) -> builtins.list[SourceFace]:
        """Personas first, then the user's own by name. A damaged one is left alone and left out."""
        own, problems = [], []
        folders: builtins.list[Path] = []
        try:
            if self._folder.is_dir():
                folders = sorted(self._folder.iterdir())
        except OSError as error:
            problems.append(f"The faces in {self._folder} cannot be read ({error.strerror}).")
        for folder in folders:
            if _left_behind(folder):
                shutil.rmtree(folder, ignore_errors=True)
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
        self,
        pictures: Sequence[Path],
        name: str,
        basis: Basis,
        person: str,
        note: str = "",
        *,
        scope: str = "",
        expires: str | None = None,
    ) -> SourceFace:
        """Keep a face made of one or more pictures of one person.

        ``scope`` and ``expires`` are as in ``ConsentRecord``. ``PictureError``: unreadable, no
        face, several, too small; ``ConsentError``: no basis.
        """
        files = [(read_bytes(path), path.name) for path in pictures]
        return self._add(files, name, basis, person, note, scope, expires)

    def add_bytes(
        self,
        data: bytes,
        name: str,
        basis: Basis,
        person: str,
        note: str = "",
        *,
        scope: str = "",
        expires: str | None = None,
    ) -> SourceFace:
        """Keep a face made of a pasted or dropped picture; as ``add``."""
        return self._add([(data, "the picture")], name, basis, person, note, scope, expires)

    def remove(self, face_id: str) -> None:
        """Delete an added face: picture and embedding. That it was removed is noted.

        No identity made of it may be used from then on, not even where the note or the deletion
        fails.
        """
        folder = self._folder / face_id
        if any(face.face_id == face_id for face in self._personas):
            raise PictureError("The built-in personas cannot be removed.")
        if not re.fullmatch(r"[a-z0-9-]+", face_id) or not folder.is_dir():
            raise PictureError(f"There is no face {face_id!r} to remove.")
        self._removed.add(face_id)
        with contextlib.suppress(AppError):  # a damaged face can still be removed
            self.consents.note_removed(read_face(folder).consent)
        gone = self._folder / f"{REMOVED}{secrets.token_hex(4)}"
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
        return self.consents.find(hashlib.sha256(read_bytes(picture)).hexdigest())

    def kept_from(self, pictures: Sequence[Path]) -> SourceFace | None:
        """The kept face that was made of just these picture files, if there is one."""
        hashes = {hashlib.sha256(read_bytes(path)).hexdigest() for path in pictures}
        made = (f for f in self.list() if set(f.consent.picture_sha256.split()) == hashes)
        return next(made, None)

    def record_consent(
        self,
        picture: Path,
        basis: Basis,
        person: str,
        note: str = "",
        *,
        scope: str = "",
        expires: str | None = None,
    ) -> None:
        """Record the consent for a picture that is used without being kept."""
        data = [read_bytes(picture)]
        self.consents.add(
            record_consent("", person, basis, note, data, scope=scope, expires=expires)
        )

    def identity(self, face: SourceFace) -> Identity:
        """The face, prepared for the swapper in use; ``ConsentError`` where consent has ended."""
        return self.identity_of([face])

    def identity_of(self, sources: Sequence[SourceFace | Path]) -> Identity:
        """The mean of faces and picture files, prepared for the swapper in use.

        ``ConsentError`` where one has no consent record, or its consent has ended.
        """
        if not sources:
            raise PictureError("There is no source face.", "Name a persona or a picture.")
        records = [self._record(source) for source in sources]
        permit = self.consents.permit([record for record in records if record is not None])
        refusal = permit()
        if refusal:
            raise ConsentError(refusal)
        embedding = mean_embedding(self._weighed([self._embedding(source) for source in sources]))
        ids = [s.face_id if isinstance(s, SourceFace) else s.stem for s in sources]
        names = [s.name if isinstance(s, SourceFace) else s.stem for s in sources]
        return Identity(
            face_id="+".join(ids),
            name=" + ".join(names),
            embedding=embedding,
            prepared=self._engines.swapper.prepare(embedding),
            permit=lambda: self._gone(ids) or permit(),
        )

    def _gone(self, ids: Sequence[str]) -> str:
        """That one of these faces was removed, in a sentence; empty where none was."""
        if self._removed.isdisjoint(ids):
            return ""
        return "The face was removed from the gallery. Choose another face."

    def _face_in(self, folder: Path) -> SourceFace:
        """The face kept in a folder; its files are read again only when they have changed."""
        signature = signature_of(folder)
        known = self._read.get(folder)
        if known is None or known[0] != signature:
            known = self._read[folder] = signature, read_face(folder)
        return known[1]

    def _record(self, source: SourceFace | Path) -> ConsentRecord | None:
        """The consent that a source needs; None for a persona, who is nobody."""
        if isinstance(source, SourceFace):
            return None if source.builtin else source.consent
        record = self.consent_for(source)
        if record is None:
            raise ConsentError(f"There is no consent record for {source.name}.")
        return record

    def _embedding(self, source: SourceFace | Path) -> NDArray[np.float32]:
        recognizer = self._engines.swapper.recognizer
        if isinstance(source, SourceFace):
            kept = source.embedding
            if kept is not None and source.recognizer == recognizer.name and self._takes(kept):
                return kept
            if source not in self._embedded:
                self._embedded[source] = embed(squares_of(source), recognizer)
            return self._embedded[source]
        square = portrait(read_picture(source), source.name, self._engines.detector)
        return embed([square], recognizer)

    def _weighed(self, embeddings: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
        """Several sources' embeddings, so that each counts alike in who they are and in how they
        look: a face of many photos, being a mean itself, has halves of unequal lengths."""
        recognizer = self._engines.swapper.recognizer
        if len(embeddings) > 1 and isinstance(recognizer, JoinedRecognizer):
            return [recognizer.halves(embedding) for embedding in embeddings]
        return embeddings

    def _takes(self, embedding: NDArray[np.float32]) -> bool:
        """Whether the swapper in use can be told of it: another one may have had this name."""
        try:
            self._engines.swapper.prepare(embedding)
        except EngineError:
            return False
        return True

    def _add(
        self,
        files: Sequence[tuple[bytes, str]],
        name: str,
        basis: Basis,
        person: str,
        note: str,
        scope: str,
        expires: str | None,
    ) -> SourceFace:
        if not 1 <= len(files) <= MOST_PICTURES:
            raise PictureError(
                f"A face is made of 1 to {MOST_PICTURES} pictures, not {len(files)}."
            )
        name = " ".join(name.encode(errors="replace").decode().split()) or "Face"
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "face"
        face_id = f"{slug}-{secrets.token_hex(4)}"
        pictures = [data for data, _ in files]
        consent = record_consent(
            face_id, person, basis, note, pictures, scope=scope, expires=expires
        )
        detector, recognizer = self._engines.detector, self._engines.swapper.recognizer
        squares = [portrait(decode_picture(data, of), of, detector) for data, of in files]
        embedding = embed(squares, recognizer)
        folder = write_face(self._folder, name, recognizer.name, squares, embedding, consent)
        try:
            self.consents.add(consent)
        except ConsentError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return read_face(folder)


def _left_behind(folder: Path) -> bool:
    """Whether a kill left it, with somebody's picture: half added, or half removed."""
    if folder.name.startswith(REMOVED):
        return True
    try:
        return (
            folder.name.startswith(ADDING)
            and time.time() - folder.stat().st_mtime > LONGEST_ADDING_S
        )
    except OSError:
        return False
