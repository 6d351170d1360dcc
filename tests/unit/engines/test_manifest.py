"""The list of models, checksums, and the user's cards."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engines.errors import EngineError
from engines.manifest import BUNDLED, ModelStore, user_folder
from tests.helpers import tiny_models


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tiny_models.bundle(tmp_path / "assets"), tmp_path / "own")


def test_a_variant_serves_the_file_it_was_made_of_alone(tmp_path: Path) -> None:
    assets = tiny_models.bundle(tmp_path / "assets")
    store = ModelStore(assets, tmp_path / "own")
    assert store.variant(store.file("swapper"), "int8") is None
    data = tiny_models.add_int8(assets)
    found = store.variant(store.file("swapper"), "int8")
    assert found is not None
    assert found.read() == data
    assert store.variant(store.file("detector"), "int8") is None
    assert store.variant(store.file("swapper"), "int4") is None
    other = tiny_models.bundle(tmp_path / "other")
    tiny_models.add_int8(other, of="0" * 64)
    stale = ModelStore(other, tmp_path / "own")
    assert stale.variant(stale.file("swapper"), "int8") is None


def test_whole_files_are_ok(store: ModelStore) -> None:
    entries = store.list()
    assert [entry.name for entry in entries] == [
        "detector",
        "recognizer",
        "swapper_identity",
        "swapper",
        "occluder",
    ]
    assert {entry.state for entry in entries} == {"ok"}
    assert entries[0].bytes == Path(entries[0].file).stat().st_size


def test_missing_and_damaged_are_told_apart(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "assets" / "detector.onnx").unlink()
    path = tmp_path / "assets" / "swapper.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    states = {entry.name: entry.state for entry in store.list()}
    assert states["detector"] == "missing"
    assert states["swapper"] == "damaged"
    assert states["recognizer"] == "ok"
    with pytest.raises(EngineError, match=r"detector.onnx .*cannot be read"):
        store.file("detector").read()
    with pytest.raises(EngineError, match="is damaged: its sha256 begins"):
        store.file("swapper").read()


@pytest.mark.parametrize(
    "text", ["[[model]", "[[model]]\nname = 'x'\n", "\x00", "[[model]]\nname = 3\n", "model = 3\n"]
)
def test_a_damaged_list_gets_a_sentence(store: ModelStore, tmp_path: Path, text: str) -> None:
    (tmp_path / "assets" / "models.toml").write_text(text)
    with pytest.raises(EngineError, match="model list"):
        store.list()


def test_a_list_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        ModelStore(tmp_path / "nowhere", tmp_path).list()


def test_an_unknown_model_gets_a_sentence(store: ModelStore) -> None:
    with pytest.raises(EngineError, match="lists no parser"):
        store.file("parser")


def test_a_saved_swapper_is_listed_and_found(store: ModelStore) -> None:
    card = store.save("mine-1.0", "simswap", "MIT", b"generator", b"recogniser")
    assert card.family == "simswap"
    assert card.generator.read() == b"generator"
    assert card.recognizer is not None
    assert card.recognizer.read() == b"recogniser"
    assert card.generator.sha256 == hashlib.sha256(b"generator").hexdigest()
    assert store.swappers() == ["omokage", "mine-1.0"]
    assert [entry.name for entry in store.list()][-2:] == ["mine-1.0", "mine-1.0 recogniser"]
    assert not list(store.user.glob(".*"))


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "ü"])
def test_a_name_that_is_no_file_name_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(EngineError, match="no name for a model"):
        store.save(name, "simswap", "MIT", b"x", None)
    assert not store.user.exists()


@pytest.mark.parametrize("name", ["omokage", "taken"])
def test_a_name_is_given_once(store: ModelStore, name: str) -> None:
    store.save("taken", "blendface", "MIT", b"first", None)
    with pytest.raises(EngineError, match="already a swapper"):
        store.save(name, "blendface", "MIT", b"second", None)
    assert store.card("taken").generator.read() == b"first"


def test_where_it_cannot_be_stored_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file where the folder should be")
    store = ModelStore(tiny_models.bundle(tmp_path / "assets"), tmp_path / "own")
    with pytest.raises(EngineError, match="cannot be stored"):
        store.save("mine", "blendface", "MIT", b"x", None)
    assert (tmp_path / "own").read_text().startswith("a file")


def test_a_damaged_card_is_told_and_hides_no_other(store: ModelStore) -> None:
    store.save("good", "blendface", "MIT", b"x", None)
    (store.user / "bad.toml").write_text("name = 3")
    (store.user / "worse.toml").write_text("[[[")
    cards, problems = store.cards()
    assert [card.name for card in cards] == ["good"]
    assert len(problems) == 2
    with pytest.raises(EngineError, match=r"known are omokage, good\. .*bad.toml"):
        store.card("other")


def test_the_users_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "models"


def test_the_bundled_list_agrees_with_the_bundled_files(tmp_path: Path) -> None:
    entries = ModelStore(BUNDLED, tmp_path).list()
    assert {entry.name: entry.state for entry in entries} == {e.name: "ok" for e in entries}
    listed = {Path(entry.file).name for entry in entries}
    assert {path.name for path in BUNDLED.glob("*.onnx")} == listed
