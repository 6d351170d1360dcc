"""``omokage enrol``, and what needs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.__main__ import main
from app.capture import opening
from app.cli import headless
from app.cli.sources import enrolled
from app.errors import EngineError, PictureError
from app.settings import Settings, with_value
from engines import loading
from engines.loading import Engines
from tests.helpers.colour_engines import MeanRecognizer, colour_engines, picture_of
from tests.helpers.fakes import StillSource

Run = Callable[..., int]


def engines(*_: object) -> Engines:
    return replace(colour_engines(), recognizer=MeanRecognizer(), recognizer_sha256="a")  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    for module in (loading, headless):
        monkeypatch.setattr(module, "load_engines", lambda *_, **__: engines())
    return lambda *words: main(list(words))


def camera(face: bool = True) -> StillSource:
    pixels = np.full((240, 320, 3), 90, np.uint8)
    if face:
        pixels[60:160, 100:200] = (0, 0, 255)
    return StillSource(pixels, count=None if face else 3, pause_s=0.02)


def test_from_pictures_and_deleted(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = picture_of(tmp_path / "me.png", (100, 100, 120))
    assert run("enrol", str(picture), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["enrolled"], told["looks"]) == (True, 1)
    assert run("enrol", "--show") == 0
    assert "Your face is enrolled (1 look, 2" in capsys.readouterr().out
    assert run("enrol", "--delete") == 0
    assert capsys.readouterr().out == "No face is enrolled.\n"
    assert not list((tmp_path / "home").glob("me*"))


def test_a_face_is_deleted_whatever_became_of_the_models(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("enrol", str(picture_of(tmp_path / "me.png", (100, 100, 120)))) == 0

    def gone(*_: object, **__: object) -> Engines:
        raise EngineError("The models are gone.")

    monkeypatch.setattr(loading, "load_engines", gone)
    assert run("enrol", "--show") == 1
    assert run("enrol", "--delete") == 0
    assert not list((tmp_path / "home").glob("me*"))


def test_before_the_camera(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "open_source", lambda *_, **__: camera())
    assert run("enrol", "--camera", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["looks"] == 12


def test_nobody_before_the_camera(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "open_source", lambda *_, **__: camera(face=False))
    monkeypatch.setattr(opening, "list_cameras", lambda: [opening.CameraEntry("0", "Webcam")])
    assert run("enrol") == 1
    assert "not seen well enough" in capsys.readouterr().err


def test_without_a_camera_the_person_of_the_demo_is_not_enrolled(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "Demo", lambda **_: camera())
    monkeypatch.setattr(opening, "list_cameras", lambda: [])
    assert run("enrol") == 1
    assert "There is no camera" in capsys.readouterr().err
    assert not list((tmp_path / "home").glob("me*"))


def test_only_me_needs_somebody_enrolled(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--headless", "--camera", "demo", "--faces", "me", "--frames", "1") == 1
    assert "omokage enrol" in capsys.readouterr().err


def test_who_was_swapped_alone_can_be_again_by_a_scene(run: Run, tmp_path: Path) -> None:
    each = with_value(Settings(), "detector.faces", "each")
    again = with_value(each, "faces_before", "me")
    assert enrolled(engines(), again) is None  # nobody is, and nobody need be yet
    assert run("enrol", str(picture_of(tmp_path / "me.png", (100, 100, 120)))) == 0
    assert enrolled(engines(), each) is None
    assert enrolled(engines(), again) is not None
    (tmp_path / "home" / "me.npz").write_bytes(b"damaged")
    assert enrolled(engines(), again) is None
    with pytest.raises(PictureError, match="damaged"):
        enrolled(engines(), with_value(again, "detector.faces", "me"))


def test_the_real_face_only_where_it_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(headless, "open_source", lambda *_, **__: camera())
    words = ("run", "--headless", "--frames", "4", "--json")
    assert run(*words, "--set", "swap=false") == 0
    assert json.loads(capsys.readouterr().out)["shown"]["slate"] == 4
    assert run(*words, "--show-real-face") == 0
    assert json.loads(capsys.readouterr().out)["shown"]["bypass"] == 4
    with pytest.raises(SystemExit):
        run("run", "--show-real-face")
