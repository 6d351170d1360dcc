"""Consent: a basis is required, records survive a round trip, damage gets a sentence."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import date

import pytest

from app.errors import ConsentError
from app.provenance.consent import (
    BASIS_TEXT,
    Basis,
    ConsentRecord,
    from_table,
    record_consent,
    to_table,
)

SHA = hashlib.sha256(b"picture").hexdigest()


def a_record(expires: str | None = None) -> ConsentRecord:
    return record_consent("f1", " Ana ", Basis.WRITTEN, "letter", [b"picture"], expires=expires)


def test_every_basis_is_explained() -> None:
    assert set(BASIS_TEXT) == set(Basis)


@pytest.mark.parametrize("expires", [None, "2031-02-03"])
def test_round_trip(expires: str | None) -> None:
    record = a_record(expires)
    assert from_table(to_table(record)) == record
    assert record.person == "Ana"
    assert record.covers(SHA)
    assert not record.covers("0" * 64)
    assert record.recorded_at.endswith("+00:00")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"basis": "own-face"}, "basis"),
        ({"person": "  "}, "whose face"),
        ({"recorded_at": "yesterday"}, "date"),
        ({"expires": "soon"}, "date"),
    ],
)
def test_a_record_that_says_nothing_is_refused(change: dict[str, str], part: str) -> None:
    with pytest.raises(ConsentError, match=part):
        dataclasses.replace(a_record(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["face_id", "person", "basis", "recorded_at", "picture_sha256"])
def test_a_table_with_a_gap_is_refused(name: str) -> None:
    table = to_table(a_record())
    del table[name]
    with pytest.raises(ConsentError, match=name):
        from_table(table)


def test_an_unknown_basis_names_the_known_ones() -> None:
    with pytest.raises(ConsentError, match=r"'hearsay'.*own-face, written-consent"):
        from_table(to_table(a_record()) | {"basis": "hearsay"})


def test_consent_runs_out() -> None:
    record = a_record("2026-05-01")
    record.check(date(2026, 5, 1))
    with pytest.raises(ConsentError, match="ran out on 2026-05-01"):
        record.check(date(2026, 5, 2))
    a_record().check()
