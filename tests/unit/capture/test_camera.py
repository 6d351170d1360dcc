"""Cameras that differ from what was asked, stall, go green, change size or vanish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from app.capture.camera import Camera
from app.capture.listing import CameraEntry, cameras_in, cameras_of
from app.capture.source import SourceAway
from app.errors import CaptureError
from app.settings import CaptureSettings
from tests.helpers.fakes import picture

ASKED = CaptureSettings(width=64, height=48, rate=30)


class FakeDevice:
    """Gives ``pictures`` in order (None: nothing this time); the last one again and again."""

    def __init__(self, pictures: list[Any], *, rate: float = 30.0, fourcc: str = "") -> None:
        self._pictures, self._rate = pictures, rate
        self._fourcc = cv2.VideoWriter.fourcc(*fourcc) if fourcc else 0
        self.reads = self.releases = 0
        self.set_to: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, Any]:
        given = self._pictures[min(self.reads, len(self._pictures) - 1)]
        self.reads += 1
        if isinstance(given, Exception):
            raise given
        return given is not None, given

    def get(self, code: int, /) -> float:
        return {cv2.CAP_PROP_FPS: self._rate, cv2.CAP_PROP_FOURCC: self._fourcc}.get(code, 0.0)

    def set(self, code: int, value: float, /) -> bool:
        self.set_to[code] = value
        return True

    def release(self) -> None:
        self.releases += 1


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by ``step_s`` each time it is looked at."""
    times: Iterator[float] = iter(np.arange(0, 1e4, step_s))
    return lambda: next(times)


def read(camera: Camera, times: int) -> None:
    for _ in range(times):
        camera.read()


def flat(blue: int, green: int, red: int) -> Any:
    return np.full((48, 64, 3), (blue, green, red), np.uint8)


def test_gives_what_was_asked() -> None:
    camera = Camera("Cam", FakeDevice([picture()]), ASKED)
    assert (camera.info.width, camera.info.height, camera.info.rate) == (64, 48, 30)
    assert camera.info.live
    assert camera.info.note == ""
    frames = [camera.read() for _ in range(3)]
    assert [frame.index for frame in frames if frame] == [0, 1, 2]
    camera.close()
    camera.close()
    assert camera.read() is None


def test_says_what_it_gives_instead() -> None:
    camera = Camera("Cam", FakeDevice([picture()], rate=15), CaptureSettings())
    note = "Asked for 1280 x 720 at 30, the camera gives 64 x 48 at 15."
    assert camera.info.note == note
    camera.close()


@pytest.mark.parametrize(("said", "rate"), [(260.0, 260.0), (1000.0, 0.0), (90000.0, 0.0)])
def test_a_rate_that_is_a_clock_is_none(said: float, rate: float) -> None:
    camera = Camera("Cam", FakeDevice([picture()], rate=said), ASKED)
    assert camera.info.rate == rate
    camera.close()


def test_no_picture_at_all() -> None:
    device = FakeDevice([None])
    with pytest.raises(CaptureError, match="Cam opens but gives no picture"):
        Camera("Cam", device, ASKED)
    assert device.releases


def test_stops_giving_pictures() -> None:
    device = FakeDevice([picture(), picture(), None])
    camera = Camera("Cam", device, ASKED, clock=ticking(0.3))
    camera.read()
    camera.read()
    with pytest.raises(SourceAway, match="stopped giving pictures after 2 frames"):
        camera.read()
    camera.close()


def test_unplugged_is_known_at_once() -> None:
    there = [True]
    device = FakeDevice([picture(), picture(), None])
    camera = Camera("Cam", device, ASKED, present=lambda: there[0])
    camera.read()
    camera.read()
    there[0] = False
    reads = device.reads
    with pytest.raises(SourceAway, match="Cam was unplugged"):
        camera.read()
    assert device.reads == reads + 1
    camera.close()


def test_facts_are_read_back() -> None:
    device = FakeDevice([picture()], rate=15, fourcc="YUYV")
    entry = CameraEntry("3", "Cam", "usb:046d:082d", "1-2:1.0", 480)
    camera = Camera("Cam", device, CaptureSettings(), entry=entry, can=(("YUYV",), True))
    facts = camera.info.camera
    assert facts is not None
    assert (facts.given_size, facts.given_rate, facts.given_format) == ((64, 48), 15, "YUYV")
    assert (facts.asked_size, facts.asked_rate) == ((1280, 720), 30)
    assert (facts.entry, facts.formats, facts.slows_in_the_dark) == (entry, ("YUYV",), True)
    camera.close()


def test_a_damaged_picture_is_skipped() -> None:
    camera = Camera("Cam", FakeDevice([picture(), cv2.error("bad JPEG"), None, picture()]), ASKED)
    assert camera.read() is not None
    assert camera.read() is not None
    camera.close()


