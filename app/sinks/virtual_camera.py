"""A camera that other programs can choose, by pyvirtualcam: the one file that imports it.

v4l2loopback on Linux, OBS on macOS, OBS or Unity Capture on Windows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.errors import SinkError
from app.frame import Pixels
from app.sinks import loopback
from app.sinks.loopback import Loopback
from app.sinks.port import Format

PACKAGE = "The package pyvirtualcam is missing."
INSTALL = 'Run: pip install "omokage[live]"'
BUSY = (
    "The virtual camera is used by another program.",
    "Press Stop Virtual Camera in OBS, or close the program that sends to it.",
)
OTHERS = {
    "darwin": (
        "There is no virtual camera: OBS is not installed, or its camera is not set up.",
        "Run: brew install --cask obs, then press Start Virtual Camera in it once and close OBS.",
    ),
    "win32": (
        "There is no virtual camera: neither OBS nor Unity Capture is installed.",
        "Run: winget install OBSProject.OBSStudio",
    ),
}


class VirtualCamera:
    """A ``Port``. ``camera`` is pyvirtualcam's; ``device`` a file to watch on Linux, else None."""

    def __init__(self, camera: Any, name: str, device: Path | None = None) -> None:
        self._camera = camera
        self._name = name
        self._device = device

    @property
    def name(self) -> str:
        """As other programs list it."""
        return self._name

    @property
    def address(self) -> str:
        """There is none: it is chosen in a list."""
        return ""

    @property
    def viewers(self) -> int | None:
        """Not known."""
        return None

    def send(self, pixels: Pixels) -> None:
        """As ``Port.send``."""
        if self._device is not None and not self._device.exists():
            # pyvirtualcam only prints that writing failed
            raise SinkError(f"The virtual camera {self._device} is gone.", f"Run: {loopback.LOAD}")
        try:
            self._camera.send(pixels)
        except (RuntimeError, ValueError, OSError) as error:
            raise SinkError(f"The virtual camera takes no more pictures ({error}).") from error

    def close(self) -> None:
        """Give the device back."""
        self._camera.close()


def camera_maker() -> Callable[..., Any]:
    """pyvirtualcam's ``Camera`` for BGR pictures; ``SinkError`` where it is not installed."""
    try:
        import pyvirtualcam
    except ImportError as error:
        raise SinkError(PACKAGE, INSTALL) from error

    def make(width: int, height: int, rate: float, device: str | None) -> Any:
        bgr = pyvirtualcam.PixelFormat.BGR
        return pyvirtualcam.Camera(width, height, rate, fmt=bgr, device=device)

    return make


def open_virtual_camera(
    name: str,
    form: Format,
    *,
    maker: Callable[[], Callable[..., Any]] = camera_maker,
    platform: str = sys.platform,
    devices: Path = loopback.DEVICES,
) -> VirtualCamera:
    """The device called ``name`` (file or label; empty: ours, else the first).

    ``SinkError`` where it is missing or busy, with the command that mends it.
    """
    make = maker()
    if platform != "linux":
        return _open_elsewhere(make, name, form, platform)
    there = loopback.loopbacks(devices)
    wanted = loopback.chosen(name, there)
    if wanted is None:  # never left to pyvirtualcam, which would open every webcam to look
        raise SinkError(*loopback.missing(name, there))
    try:
        camera = make(form.width, form.height, form.rate, wanted.device)
    except (RuntimeError, ValueError, OSError) as error:
        raise SinkError(*_refused(wanted, str(error), form)) from error
    return VirtualCamera(camera, f"{wanted.label} ({wanted.device})", Path(wanted.device))


def _open_elsewhere(
    make: Callable[..., Any], name: str, form: Format, platform: str
) -> VirtualCamera:
    try:
        camera = make(form.width, form.height, form.rate, name or None)
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).lower()
        if "already" in reason or "busy" in reason or "in use" in reason:
            raise SinkError(*BUSY) from error
        words = OTHERS.get(platform, (f"No virtual camera opens ({error}).", ""))
        raise SinkError(*words) from error
    return VirtualCamera(camera, str(camera.device))


def barred(device: str) -> tuple[str, str]:
    """A device the user has no right to, and the command that gives it."""
    return f"You may not use {device}.", "Run: sudo usermod -aG video $USER, then log in again."


def _refused(wanted: Loopback, reason: str, form: Format) -> tuple[str, str]:
    """What kept a device that is there from opening, and what to do."""
    device, text = wanted.device, reason.lower()
    if "permission" in text:
        return barred(device)
    if "busy" in text or "already in use" in text:
        return (
            f"{device} is used by another program.",
            f"Close the program that this names: fuser -v {device}",
        )
    if "could not be configured" in text:
        return (
            f"{device} does not take {form.width} x {form.height}: a program that watches it holds "
            "it at another size.",
            "Close that program, or choose its size in the settings.",
        )
    return f"{device} cannot be opened ({' '.join(reason.split())}).", f"Run: {loopback.LOAD}"
