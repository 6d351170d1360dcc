"""``omokage models``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from app.cli import models
from engines.errors import EngineError
from engines.manifest import ModelStore
from tests.helpers import tiny_models


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tiny_models.bundle(tmp_path / "assets"), tmp_path / "own")


def _run(store: ModelStore, *words: str) -> int:
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *words])
    assert args.run is models.run
    return models.run(args, store)


@pytest.mark.parametrize("words", [["--json"], ["list", "--json"], ["--json", "list"]])
def test_json_has_the_promised_keys(
    store: ModelStore, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert _run(store, *words) == 0
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) == 5
    for entry in entries:
        assert list(entry) == ["name", "file", "sha256", "bytes", "licence", "state"]
        assert entry["state"] == "ok"


def test_the_table_is_for_reading(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(store) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "size", "state", "sha256", "licence"]
    assert lines[1].split()[:4] == ["detector", "0.00", "MB", "ok"]


def test_verify_fails_on_damage_and_list_does_not(store: ModelStore, tmp_path: Path) -> None:
    assert _run(store, "verify") == 0
    (tmp_path / "assets" / "recognizer.onnx").write_bytes(b"other")
    assert _run(store, "verify") == 1
    assert _run(store, "list") == 0


def test_add_lists_what_was_added(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator, recognizer = tmp_path / "ins.onnx", tmp_path / "arc.onnx"
    generator.write_bytes(tiny_models.inswapper(np.eye(16)))
    recognizer.write_bytes(tiny_models.recognizer(16))
    words = ["add", str(generator), "--recognizer", str(recognizer), "--licence", "research"]
    assert _run(store, *words, "--name", "two", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == ["two", "two recogniser"]
    assert {entry["licence"] for entry in entries} == {"research"}
    assert _run(store, *words) == 0
    assert "Added ins (inswapper)" in capsys.readouterr().out


def test_add_raises_what_the_user_can_act_on(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(EngineError, match=r"x\.onnx is no network"):
        _run(store, "add", str(tmp_path / "x.onnx"))


def test_a_wrong_family_is_wrong_use(store: ModelStore) -> None:
    with pytest.raises(SystemExit) as caught:
        _run(store, "add", "x.onnx", "--family", "magic")
    assert caught.value.code == 2


def test_a_damaged_card_is_said_and_fails_verify_alone(
    store: ModelStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.user.mkdir(parents=True)
    (store.user / "mine.toml").write_text("no card")
    assert _run(store) == 0
    assert _run(store, "list", "--json") == 0
    assert _run(store, "verify", "--json") == 1
    assert capsys.readouterr().err.count("mine.toml is damaged") == 3


def test_a_listing_without_an_action_does_not_fail(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "assets" / "recognizer.onnx").unlink()
    assert _run(store) == 0
