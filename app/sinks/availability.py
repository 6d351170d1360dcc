"""Which live outputs this machine can have, found out without opening any of them."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from app.sinks import loopback, pipewire, virtual_camera
from app.sinks.outputs import PIPEWIRE, VIRTUAL_CAMERA, WEB_PAGE, kinds

Missing = tuple[str, str]  # what is missing, and the command that mends it


def look() -> list[tuple[str, str, Missing | None]]:
    """Each kind of this system with the name other programs will show, and what is missing."""
    found: dict[str, tuple[str, Missing | None]] = {
        VIRTUAL_CAMERA: _camera(),
        WEB_PAGE: ("127.0.0.1", None),
        PIPEWIRE: (pipewire.NAME, pipewire.missing()),
    }
    return [(kind, *found[kind]) for kind in kinds()]


def _camera(devices: Path = loopback.DEVICES) -> tuple[str, Missing | None]:
    if importlib.util.find_spec("pyvirtualcam") is None:
        return "", (virtual_camera.PACKAGE, virtual_camera.INSTALL)
    if sys.platform != "linux":  # whether OBS is there is known once its camera is opened
        return "OBS or Unity Capture, where installed", None
    there = loopback.loopbacks(devices)
    if not there:
        return "", loopback.missing("", there)
    first = there[0]
    if not os.access(first.device, os.W_OK):
        return first.device, virtual_camera.barred(first.device)
    return f"{first.label} ({first.device})", None
