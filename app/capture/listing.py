"""Which cameras there are, by name, without opening them where the platform allows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

SYSFS = Path("/sys/class/video4linux")
MOST_PROBED = 4  # elsewhere than on Linux each camera must be opened to be seen


@dataclass(frozen=True)
class CameraEntry:
    """A camera: ``id`` is what ``open_source`` takes, ``name`` what a person reads."""

    id: str
    name: str


def list_cameras() -> list[CameraEntry]:
    """The cameras of this machine, first one first."""
    if sys.platform.startswith("linux"):
        return cameras_in(SYSFS)
    return probed_cameras(_opens)


def cameras_in(sysfs: Path) -> list[CameraEntry]:
    """The capture devices under a video4linux folder; their metadata twins are left out."""
    found: list[tuple[int, str]] = []
    with contextlib.suppress(OSError):
        for folder in sysfs.iterdir():
            number = folder.name.removeprefix("video")
            if not number.isdecimal() or _text(folder / "index") not in ("0", ""):
                continue
            found.append((int(number), _text(folder / "name") or f"Camera {number}"))
    return [CameraEntry(str(number), name) for number, name in sorted(found)]


def probed_cameras(opens: Callable[[int], bool]) -> list[CameraEntry]:
    """The cameras that can be opened, from index 0 up to the first gap."""
    found: list[CameraEntry] = []
    while len(found) < MOST_PROBED and opens(len(found)):
        found.append(CameraEntry(str(len(found)), f"Camera {len(found)}"))
    return found


def _opens(index: int) -> bool:
    device = cv2.VideoCapture(index)
    try:
        return device.isOpened()
    finally:
        device.release()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