def test_green_frames() -> None:
    camera = Camera("Cam", FakeDevice([flat(0, 135, 0)]), ASKED, clock=ticking(0.1))
    with pytest.raises(CaptureError, match=r"one colour only \(red 0, green 135, blue 0\)"):
        read(camera, 40)
    camera.close()


def test_green_only_at_the_start() -> None:
    device = FakeDevice([flat(0, 135, 0)] * 3 + [picture()])
    camera = Camera("Cam", device, ASKED, clock=ticking(0.1))
    for _ in range(40):
        assert camera.read() is not None
    camera.close()


def test_covered_lens_is_said_and_taken_back() -> None:
    device = FakeDevice([flat(2, 2, 2)] * 40 + [picture()])
    camera = Camera("Cam", device, ASKED, clock=ticking(0.1))
    for _ in range(38):
        camera.read()
    assert "is the lens covered?" in camera.info.note
    for _ in range(30):
        camera.read()
    assert camera.info.note == ""
    camera.close()


def test_change_of_size_is_survived_and_said() -> None:
    camera = Camera("Cam", FakeDevice([picture(), picture(32, 24)]), ASKED)
    camera.read()
    frame = camera.read()
    assert frame is not None
    assert frame.pixels.shape == (24, 32, 3)
    assert camera.info.note == "Cam changed from 64 x 48 to 32 x 24."
    assert (camera.info.width, camera.info.height) == (32, 24)
    camera.close()


def test_grey_pictures_become_bgr() -> None:
    camera = Camera("Cam", FakeDevice([picture()[..., 0]]), ASKED)
    frame = camera.read()
    assert frame is not None
    assert frame.pixels.shape == (48, 64, 3)
    camera.close()


def test_close_while_reading() -> None:
    camera = Camera("Cam", FakeDevice([picture()]), ASKED)

    reader = threading.Thread(target=read, args=(camera, 10_000))
    reader.start()
    camera.close()
    reader.join(5)
    assert not reader.is_alive()


def test_a_hanging_driver_gives_its_camera_back_when_it_comes_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.capture.camera.CLOSE_S", 0.05)
    hanging, goes_on = threading.Event(), threading.Event()

    class Hanging(FakeDevice):
        def read(self) -> tuple[bool, Any]:
            if self.reads > 1:
                hanging.set()
                assert goes_on.wait(10)
            return super().read()

    device = Hanging([picture()])
    camera = Camera("Cam", device, ASKED)
    reader = threading.Thread(target=read, args=(camera, 10_000))
    reader.start()
    assert hanging.wait(5)
    camera.close()
    assert device.releases == 0  # not under its read
    goes_on.set()
    reader.join(5)
    assert not reader.is_alive()
    assert device.releases == 1


def test_absent_camera() -> None:
    with pytest.raises(CaptureError, match="Camera 97 cannot be opened"):
        Camera.open_entry(CameraEntry("97", "Camera 97"), ASKED)


def test_unreachable_stream() -> None:
    with pytest.raises(CaptureError, match="cannot be opened"):
        Camera.open_url("http://127.0.0.1:9/stream", ASKED)


def test_cameras_of_linux(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for number, index, name in ((2, "0", "Desk"), (0, "0", "Built-in"), (1, "1", "Built-in")):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "index").write_text(index + "\n")
        (folder / "name").write_text(name + "\n")
    (tmp_path / "v4l-touch0").mkdir()
    assert cameras_in(tmp_path) == [CameraEntry("0", "Built-in"), CameraEntry("2", "Desk")]
    assert cameras_in(tmp_path / "absent") == []


@dataclass
class Listed:
    """An entry of the package that lists cameras on Windows and macOS."""

    index: int
    name: str
    path: str | None
    vid: int | None
    pid: int | None
    backend: int = 1400


def test_cameras_elsewhere() -> None:
    listed = [
        Listed(0, "C920", r"\\?\usb#vid_046d", 0x046D, 0x082D),
        Listed(1, "", None, None, None),
    ]
    assert cameras_of(listed) == [
        CameraEntry("0", "C920", "usb:046d:082d", r"\\?\usb#vid_046d", backend=1400),
        CameraEntry("1", "Camera 1", backend=1400),
    ]


def test_identity_of_a_usb_camera_of_linux(tmp_path) -> None:  # type: ignore[no-untyped-def]
    usb = tmp_path / "devices" / "usb1" / "1-2"
    interface = usb / "1-2:1.0"
    interface.mkdir(parents=True)
    for name, text in (
        ("idVendor", "046d"),
        ("idProduct", "082d"),
        ("serial", "1A"),
        ("speed", "480"),
    ):
        (usb / name).write_text(text + "\n")
    node = tmp_path / "class" / "video4"
    node.mkdir(parents=True)
    (node / "name").write_text("C920\n")
    (node / "device").symlink_to(interface)
    (entry,) = cameras_in(tmp_path / "class")
    assert entry == CameraEntry("4", "C920", "usb:046d:082d:1A", "1-2:1.0", 480)
    assert entry.identity == "usb:046d:082d:1A@1-2:1.0"
