"""The list of bundled models is written from the files themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomlkit

pytest.importorskip("onnx")

from engines.manifest import ModelStore
from tests.helpers import tiny_models
from training.bundle import KNOWN, listing


def test_what_is_written_can_be_loaded(tmp_path: Path) -> None:
    folder = tiny_models.bundle(tmp_path / "assets")
    (folder / "swapper.onnx").write_bytes(tiny_models.generator(5))
    (folder / "models.toml").write_text(tomlkit.dumps(listing(folder)))
    entries = ModelStore(folder, tmp_path).list()
    made = {path.stem for path in folder.glob("*.onnx")}
    assert [entry.name for entry in entries] == [name for name in KNOWN if name in made]
    assert {entry.state for entry in entries} == {"ok"}


def test_the_tensors_are_those_of_the_file(tmp_path: Path) -> None:
    document = listing(tiny_models.bundle(tmp_path))
    entry = next(item for item in document["model"] if item["name"] == "recognizer")
    assert entry["inputs"] == ["input: float32 n x 3 x 112 x 112"]
    assert entry["outputs"] == ["embedding: float32 n x 128"]


def test_an_empty_folder_lists_nothing(tmp_path: Path) -> None:
    assert not listing(tmp_path)["model"]
