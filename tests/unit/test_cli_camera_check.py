"""``doctor --camera`` and ``--fix-camera``: filmed, said, mended, filmed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.__main__ import main
from app.capture.diagnosis import CameraFacts
from app.capture.listing import CameraEntry
from app.capture.source import SourceInfo
from app.cli import camera_check
from app.cli.camera_check import Checked, check_all
from app.errors import CaptureError
from app.frame import Frame
from app.paths import config_path
from app.settings import CaptureSettings
from app.settings_file import load
from tests.helpers.fakes import picture

C920 = CameraEntry("0", "C920", "usb:046d:082d", "1-2:1.0", 480)


class Stage:
    """A room with a camera in it, and its own time: each frame takes as long as the light asks."""

    def __init__(self, code: str = "MJPG", *, dark: bool = False, slows: bool = True) -> None:
        self.code, self.dark, self.slows = code, dark, slows
        self.now = 0.0
        self.closed = 0

    def clock(self) -> float:
        return self.now

    def open(self, entry: CameraEntry, asked: CaptureSettings) -> Filming:
        return Filming(self, entry, asked)

    def keep(self, camera: str) -> None:
        assert camera == "0"
        self.slows = False


class Filming:
    """The camera, opened."""

    def __init__(self, stage: Stage, entry: CameraEntry, asked: CaptureSettings) -> None:
        self._stage = stage
        size = (asked.width, asked.height)
        facts = CameraFacts(entry, size, 30, size, 30, stage.code, (stage.code,), stage.slows)
        self.info = SourceInfo(entry.name, *size, 30, live=True, camera=facts)

    def read(self) -> Frame | None:
        stage = self._stage
        carried = 30.0
        if stage.code == "YUYV":
            size = (self.info.width, self.info.height)
            carried = min(30.0, 240e6 / (size[0] * size[1] * 16))
        stage.now += 1 / (12.0 if stage.dark and stage.slows else carried)
        return Frame(picture(), 0, 0.0)

    def close(self) -> None:
        self._stage.closed += 1


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path))


def check(stage: Stage, *, fix: bool = False) -> Checked:
    (one,) = check_all(
        fix=fix, cameras=lambda: [C920], opener=stage.open, keep=stage.keep, clock=stage.clock
    )
    return one


def test_all_is_well() -> None:
    stage = Stage()
    one = check(stage, fix=True)
    assert one.ok
    assert one.measured_rate == pytest.approx(30, abs=1)
    assert stage.closed == 1
    assert one.lines()[-1] == "  All is well."
    assert "given 1280 x 720 at 30 MJPG, measured 30" in one.lines()[1]


def test_dim_light_is_said_and_mended() -> None:
    stage = Stage(dark=True)
    assert "It gives 12 of 30" in check(stage).findings[0].what
    one = check(stage, fix=True)
    assert one.ok
    assert one.done == ("the camera keeps its rate in the dark.",)
    assert one.measured_rate == pytest.approx(30, abs=1)


def test_uncompressed_is_mended_by_asking_for_less() -> None:
    stage = Stage("YUYV")
    one = check(stage, fix=True)
    assert one.ok
    assert load(config_path())[0].capture.width == 640
    assert "640 x 360 is asked for" in one.done[0]


def test_a_fix_that_is_refused() -> None:
    stage = Stage(dark=True)

    def refuse(_: str) -> None:
        raise CaptureError("The driver refuses.")

    stage.keep = refuse  # type: ignore[method-assign]
    one = check(stage, fix=True)
    assert not one.ok
    assert one.lines()[-1] == "  The driver refuses."


def test_a_camera_that_does_not_open() -> None:
    def refuse(entry: CameraEntry, asked: CaptureSettings) -> Filming:
        raise CaptureError("C920 cannot be opened.", "Close other programs.")

    (one,) = check_all(fix=True, cameras=lambda: [C920], opener=refuse)
    assert not one.ok
    assert one.as_json()["problem"] == "C920 cannot be opened. Close other programs."


@pytest.mark.parametrize(
    ("found", "status", "said"),
    [([], 1, "There is no camera."), ([Checked(C920, check(Stage()).facts, 30.0)], 0, "C920")],
)
def test_the_command(
    found: list[Checked],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(camera_check, "check_all", lambda **_: found)
    assert main(["doctor", "--camera"]) == status
    assert said in capsys.readouterr().out
    assert main(["doctor", "--fix-camera", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (status == 0)
    assert len(document["cameras"]) == len(found)
