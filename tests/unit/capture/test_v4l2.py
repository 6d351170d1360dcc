"""What is asked of a Linux driver: the very structures of the kernel's headers."""

from __future__ import annotations

import errno
import struct
import sys
from pathlib import Path

import pytest

from app.capture import v4l2
from app.capture.camera import Camera
from app.capture.listing import list_cameras
from app.capture.v4l2 import Driver
from app.errors import CaptureError
from app.settings import CaptureSettings

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 is Linux's")


class FakeDriver:
    """Answers as the kernel does, by the numbers of ``videodev2.h``."""

    def __init__(self, *formats: str, priority: int | None = 1, refuses: bool = False) -> None:
        self.formats, self.priority, self.refuses = formats, priority, refuses

    def __call__(self, handle: int, request: int, data: bytearray) -> None:
        if request == 0xC0405602:  # _IOWR('V', 2, struct v4l2_fmtdesc)
            assert len(data) == 64
            index, kind = struct.unpack_from("<II", data)
            assert kind == 1
            if index >= len(self.formats):
                raise OSError(errno.EINVAL, "no more")
            data[44:48] = self.formats[index].encode()
            return
        number, value = struct.unpack("<Ii", data)
        assert number == 0x009A0903
        if self.priority is None:
            raise OSError(errno.EINVAL, "no such control")
        if request == 0xC008561B:
            struct.pack_into("<i", data, 4, self.priority)
            return
        assert request == 0xC008561C
        if self.refuses:
            raise OSError(errno.EBUSY, "busy")
        self.priority = value


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "video0").write_bytes(b"")
    return tmp_path / "video0"


def test_formats_and_the_rate_in_the_dark(node: Path) -> None:
    fake = FakeDriver("YUYV", "MJPG")
    with Driver(node, fake) as driver:
        assert driver.formats() == ("YUYV", "MJPG")
        assert driver.slows_in_the_dark() is True
        driver.keep_the_rate()
        assert driver.slows_in_the_dark() is False


def test_a_driver_without_the_switch(node: Path) -> None:
    with Driver(node, FakeDriver(priority=None)) as driver:
        assert driver.formats() == ()
        assert driver.slows_in_the_dark() is None
        with pytest.raises(CaptureError, match="refuses to keep the rate"):
            driver.keep_the_rate()


def test_a_driver_that_refuses(node: Path) -> None:
    with Driver(node, FakeDriver(refuses=True)) as driver, pytest.raises(CaptureError):
        driver.keep_the_rate()


@linux
def test_no_such_camera() -> None:
    assert v4l2.asked("9999") == ((), None)
    with pytest.raises(CaptureError, match="/dev/video9999 cannot be asked"):
        v4l2.keep_the_rate("9999")


def test_no_driver_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert v4l2.asked("0") == ((), None)
    with pytest.raises(CaptureError, match="does not let Omokage change the exposure"):
        v4l2.keep_the_rate("0")


@pytest.mark.hardware
def test_a_real_camera_tells_what_it_is() -> None:
    cameras = list_cameras()
    if not cameras:
        pytest.skip("there is no camera")
    camera = Camera.open_entry(cameras[0], CaptureSettings(width=640, height=480))
    try:
        for _ in range(10):
            assert camera.read() is not None
        facts = camera.info.camera
        assert facts is not None
        assert facts.entry == cameras[0]
        assert facts.given_size[0] > 0
        if sys.platform.startswith("linux"):
            assert facts.given_format in facts.formats
    finally:
        camera.close()
