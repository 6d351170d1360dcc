"""The consents on this machine: recorded, listed, withdrawn, and asked for before every frame."""

from __future__ import annotations

import builtins
import enum
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date
from pathlib import Path

from app.errors import ConsentError, brief
from app.provenance.consent import ConsentRecord, from_table
from app.provenance.history import DAMAGE, Event, History, What
from app.stages.identity import Permit
from engines.toml_text import parse_toml

FACE = "face.toml"
_EPOCH = "1970-01-01T00:00:00+00:00"


class ConsentState(enum.Enum):
    """Whether a consent may be relied on."""

    IN_FORCE = "in force"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REMOVED = "removed"  # the face it was about was deleted


@dataclass(frozen=True)
class Consent:
    """A record, where it stands, and everything that happened to it, oldest first."""

    record: ConsentRecord
    state: ConsentState
    history: tuple[Event, ...]

    @property
    def consent_id(self) -> str:
        """The record's."""
        return self.record.consent_id


class Consents:
    """All consents; ``faces`` is the folder of the kept faces and need not exist.

    Records of versions that kept no history (in the faces' own files, and one file per picture) are
    read where they lie. Nothing that was written is ever changed.
    """

    def __init__(self, faces: Path) -> None:
        self._faces = faces
        self._single = faces / ".consent"
        self._history = History(self._single / "history")

    def list(self) -> builtins.list[Consent]:
        """Every consent, newest first; ``ConsentError`` where the records cannot be read."""
        events = self._history.events()
        records = [event.record for event in events if event.record is not None]
        records += self._older()[0]
        found = {record.consent_id: record for record in reversed(records)}
        consents = [
            Consent(
                record,
                self._state(record),
                tuple(event for event in events if event.consent_id == consent_id),
            )
            for consent_id, record in found.items()
        ]
        return sorted(consents, key=lambda consent: consent.record.recorded_at, reverse=True)

    def problems(self) -> tuple[str, ...]:
        """A sentence for each file that is damaged or of a newer version; all are left alone."""
        told = [event.problem for event in self._history.events() if event.problem]
        told += [f"{name} is not understood by this version." for name in self._history.foreign()]
        told += self._older()[1]
        return tuple(told)

    def add(self, record: ConsentRecord) -> None:
        """Record a consent, unless the same one is in force already."""
        same = (_terms(consent.record) == _terms(record) for consent in self._in_force())
        if not any(same):
            self._history.append(What.GRANTED, record.consent_id, record=record)

    def find(self, sha256: str) -> ConsentRecord | None:
        """The newest record about a picture file that has not ended; it may be expired."""
        ended = (ConsentState.REVOKED, ConsentState.REMOVED)
        fitting = (
            c.record for c in self.list() if c.state not in ended and c.record.covers(sha256)
        )
        return next(fitting, None)

    def revoke(self, which: str, note: str = "") -> Consent:
        """Withdraw one consent from this moment on; what was withdrawn.

        ``which`` is its id or the start of it, else a face's id or a person's name that fits one
        consent alone. ``ConsentError`` where it fits none, several, or one that has ended.
        """
        consent = self._meant(which)
        if consent.state is ConsentState.REVOKED:
            raise ConsentError(f"The consent {consent.consent_id} is revoked already.")
        self._history.append(What.REVOKED, consent.consent_id, note)
        return consent

    def note_removed(self, record: ConsentRecord) -> None:
        """Record that the face of a consent was deleted."""
        self._history.append(What.REMOVED, record.consent_id)

    def refusal(self, record: ConsentRecord) -> str:
        """Why a record's face may not be used now, in a sentence; empty where it may be."""
        try:
            ended = self._history.ended().get(record.consent_id)
            record.check()
        except ConsentError as error:
            return str(error)
        if ended is None:
            return ""
        how = "revoked" if ended.what is What.REVOKED else "given up when the face was removed"
        return f"The consent for {record.person} was {how} on {ended.at[:10]}. Choose another face."

    def permit(self, records: Sequence[ConsentRecord]) -> Permit:
        """The question whether all of these allow their use, to be asked again for each frame."""
        kept = tuple(records)
        return lambda: next((why for record in kept if (why := self.refusal(record))), "")

    def _state(self, record: ConsentRecord) -> ConsentState:
        ended = self._history.ended().get(record.consent_id)
        if ended is not None:
            revoked = ended.what is What.REVOKED
            return ConsentState.REVOKED if revoked else ConsentState.REMOVED
        expired = record.expires is not None and date.today() > date.fromisoformat(record.expires)
        return ConsentState.EXPIRED if expired else ConsentState.IN_FORCE

    def _in_force(self) -> builtins.list[Consent]:
        return [consent for consent in self.list() if consent.state is ConsentState.IN_FORCE]

    def _meant(self, which: str) -> Consent:
        consents = self.list()
        wanted = which.strip().casefold()
        by_id = [c for c in consents if len(wanted) >= 4 and c.consent_id.startswith(wanted)]
        named = [
            consent
            for consent in consents
            if wanted in (consent.record.face_id.casefold(), consent.record.person.casefold())
            and consent.state is not ConsentState.REVOKED
        ]
        found = by_id or (named if wanted else [])
        if not found:
            raise ConsentError(
                f"There is no consent {which!r}.", "See omokage consent list for those there are."
            )
        if len(found) > 1:
            ids = ", ".join(consent.consent_id for consent in found)
            raise ConsentError(f"{which!r} fits {len(found)} consents: {ids}.", "Give one id.")
        return found[0]

    def _older(self) -> tuple[builtins.list[ConsentRecord], builtins.list[str]]:
        """Records that lie outside the history, and a sentence for each that is damaged."""
        records: builtins.list[ConsentRecord] = []
        problems: builtins.list[str] = []
        try:
            files = [*self._single.glob("*.toml"), *self._faces.glob("[!.]*/face.toml")]
        except OSError:  # the history tells
            files = []
        for path in sorted(files):
            try:
                table = parse_toml(path.read_text(encoding="utf-8"))
                records.append(from_table(table["consent"] if path.name == FACE else table))
            except DAMAGE as error:
                problems.append(f"{path} is damaged ({brief(error)}).")
        return records, problems


def _terms(record: ConsentRecord) -> tuple[object, ...]:
    """Everything but when it was recorded."""
    return astuple(replace(record, recorded_at=_EPOCH))
