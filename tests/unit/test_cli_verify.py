"""``omokage verify``: the three answers and the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.__main__ import main
from app.frame import Frame, Pixels
from app.paths import signing_key_path
from app.provenance.credentials import Credentials
from app.provenance.watermark import apply_mark
from app.sinks.recorder import Recorder
from app.sinks.snapshot import save_snapshot


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))


def picture(seed: int = 0, *, mark: bool) -> Pixels:
    noise = np.random.default_rng(seed).normal(120, 90, (240, 320, 3)).astype(np.float32)
    pixels = np.clip(cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)
    if mark:
        apply_mark(pixels)
    return pixels


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_picture(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    save_snapshot(path, picture(mark=True))
    assert main(["verify", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"marked", "score", "c2pa"} <= set(found)
    assert found["marked"] is True
    assert found["score"] > found["threshold"]
    assert found["c2pa"] is None
    assert main(["verify", str(path)]) == 0
    assert "made with Omokage" in capsys.readouterr().out


def test_no_mark_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plain.png"
    save_snapshot(path, picture(mark=False))
    assert main(["verify", str(path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["marked"] is False
    assert main(["verify", str(path)]) == 3
    assert "no mark" in capsys.readouterr().out


@pytest.mark.parametrize("mark", [True, False])
def test_a_video(tmp_path: Path, mark: bool) -> None:
    path = tmp_path / "clip.mp4"
    recorder = Recorder(path, 320, 240, 25)
    for index in range(12):
        recorder.write(Frame(picture(index, mark=mark), index, index / 25))
    recorder.close()
    assert main(["verify", str(path)]) == (0 if mark else 3)


@pytest.mark.parametrize("name", ["missing.png", "broken.png", "broken.mp4", "folder"])
def test_what_cannot_be_read_is_status_1(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name != "missing.png":
        path.write_bytes(b"nothing of use" * 50)
    assert main(["verify", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("omokage: ")
    assert error.count("\n") == 1
    assert "bug" not in error


def test_wrong_use() -> None:
    with pytest.raises(SystemExit) as left:
        main(["verify"])
    assert left.value.code == 2


def test_content_credentials_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    save_snapshot(path, picture(mark=True), Credentials(signing_key_path()))
    assert main(["verify", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["marked"] is True
    assert found["c2pa"]["state"] == "own"
    assert found["c2pa"]["ai"] is True
    assert found["c2pa"]["issuer"] == "Omokage"
    assert found["c2pa"]["actions"] == ["c2pa.created", "c2pa.edited"]
    assert main(["verify", str(path)]) == 0
    told = capsys.readouterr().out
    assert "signed on this computer" in told
    assert "AI was used" in told

    signing_key_path().unlink()
    assert main(["verify", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["c2pa"]["state"] == "untrusted"
    assert not signing_key_path().exists()  # verifying makes no key


def test_a_picture_changed_after_signing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.webp"
    save_snapshot(path, picture(mark=True), Credentials(signing_key_path()))
    data = bytearray(path.read_bytes())
    data[data.index(b"VP8") + 900] ^= 1
    path.write_bytes(data)
    main(["verify", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["c2pa"]["state"] == "tampered"
    main(["verify", str(path)])
    assert "changed after it was signed" in capsys.readouterr().out
