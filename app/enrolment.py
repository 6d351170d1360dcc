"""The performer's own face, enrolled so that only it is swapped: embeddings, never pictures.

They lie in one file on this machine, are compared with faces in the camera's picture and with
nothing else, and are deleted with the file.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError, PictureError
from app.frame import Pixels
from app.pictures import read_picture
from app.portraits import LANDMARKS, SIDE, portrait
from app.stages.align import align
from app.stages.recognition import Templates, likeness
from engines.atomic_file import write_atomically
from engines.detector import Detector
from engines.loading import Engines
from engines.recognizer import SAME_PERSON, STRANGER, Recognizer, embed_both

WANTED = 12  # looks from a camera
MOST_PICTURES = 16
LEAST_APART_S = 0.2  # between two looks: the same instant twice says nothing new
AGAIN = "Enrol your face again."


@dataclass(frozen=True, eq=False)
class Enrolment:
    """``templates`` (n x d, each of length 1) were made at ``made_at`` (ISO 8601, UTC)."""

    templates: Templates
    made_at: str


class Enrolments:
    """Keeps at most one enrolment, in the file ``path``; ``engines`` must have a recogniser."""

    def __init__(self, path: Path, engines: Engines) -> None:
        self._path = path
        self._detector = engines.detector
        self._recognizer = engines.recognizer
        self._sha256 = engines.recognizer_sha256

    def load(self) -> Enrolment | None:
        """What is kept; None where nothing is. ``PictureError`` where it cannot be used."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PictureError(f"{self._path} cannot be read ({error.strerror}).", AGAIN) from error
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                templates = np.asarray(archive["templates"], np.float32)
                sha256, made_at = str(archive["recognizer_sha256"]), str(archive["made_at"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise PictureError(f"The enrolled face in {self._path} is damaged.", AGAIN) from error
        lengths = np.linalg.norm(templates, axis=-1) if templates.ndim == 2 else np.zeros(1)
        if not len(templates) or not np.allclose(lengths, 1, atol=1e-3):
            raise PictureError(f"The enrolled face in {self._path} is damaged.", AGAIN)
        if sha256 != self._sha256:
            raise PictureError("Your face was enrolled with another recogniser.", AGAIN)
        return Enrolment(templates, made_at)

    def save(self, templates: Templates) -> Enrolment:
        """Keep these, whole or not at all; what was kept before is replaced."""
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        data = io.BytesIO()
        np.savez(data, templates=templates, made_at=made_at, recognizer_sha256=self._sha256)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, data.getvalue())
        except OSError as error:
            raise PictureError(
                f"Your face cannot be kept in {self._path.parent} ({error.strerror})."
            ) from error
        return Enrolment(templates, made_at)

    def delete(self) -> None:
        """As ``delete_enrolment``."""
        delete_enrolment(self._path)

    def begin(self) -> Enroller:
        """Start to look at a person before the camera."""
        return Enroller(self._detector, self._needed())

    def from_pictures(self, pictures: Sequence[Path]) -> Enrolment:
        """Enrol from pictures of one person; ``PictureError`` where one shows somebody else."""
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise PictureError(f"Give 1 to {MOST_PICTURES} pictures, not {len(pictures)}.")
        recognizer = self._needed()
        squares = [portrait(read_picture(path), path.name, self._detector) for path in pictures]
        templates = np.stack([_embedded(square, recognizer) for square in squares])
        for number, path in enumerate(pictures):
            rest = np.delete(templates, number, axis=0)
            if len(rest) and likeness(templates[number], rest) < STRANGER:
                raise PictureError(
                    f"{path.name} seems to show somebody else.", "Use pictures of you alone."
                )
        return self.save(templates)

    def _needed(self) -> Recognizer:
        if self._recognizer is None:
            raise AppError("There is no recogniser to enrol a face with.", "Install Omokage again.")
        return self._recognizer


def delete_enrolment(path: Path) -> None:
    """Delete what is kept in ``path``, if anything is; ``PictureError`` where that fails."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(
            f"{path} cannot be deleted ({error.strerror}).", "Delete it by hand."
        ) from error


class Enroller:
    """Collects looks at one person from a camera's pictures. Used by one thread."""

    def __init__(self, detector: Detector, recognizer: Recognizer) -> None:
        self._detector, self._recognizer = detector, recognizer
        self._looks: list[NDArray[np.float32]] = []
        self._strange = 0
        self._at: float | None = None

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return min(1.0, len(self._looks) / WANTED)

    @property
    def templates(self) -> Templates:
        """What was collected; complete where ``share`` is 1."""
        return np.stack(self._looks)

    def add(self, pixels: Pixels, at: float) -> str:
        """Look at the picture taken at ``at`` (seconds); why it is of no use, else empty.

        ``pixels`` are the untouched camera's.
        """
        if self._at is not None and 0 <= at - self._at < LEAST_APART_S:
            return ""
        self._at = at
        with contextlib.suppress(ValueError):
            try:
                square = portrait(np.ascontiguousarray(pixels), "the picture", self._detector)
                look = _embedded(square, self._recognizer)
            except PictureError as error:
                return error.what
            return self._take(look)
        return "The face cannot be seen clearly."

    def _take(self, look: NDArray[np.float32]) -> str:
        if self._looks and likeness(look, self.templates) < SAME_PERSON:
            self._strange += 1
            if self._strange > len(self._looks):  # the first looks were the odd ones
                self._looks, self._strange = [look], 0
            return "That does not look like the face before."
        if len(self._looks) < WANTED:
            self._looks.append(look)
        return ""


def _embedded(square: Pixels, recognizer: Recognizer) -> NDArray[np.float32]:
    landmarks = LANDMARKS * (square.shape[0] / SIDE)
    crop = align(square, landmarks, recognizer.template, recognizer.crop_size)
    return embed_both(recognizer, crop.pixels)
