"""Which cameras there are, by name and identity, without opening them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYSFS = Path("/sys/class/video4linux")


@dataclass(frozen=True)
class CameraEntry:
    """A camera: ``id`` is what ``open_source`` takes, ``name`` what a person reads.

    ``model`` names the product (``usb:046d:082d:SERIAL``), ``port`` the place it is plugged into
    (``1-2:1.0``); both may be empty, and both outlast a change of the index. ``usb_mbit`` is the
    speed the USB connection came up with (12, 480, 5000 and more), 0 where it is unknown or no USB.
    ``backend`` is OpenCV's number of the backend the index belongs to, 0 for the usual one.
    """

    id: str
    name: str
    model: str = ""
    port: str = ""
    usb_mbit: int = 0
    backend: int = 0

    @property
    def identity(self) -> str:
        """One line that names this camera and no other: ``usb:046d:082d@1-2:1.0``."""
        return f"{self.model or self.name}@{self.port}" if self.port else self.model or self.name


class Listed(Protocol):
    """What is used of an entry of the package ``cv2_enumerate_cameras``."""

    index: int
    name: str
    path: str | None
    vid: int | None
    pid: int | None
    backend: int


def list_cameras() -> list[CameraEntry]:
    """The cameras of this machine, first one first."""
    if sys.platform.startswith("linux"):
        return cameras_in(SYSFS)
    import cv2
    from cv2_enumerate_cameras import enumerate_cameras

    backend = cv2.CAP_MSMF if sys.platform == "win32" else cv2.CAP_AVFOUNDATION
    return cameras_of(enumerate_cameras(backend))


def find_again(wanted: CameraEntry, cameras: Sequence[CameraEntry]) -> CameraEntry | None:
    """``wanted`` among the cameras there are now, whatever its index has become; None: not there.

    The same product in the same port, else the same product in another port, else, where a
    platform tells neither, the same name. Of several alike that moved, none is taken: a guess could
    show another person.
    """
    alike = [c for c in cameras if (c.model, c.name) == (wanted.model, wanted.name)]
    if not wanted.model and not wanted.port:
        same = [camera for camera in alike if camera.id == wanted.id]
        return (same or alike)[0] if same or len(alike) == 1 else None
    for camera in alike:
        if camera.port == wanted.port:
            return camera
    moved = alike if wanted.model else []
    return moved[0] if len(moved) == 1 else None


def cameras_in(sysfs: Path) -> list[CameraEntry]:
    """The capture devices under a video4linux folder; their metadata twins are left out."""
    found: list[tuple[int, CameraEntry]] = []
    with contextlib.suppress(OSError):
        for folder in sysfs.iterdir():
            number = folder.name.removeprefix("video")
            if not number.isdecimal() or _text(folder / "index") not in ("0", ""):
                continue
            name = _text(folder / "name") or f"Camera {number}"
            entry = CameraEntry(number, name, *_connection(folder / "device"))
            found.append((int(number), entry))
    return [entry for _, entry in sorted(found, key=lambda item: item[0])]


def cameras_of(listed: Iterable[Listed]) -> list[CameraEntry]:
    """The cameras as Windows or macOS name them."""
    found = []
    for camera in listed:
        usb = camera.vid is not None and camera.pid is not None
        model = f"usb:{camera.vid:04x}:{camera.pid:04x}" if usb else ""
        name = camera.name or f"Camera {camera.index}"
        found.append(
            CameraEntry(str(camera.index), name, model, camera.path or "", backend=camera.backend)
        )
    return found


def _connection(device: Path) -> tuple[str, str, int]:
    """Model, port and USB speed in Mbit/s of the device behind a video node."""
    try:
        folder = device.resolve(strict=True)
    except OSError:
        return "", "", 0
    for place in (folder, *list(folder.parents)[:3]):
        vendor, product = _text(place / "idVendor"), _text(place / "idProduct")
        if vendor and product:
            model = ":".join(filter(None, ("usb", vendor, product, _text(place / "serial"))))
            speed = _text(place / "speed")
            return model, folder.name, int(speed) if speed.isdecimal() else 0
    return "", folder.name, 0  # on another bus: PCI, CSI, a virtual one


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
