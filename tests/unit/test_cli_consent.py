"""``omokage consent``: listed, exported, revoked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from app.__main__ import main
from app.cli import arguments
from app.consents import Consents
from app.paths import faces_dir
from app.provenance.consent import Basis, ConsentRecord, record_consent


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))


def granted(person: str = "Ana", note: str = "letter", scope: str = "one film") -> ConsentRecord:
    record = record_consent(
        "", person, Basis.WRITTEN, note, [b"picture"], expires="2099-01-02", scope=scope
    )
    Consents(faces_dir()).add(record)
    return record


def test_without_records(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["consent"]) == 0
    assert "no consent records" in capsys.readouterr().out
    assert main(["consent", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["consents"] == []


def test_listed(capsys: pytest.CaptureFixture[str]) -> None:
    record = granted()
    assert main(["consent", "list"]) == 0
    told = capsys.readouterr().out
    for word in (record.consent_id[:8], "in force", "Ana", "until 2099-01-02", "one film"):
        assert word in told
    for words in (["consent", "--json"], ["consent", "list", "--json"]):
        assert main(words) == 0
        (entry,) = json.loads(capsys.readouterr().out)["consents"]
        assert entry["person"] == "Ana"
        assert entry["picture_sha256"] == record.picture_sha256.split()


def test_revoked_and_listed_with_its_history(capsys: pytest.CaptureFixture[str]) -> None:
    record = granted()
    assert main(["consent", "revoke", "ana", "--note", "by mail", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["consent_id"] == record.consent_id
    assert main(["consent"]) == 0
    told = capsys.readouterr().out
    assert "revoked on" in told
    assert "by mail" in told
    assert main(["consent", "revoke", record.consent_id]) == 1
    assert "revoked already" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["nobody", "00000000"])
def test_revoking_what_is_not_there(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["consent", "revoke", which]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_exported_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    granted()
    main(["consent", "revoke", "Ana"])
    assert main(["consent", "export", str(tmp_path / "all.json")]) == 0
    document = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    (entry,) = document["consents"]
    assert (entry["state"], entry["scope"]) == ("revoked", "one film")
    assert [event["event"] for event in entry["history"]] == ["granted", "revoked"]
    assert "1 consent record." in capsys.readouterr().out


def test_exported_as_a_table_without_formulas(tmp_path: Path) -> None:
    granted(person='=HYPERLINK("http://x")', note="two\nlines, and a comma")
    assert main(["consent", "export", str(tmp_path / "all.csv")]) == 0
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8-sig") as stream:
        (row,) = csv.DictReader(stream)
    assert row["person"] == '\'=HYPERLINK("http://x")'
    assert row["note"] == "two\nlines, and a comma"
    assert row["expires"] == "2099-01-02"


@pytest.mark.parametrize("name", ["all.txt", "all", "missing/all.json"])
def test_an_export_that_cannot_be(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consent", "export", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.startswith("omokage: ")
    assert {path.name for path in tmp_path.iterdir()} <= {"home"}


def test_scope_and_expiry_are_options() -> None:
    parse = arguments.build_parser().parse_args
    words = ["swap", "in.png", "--output", "o.png", "--source", "a.png"]
    given = parse([*words, "--scope", "one film", "--expires", "2099-01-02"])
    assert (given.scope, given.expires) == ("one film", "2099-01-02")
    assert (parse(words).scope, parse(words).expires) == ("", None)
    for wrong in ("soon", "2001-01-01", "2099-13-01"):
        with pytest.raises(SystemExit):
            parse([*words, "--expires", wrong])
