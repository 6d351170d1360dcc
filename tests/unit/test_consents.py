"""Consents: recorded and withdrawn by adding, never by changing; a withdrawal counts at once."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.consents import Consents, ConsentState
from app.errors import ConsentError
from app.provenance.consent import Basis, ConsentRecord, record_consent, to_table
from app.provenance.history import History, What

SHA = hashlib.sha256(b"picture").hexdigest()


@pytest.fixture
def consents(tmp_path: Path) -> Consents:
    return Consents(tmp_path / "faces")


def history_of(tmp_path: Path) -> Path:
    return tmp_path / "faces" / ".consent" / "history"


def a_record(person: str = "Ana", expires: str | None = None) -> ConsentRecord:
    return record_consent(
        "", person, Basis.WRITTEN, "letter", [b"picture"], expires=expires, scope="one film"
    )


def test_recorded_found_and_listed(consents: Consents, tmp_path: Path) -> None:
    assert consents.list() == []
    assert consents.find(SHA) is None
    record = a_record()
    consents.add(record)
    assert consents.find(SHA) == record
    (listed,) = Consents(tmp_path / "faces").list()
    assert listed.record == record
    assert listed.record.scope == "one film"
    assert listed.state is ConsentState.IN_FORCE
    assert [event.what for event in listed.history] == [What.GRANTED]
    assert consents.refusal(record) == ""
    assert consents.problems() == ()


def test_the_same_consent_is_recorded_once(consents: Consents) -> None:
    consents.add(a_record())
    consents.add(a_record())
    assert len(consents.list()) == 1
    consents.add(a_record("Bea"))
    assert len(consents.list()) == 2


def test_revoking_counts_at_once_and_everywhere(consents: Consents, tmp_path: Path) -> None:
    record = a_record()
    consents.add(record)
    permit = consents.permit([record])
    assert permit() == ""
    Consents(tmp_path / "faces").revoke(record.consent_id[:6], "by letter")  # another process
    assert "Ana was revoked" in permit()
    assert consents.find(SHA) is None
    (listed,) = consents.list()
    assert listed.state is ConsentState.REVOKED
    assert [event.what for event in listed.history] == [What.GRANTED, What.REVOKED]
    assert listed.history[1].note == "by letter"
    with pytest.raises(ConsentError, match="revoked already"):
        consents.revoke(record.consent_id)


def test_a_new_consent_after_a_withdrawal_is_another_one(consents: Consents) -> None:
    first, second = a_record(), a_record()
    consents.add(first)
    consents.revoke("Ana")
    consents.add(second)
    assert consents.find(SHA) == second
    assert consents.refusal(first)
    assert not consents.refusal(second)
    assert [c.state for c in consents.list()] == [ConsentState.IN_FORCE, ConsentState.REVOKED]


def test_what_was_written_is_never_changed(consents: Consents, tmp_path: Path) -> None:
    consents.add(a_record())
    before = {p: p.read_bytes() for p in history_of(tmp_path).iterdir()}
    consents.revoke("ana")
    consents.add(a_record("Bea"))
    after = {p: p.read_bytes() for p in history_of(tmp_path).iterdir()}
    assert len(after) == 3
    assert before.items() <= after.items()
    assert not [p for p in after if p.name.startswith(".")]


def test_one_that_fits_several_is_not_guessed(consents: Consents) -> None:
    consents.add(a_record())
    consents.add(record_consent("", "ana", Basis.OWN_FACE, "", [b"other"]))
    with pytest.raises(ConsentError, match="fits 2 consents"):
        consents.revoke("Ana")
    for nobody in ("Zoe", "", "abc", "  "):
        with pytest.raises(ConsentError, match="no consent"):
            consents.revoke(nobody)


def test_expiry(consents: Consents) -> None:
    today, yesterday = date.today(), date.today() - timedelta(days=1)
    consents.add(a_record("Ana", expires=today.isoformat()))
    over = a_record("Bea", expires=yesterday.isoformat())
    consents.add(over)
    assert {c.record.person: c.state.value for c in consents.list()} == {
        "Ana": "in force",
        "Bea": "expired",
    }
    assert "ran out" in consents.refusal(over)
    assert "ran out" in consents.permit([a_record(), over])()


def test_records_of_earlier_versions_are_read_where_they_lie(
    consents: Consents, tmp_path: Path
) -> None:
    single, face = a_record("Ana"), dataclasses.replace(a_record("Bea"), face_id="bea-1")
    folder = tmp_path / "faces" / ".consent"
    folder.mkdir(parents=True)
    (folder / f"{SHA}.toml").write_text(tomlkit.dumps(to_table(single)))
    (tmp_path / "faces" / "bea-1").mkdir()
    card = {"name": "Bea", "consent": to_table(face)}
    (tmp_path / "faces" / "bea-1" / "face.toml").write_text(tomlkit.dumps(card))
    (folder / "torn.toml").write_text("person = [")
    assert {c.record.person for c in consents.list()} == {"Ana", "Bea"}
    assert len(consents.problems()) == 1
    assert "torn.toml is damaged" in consents.problems()[0]
    consents.revoke("bea-1")
    consents.revoke("Ana")
    assert {c.state for c in consents.list()} == {ConsentState.REVOKED}
    assert consents.refusal(face)


def test_files_of_a_newer_version_survive_and_a_withdrawal_in_one_holds(
    consents: Consents, tmp_path: Path
) -> None:
    record = a_record()
    consents.add(record)
    folder = history_of(tmp_path)
    newer = {
        f"20990101T000000000000Z-revoked-{record.consent_id}.toml": "version = 9\n[[[",
        f"20990101T000000000000Z-delegated-{record.consent_id}.toml": "version = 9",
        "index.toml": "version = 9",
    }
    deep = f"20200101T000000000000Z-granted-{'b' * 16}.toml"
    (folder / deep).write_text("a = " + "[" * 9000)
    for name, text in newer.items():
        (folder / name).write_text(text)
    assert consents.refusal(record)
    assert len(consents.problems()) == 4
    consents.add(a_record("Bea"))
    assert all((folder / name).read_text() == text for name, text in newer.items())


def test_a_record_changed_by_hand_is_not_used(consents: Consents, tmp_path: Path) -> None:
    consents.add(a_record())
    (path,) = history_of(tmp_path).iterdir()
    path.write_text(path.read_text().replace("Ana", "Bea"))
    fresh = Consents(tmp_path / "faces")
    assert fresh.find(SHA) is None
    assert "changed after it was written" in fresh.problems()[0]


def test_a_folder_that_cannot_be_read_refuses(consents: Consents, tmp_path: Path) -> None:
    folder = history_of(tmp_path)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    assert "cannot be read" in consents.refusal(a_record())
    with pytest.raises(ConsentError, match="cannot be"):
        consents.add(a_record())


def test_a_settled_folder_is_not_read_again(tmp_path: Path) -> None:
    now = [0]
    history = History(tmp_path / "h", clock_ns=lambda: now[0])
    history.append(What.GRANTED, "0" * 16, record=None)
    stamp = (tmp_path / "h").stat().st_mtime_ns
    now[0] = stamp + 10_000_000_000
    assert len(history.events()) == 1
    (tmp_path / "h" / f"20990101T000000000000Z-revoked-{'1' * 16}.toml").write_text("")
    os.utime(tmp_path / "h", ns=(stamp, stamp))
    assert len(history.events()) == 1  # the same time: nothing was read
    os.utime(tmp_path / "h", ns=(stamp + 1, stamp + 1))
    assert len(history.events()) == 2
    now[0] = stamp  # young: the time alone is not trusted
    history = History(tmp_path / "h", clock_ns=lambda: now[0])
    assert len(history.events()) == 2
    (tmp_path / "h" / f"20990101T000000000000Z-revoked-{'2' * 16}.toml").write_text("")
    os.utime(tmp_path / "h", ns=(stamp + 1, stamp + 1))
    assert len(history.events()) == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@pytest.mark.parametrize("what", ["granted", "revoked"])
def test_any_content_is_survived(tmp_path: Path, what: str, data: bytes) -> None:
    folder = history_of(tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"20260101T000000000000Z-{what}-{'a' * 16}.toml").write_bytes(data)
    (tmp_path / "faces" / ".consent" / "b.toml").write_bytes(data)
    fresh = Consents(tmp_path / "faces")
    assert fresh.list() == []
    assert fresh.problems()
    assert ("a" * 16 in History(folder).ended()) == (what == "revoked")
