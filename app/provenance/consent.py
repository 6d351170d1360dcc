"""On what ground a person's face is used: one record per source face, required before any swap."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import tomlkit

from app.errors import ConsentError
from engines.atomic_file import write_atomically
from engines.toml_text import parse_toml


class Basis(enum.Enum):
    """Why the face may be used."""

    OWN_FACE = "own-face"
    WRITTEN = "written-consent"
    SYNTHETIC = "synthetic"
    LICENSED = "licensed"


BASIS_TEXT: Mapping[Basis, str] = {
    Basis.OWN_FACE: "It is my own face.",
    Basis.WRITTEN: "The person has agreed in writing.",
    Basis.SYNTHETIC: "The person does not exist; the picture was generated.",
    Basis.LICENSED: "A licence allows this use of the likeness.",
}


@dataclass(frozen=True)
class ConsentRecord:
    """One face's consent.

    ``recorded_at`` is ISO 8601 in UTC; ``picture_sha256`` is the hash of each source picture's
    file, separated by spaces; ``expires`` is an ISO date, the last day of use, or None.
    """

    face_id: str
    person: str
    basis: Basis
    note: str
    recorded_at: str
    picture_sha256: str
    expires: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.basis, Basis):
            raise ConsentError("A face needs a basis of consent.", _CHOICES)
        if not self.person.strip():
            raise ConsentError("The consent record does not say whose face it is.", "Name them.")
        try:
            datetime.fromisoformat(self.recorded_at)
            if self.expires is not None:
                date.fromisoformat(self.expires)
        except ValueError as error:
            raise ConsentError(f"The consent record has a date that is none: {error}.") from error

    def covers(self, sha256: str) -> bool:
        """Whether the record is about the picture file with this hash."""
        return sha256 in self.picture_sha256.split()

    def check(self, today: date | None = None) -> None:
        """Raise ``ConsentError`` where the consent has run out."""
        if self.expires is not None and (today or date.today()) > date.fromisoformat(self.expires):
            raise ConsentError(
                f"The consent for {self.person} ran out on {self.expires}.", "Record a new one."
            )


_CHOICES = f"Choose one of: {', '.join(basis.value for basis in Basis)}."


def record_consent(
    face_id: str,
    person: str,
    basis: Basis,
    note: str,
    pictures: list[bytes],
    *,
    expires: str | None = None,
) -> ConsentRecord:
    """A record made now, about these picture files' bytes."""
    return ConsentRecord(
        face_id=face_id,
        person=person.strip(),
        basis=basis,
        note=note.strip(),
        recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        picture_sha256=" ".join(hashlib.sha256(data).hexdigest() for data in pictures),
        expires=expires,
    )


def to_table(record: ConsentRecord) -> dict[str, str]:
    """The record as a TOML table; ``expires`` is left out where there is none."""
    table = asdict(record) | {"basis": record.basis.value}
    return {name: value for name, value in table.items() if value is not None}


def from_table(table: Mapping[str, Any]) -> ConsentRecord:
    """A record from a TOML table; ``ConsentError`` where something is missing or does not fit."""
    try:
        texts = {name: str(table[name]) for name in ("face_id", "person", "note", "recorded_at")}
        expires = table.get("expires")
        return ConsentRecord(
            **texts,
            basis=Basis(table["basis"]),
            picture_sha256=str(table["picture_sha256"]),
            expires=None if expires is None else str(expires),
        )
    except KeyError as error:
        raise ConsentError(f"The consent record has no {error}.") from error
    except ValueError as error:
        raise ConsentError(
            f"The consent record's basis is {table['basis']!r}.", _CHOICES
        ) from error


class ConsentRegister:
    """Consent for pictures used without being kept: one small file per picture's hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, sha256: str) -> ConsentRecord | None:
        """The record for a picture file's hash; ``ConsentError`` where it is damaged."""
        path = self._folder / f"{sha256}.toml"
        try:
            return from_table(parse_toml(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConsentError(
                f"The consent record {path} cannot be read ({error.strerror})."
            ) from error
        except ValueError as error:
            raise ConsentError(
                f"The consent record {path} is damaged.", "Give --consent to record it anew."
            ) from error

    def add(self, record: ConsentRecord) -> None:
        """Keep a record, whole or not at all, for each picture it is about."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for sha256 in record.picture_sha256.split():
                text = tomlkit.dumps(to_table(record))
                write_atomically(self._folder / f"{sha256}.toml", text.encode())
        except OSError as error:
            raise ConsentError(
                f"The consent cannot be recorded in {self._folder} ({error.strerror}).",
                "Without a record the face is not used.",
            ) from error
