"""Consent records as a file for others: JSON with everything, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.consents import Consent
from app.errors import ConsentError
from engines.atomic_file import write_atomically

VERSION = 1
FORMATS = (".json", ".csv")
COLUMNS = (
    *("consent_id", "state", "person", "basis", "scope", "note", "recorded_at", "expires"),
    *("face_id", "picture_sha256", "history"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def export(consents: Sequence[Consent], problems: Sequence[str], path: Path) -> None:
    """Write the records in the format of the suffix, whole or not at all; else ``ConsentError``."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ConsentError(
            f"{path.name} ends in {path.suffix or 'nothing'}: records are exported as JSON or CSV.",
            "Choose a name that ends in .json or .csv.",
        )
    if suffix == ".json":
        text = json.dumps(as_document(consents, problems), ensure_ascii=False, indent=2) + "\n"
        data = text.encode(errors="replace")
    else:
        data = as_table(consents).encode("utf-8-sig", errors="replace")  # as spreadsheets want it
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ConsentError(
            f"{path} cannot be written ({error.strerror or error}).", "Choose another place."
        ) from error


def as_document(consents: Sequence[Consent], problems: Sequence[str]) -> dict[str, Any]:
    """The records with their history, and what could not be read, for ``json``."""
    return {
        "version": VERSION,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "consents": [_entry(consent) for consent in consents],
        "problems": list(problems),
    }


def as_table(consents: Sequence[Consent]) -> str:
    """The records as CSV (RFC 4180), one a line; no cell begins like a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for consent in consents:
        entry = _entry(consent)
        events = (f"{event['at']} {event['event']} {event['note']}" for event in entry["history"])
        entry |= {
            "picture_sha256": " ".join(entry["picture_sha256"]),
            "history": "; ".join(line.strip() for line in events),
        }
        writer.writerow([_harmless(str(entry[name] or "")) for name in COLUMNS])
    return text.getvalue()


def _entry(consent: Consent) -> dict[str, Any]:
    record = consent.record
    return {
        "consent_id": consent.consent_id,
        "state": consent.state.value,
        "person": record.person,
        "basis": record.basis.value,
        "scope": record.scope,
        "note": record.note,
        "recorded_at": record.recorded_at,
        "expires": record.expires,
        "face_id": record.face_id,
        "picture_sha256": record.picture_sha256.split(),
        "history": [
            {"event": event.what.value, "at": event.at, "note": event.note}
            for event in consent.history
        ],
    }


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
