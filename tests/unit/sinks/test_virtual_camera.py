"""The virtual camera at pyvirtualcam's boundary; with a real device where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.errors import SinkError
from app.sinks import loopback
from app.sinks.loopback import Loopback, chosen, loopbacks, missing
from app.sinks.port import Format
from app.sinks.virtual_camera import VirtualCamera, camera_maker, open_virtual_camera
from tests.helpers.fakes import picture

FORM = Format(64, 48, 30)


class FakeCamera:
    """What pyvirtualcam gives: it takes BGR pictures of one size."""

    def __init__(self, width: int, height: int, rate: float, device: str | None) -> None:
        self.opened = (width, height, rate, device)
        self.device = device or "OBS Virtual Camera"
        self.sent: list[Any] = []
        self.broken: Exception | None = None
        self.closes = 0

    def send(self, pixels: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.sent.append(pixels)

    def close(self) -> None:
        self.closes += 1


def refusing(text: str) -> Callable[[], Callable[..., Any]]:
    def make(*_: object) -> Any:
        raise RuntimeError(f"'some' backend: {text}")

    return lambda: make


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for number, label in ((12, "OBS Virtual Camera"), (3, "Dummy"), (20, "Omokage")):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(label + "\n")
    (tmp_path / "video9").mkdir()  # without a name: it is going away
    (tmp_path / "v4l-subdev0").mkdir()
    return tmp_path


def opening(name: str, devices: Path, **options: Any) -> VirtualCamera:
    options = {"maker": lambda: FakeCamera, "platform": "linux"} | options
    return open_virtual_camera(name, FORM, devices=devices, **options)


def test_ours_comes_first(devices: Path) -> None:
    there = loopbacks(devices)
    assert [one.device for one in there] == ["/dev/video20", "/dev/video3", "/dev/video12"]
    assert chosen("", there) == Loopback("/dev/video20", "Omokage")
    assert chosen("dummy", there) == Loopback("/dev/video3", "Dummy")
    assert chosen("/dev/video12", there) == Loopback("/dev/video12", "OBS Virtual Camera")
    assert chosen("other", there) is None
    assert chosen("", []) is None
    assert loopbacks(devices / "none") == []


def test_it_opens_at_the_size_and_sends(devices: Path) -> None:
    port = opening("", devices)
    assert port.name == "Omokage (/dev/video20)"
    camera = port._camera
    assert camera.opened == (64, 48, 30, "/dev/video20")
    port._device = None  # this machine has no such file
    port.send(picture())
    assert np.array_equal(camera.sent[0], picture())
    port.close()
    assert camera.closes == 1


def test_a_device_that_vanished_is_noticed(devices: Path) -> None:
    port = opening("", devices)
    with pytest.raises(SinkError, match=r"/dev/video20 is gone. Run: sudo modprobe v4l2loopback"):
        port.send(picture())


def test_a_camera_that_fails_is_one_sentence() -> None:
    camera = FakeCamera(64, 48, 30, None)
    camera.broken = RuntimeError("the queue\nis gone")
    with pytest.raises(SinkError, match="no more pictures"):
        VirtualCamera(camera, "OBS").send(picture())


def test_no_device_names_the_commands(tmp_path: Path) -> None:
    with pytest.raises(SinkError) as caught:
        opening("", tmp_path)
    assert 'modprobe v4l2loopback video_nr=10 card_label="Omokage"' in caught.value.remedy
    assert "\n" not in str(caught.value)
    loaded = missing("", [], module=tmp_path)
    assert "modprobe -r" in loaded[1]


def test_an_unknown_name_lists_what_there_is(devices: Path) -> None:
    with pytest.raises(SinkError, match=r"no virtual camera 'Omo'. There is: /dev/video20 \(Om"):
        opening("Omo", devices)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("could not be configured: Device or resource busy", "fuser -v /dev/video20"),
        ("Device /dev/video20 is already in use.", "used by another program"),
        ("Could not access /dev/video20 due to missing permissions.", "usermod -aG video"),
        ("could not be configured: Invalid argument", "does not take 64 x 48"),
        ("something new", r"cannot be opened \('some' backend: something new\)"),
    ],
)
def test_a_refusal_names_its_cause_and_the_command(
    devices: Path, reason: str, sentence: str
) -> None:
    with pytest.raises(SinkError, match=sentence):
        opening("", devices, maker=refusing(reason))


@pytest.mark.parametrize(
    ("platform", "reason", "sentence"),
    [
        ("win32", "virtual camera output could not be started", "winget install OBSProject"),
        ("win32", "virtual camera is already in use", "Stop Virtual Camera in OBS"),
        ("darwin", "OBS Virtual Camera is not installed", "brew install --cask obs"),
        ("freebsd", "no idea", "no idea"),
    ],
)
def test_other_systems(tmp_path: Path, platform: str, reason: str, sentence: str) -> None:
    with pytest.raises(SinkError, match=sentence):
        opening("", tmp_path, maker=refusing(reason), platform=platform)
    port = opening("", tmp_path, platform=platform)
    assert port.name == "OBS Virtual Camera"
    assert port._camera.opened[3] is None
    assert opening("Unity Video Capture", tmp_path, platform=platform).name == "Unity Video Capture"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
    with pytest.raises(SinkError, match=re.escape('pip install "omokage[live]"')):
        camera_maker()


def test_the_real_package_refuses_what_is_no_loopback() -> None:
    pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
    with pytest.raises(RuntimeError, match="does not exist"):
        camera_maker()(64, 48, 30.0, "/dev/video99")


@pytest.mark.hardware
def test_a_real_loopback_gives_the_pictures_back() -> None:
    pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
    there = loopbacks()
    if not there:
        pytest.skip(f"no v4l2loopback device: {loopback.LOAD}")
    port = open_virtual_camera("", Format(640, 480, 30))
    wanted = picture(640, 480)
    port.send(wanted)
    capture = cv2.VideoCapture(int(there[0].device[10:]), cv2.CAP_V4L2)
    try:
        for _ in range(10):
            port.send(wanted)
            done, got = capture.read()
        assert done
        assert np.abs(got.astype(int) - wanted).mean() < 3
    finally:
        capture.release()
        port.close()
