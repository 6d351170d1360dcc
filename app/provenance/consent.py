"""On what ground a person's face is used: one record per source face, required before any swap."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from app.errors import ConsentError


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
    file, separated by spaces; ``expires`` is an ISO date, the last day of use, or None. ``scope``
    says in words what was agreed to; empty where nothing was said.
    """

    face_id: str
    person: str
    basis: Basis
    note: str
    recorded_at: str
    picture_sha256: str
    expires: str | None = None
    scope: str = ""

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

    @property
    def consent_id(self) -> str:
        """16 hex digits that tell this record from every other one."""
        parts = (self.face_id, self.person, self.basis.value, self.recorded_at, self.picture_sha256)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

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
    scope: str = "",
) -> ConsentRecord:
    """A record made now, about these picture files' bytes."""
    return ConsentRecord(
        face_id=face_id,
        person=person.strip(),
        basis=basis,
        note=note.strip(),
        recorded_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        picture_sha256=" ".join(hashlib.sha256(data).hexdigest() for data in pictures),
        expires=expires,
        scope=scope.strip(),
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
            scope=str(table.get("scope", "")),
        )
    except KeyError as error:
        raise ConsentError(f"The consent record has no {error}.") from error
    except ValueError as error:
        raise ConsentError(
            f"The consent record's basis is {table['basis']!r}.", _CHOICES
        ) from error
