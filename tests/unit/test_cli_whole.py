"""The commands through real engines: the tiny networks, checked, loaded and run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import faces
from app.__main__ import main
from app.cli import examination
from app.pictures import read_picture
from app.provenance.watermark import MOST
from engines import manifest
from tests.helpers import tiny_models


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with the tiny networks and one persona, Mio."""
    folder = tiny_models.bundle(tmp_path / "assets")
    personas = folder / "personas"
    personas.mkdir()
    Image.new("RGB", (256, 256), (0, 255, 0)).save(personas / "mio.png")
    (personas / "personas.toml").write_text('[[persona]]\nid = "mio"\nname = "Mio"\n')
    monkeypatch.setattr(manifest, "BUNDLED", folder)
    monkeypatch.setattr(faces, "PERSONAS", personas)
    monkeypatch.setattr(faces, "read_personas", lambda _, read=faces.read_personas: read(personas))
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    return folder


def face_picture(path: Path) -> Path:
    """Grey, with one blue cell: a face 160 px wide for the tiny detector."""
    image = Image.new("RGB", (640, 640), (60, 60, 60))
    image.paste((0, 0, 255), (320, 320, 336, 336))
    image.save(path)
    return path


def test_a_picture_is_swapped_with_a_persona(tmp_path: Path) -> None:
    source, target = face_picture(tmp_path / "in.png"), tmp_path / "out.png"
    assert (
        main(["swap", str(source), "--source", "Mio", "--output", str(target), "--no-badge"]) == 0
    )
    before, after = read_picture(source).astype(int), read_picture(target).astype(int)
    change = np.abs(after - before).max(axis=2)
    assert change[300:360, 300:360].max() > 30
    assert change[:150].max() <= MOST  # the invisible mark


def test_a_picture_is_swapped_by_a_generator_that_is_told_how_its_source_looks(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_models.bundle(bundle, looks=tiny_models.LOOKS)
    source, own = face_picture(tmp_path / "in.png"), face_picture(tmp_path / "me.png")
    words = ["swap", str(source), "--source", str(own), "--source", "mio", "--json"]
    words += ["--consent", "own-face", "--output", str(tmp_path / "out.png")]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["engine"].startswith("ONNX Runtime")
    assert main(["models", "verify"]) == 0
    assert "appearance " in capsys.readouterr().out
    assert "appearance" in " ".join(examination.examine().models)
    tiny_models.put(bundle, "appearance", tiny_models.appearance(64))
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "do not belong together" in error
    assert error.count("\n") == 1
    said = [finding.what for finding in examination.examine().problems]
    assert len([what for what in said if "do not belong together" in what]) == 1


def test_a_picture_is_swapped_with_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = face_picture(tmp_path / "in.png"), tmp_path / "out.png"
    own = face_picture(tmp_path / "me.png")
    words = ["swap", str(source), "--source", str(own), "--source", "mio", "--output", str(target)]
    assert main(words) == 1
    assert "--consent" in capsys.readouterr().err
    assert main([*words, "--consent", "own-face", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"].startswith("ONNX Runtime")


def test_a_damaged_model_is_one_sentence(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "swapper.onnx").write_bytes(b"nothing")
    source = face_picture(tmp_path / "in.png")
    words = ["swap", str(source), "--source", "mio", "--output", str(tmp_path / "out.png")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "swapper.onnx" in error
    assert "damaged" in error
    assert error.count("\n") == 1


def test_an_unknown_swapper_names_the_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = face_picture(tmp_path / "in.png")
    words = ["swap", str(source), "--source", "mio", "--output", str(tmp_path / "out.png")]
    assert main([*words, "--swapper", "other"]) == 1
    assert "no swapper 'other'; known are omokage" in capsys.readouterr().err


def test_the_doctor_finds_it_all() -> None:
    found = examination.examine()
    assert found.personas == ["Mio"]
    assert set(found.models.values()) == {"ok"}
    assert len(found.engines) == 1
    assert {"ok", "problems", "personas", "engines", "cameras"} <= set(found.as_json())


def test_the_doctor_survives_an_empty_installation(bundle: Path) -> None:
    (bundle / "models.toml").write_text("model = 3")
    assert not examination.examine().ok
    (bundle / "models.toml").unlink()
    assert not examination.examine().ok
