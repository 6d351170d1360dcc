"""From what a person writes to a source."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

import app.capture.opening as opening
from app.capture.clip import Clip
from app.capture.listing import CameraEntry
from app.capture.opening import open_source
from app.capture.source import SourceAway
from app.capture.still import Still
from app.errors import CaptureError
from app.settings import CaptureSettings
from tests.helpers.clips import write_clip
from tests.helpers.fakes import StillSource, picture

SETTINGS = CaptureSettings()
CAMERAS = [CameraEntry("0", "Integrated Camera"), CameraEntry("4", "Desk Cam")]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Cameras on the list; what is opened is written down."""
    calls: list[object] = []
    monkeypatch.setattr(opening, "list_cameras", lambda: CAMERAS)

    def open_it(what: object, settings: CaptureSettings) -> StillSource:
        calls.append(what)
        return StillSource(fail_after=0, error=SourceAway("It was unplugged."))

    for name in ("open_entry", "open_url"):
        monkeypatch.setattr(opening.Camera, name, staticmethod(open_it))
    monkeypatch.setattr(opening, "Demo", lambda **options: calls.append("demo"))
    return calls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", CAMERAS[0]),
        ("4", CAMERAS[1]),
        ("7", CameraEntry("7", "Camera 7")),
        ("desk cam", CAMERAS[1]),
        ("integrated", CAMERAS[0]),
        ("rtsp://host/stream", "rtsp://host/stream"),
        (" Demo ", "demo"),
    ],
)
def test_cameras_addresses_and_demo(opened: list[object], text: str, expected: object) -> None:
    open_source(text, SETTINGS)
    assert opened == [expected]


def test_a_camera_comes_back_under_another_index(
    opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.capture.recovery.PAUSE_S", 0)
    source = open_source("desk cam", SETTINGS)
    with pytest.raises(SourceAway, match="unplugged"):
        source.read()
    monkeypatch.setattr(opening, "list_cameras", list)
    with pytest.raises(SourceAway, match="unplugged"):
        source.read()
    moved = CameraEntry("9", "Desk Cam")
    monkeypatch.setattr(opening, "list_cameras", lambda: [CAMERAS[0], moved])
    with pytest.raises(SourceAway):
        source.read()
    assert opened == [CAMERAS[1], moved]
    source.close()


def test_nothing_said_and_no_camera_is_the_demo(
    opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "list_cameras", list)
    open_source("", SETTINGS)
    assert opened == ["demo"]


def test_files(tmp_path: Path) -> None:
    clip = open_source(str(write_clip(tmp_path / "a.mp4")), SETTINGS)
    assert isinstance(clip, Clip)
    clip.close()
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    still = open_source(str(tmp_path / "a.png"), SETTINGS)
    assert isinstance(still, Still)
    still.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cam", "2 cameras are called 'cam': Integrated Camera, Desk Cam"),
        ("Desc Cam", "Did you mean 'Desk Cam'"),
        ("dmeo", "Did you mean 'demo'"),
        ("none.mp4", "There is no camera, file or address 'none.mp4'"),
    ],
)
def test_what_is_not_there(opened: list[object], text: str, sentence: str) -> None:
    with pytest.raises(CaptureError, match=sentence):
        open_source(text, SETTINGS)
    assert opened == []


def test_folder_and_damaged_picture(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is a folder"):
        open_source(str(tmp_path), SETTINGS)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(CaptureError, match=r"a\.jpg"):
        open_source(str(tmp_path / "a.jpg"), SETTINGS)
