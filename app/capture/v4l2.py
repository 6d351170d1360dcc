"""What a Linux camera offers and how it is set, asked of the driver beside the one who films.

Structures and numbers are those of the kernel's ``videodev2.h`` and ``v4l2-controls.h``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import CaptureError

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
ENUM_FORMAT, GET_CONTROL, SET_CONTROL = 0xC0405602, 0xC008561B, 0xC008561C
STEADY_RATE = 0x009A0903  # EXPOSURE_AUTO_PRIORITY, "exposure, dynamic framerate": 1 lets it slow

Ioctl = Callable[[int, int, bytearray], object]


def _ioctl(handle: int, request: int, data: bytearray) -> object:
    import fcntl

    return fcntl.ioctl(handle, request, data)


class Driver:
    """The driver of ``/dev/videoN``; used with ``with``. ``CaptureError`` where it cannot be asked.

    Opening a node does not disturb the program that films with it.
    """

    def __init__(self, device: Path, ioctl: Ioctl = _ioctl) -> None:
        self._device, self._ioctl = device, ioctl
        try:
            self._handle = os.open(device, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise CaptureError(f"{device} cannot be asked ({error.strerror}).") from error

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def formats(self) -> tuple[str, ...]:
        """The pixel formats it offers, as four characters (``MJPG``, ``YUYV``)."""
        return tuple(self._formats())

    def slows_in_the_dark(self) -> bool | None:
        """Whether it may lower the rate to expose longer; None where it has no such switch."""
        return None if (value := self._get(STEADY_RATE)) is None else bool(value)

    def keep_the_rate(self) -> None:
        """Forbid that; ``CaptureError`` where the driver refuses."""
        data = bytearray(struct.pack("<Ii", STEADY_RATE, 0))
        try:
            self._ioctl(self._handle, SET_CONTROL, data)
        except OSError as error:
            raise CaptureError(
                f"The driver of {self._device} refuses to keep the rate ({error.strerror}).",
                "Use more light.",
            ) from error

    def _get(self, control: int) -> int | None:
        data = bytearray(struct.pack("<Ii", control, 0))
        try:
            self._ioctl(self._handle, GET_CONTROL, data)
        except OSError:
            return None
        value: int = struct.unpack("<Ii", data)[1]
        return value

    def _formats(self) -> Iterator[str]:
        for index in range(64):
            # index, type, flags, description[32], fourcc, mbus code, reserved[3]
            data = bytearray(struct.pack("<III32s4sI12x", index, CAPTURE, 0, b"", b"", 0))
            try:
                self._ioctl(self._handle, ENUM_FORMAT, data)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.ENODEV):
                    raise CaptureError(
                        f"{self._device} cannot be asked ({error.strerror})."
                    ) from error
                return
            yield struct.unpack_from("<III32s4s", data)[4].decode("ascii", "replace").strip()


def device_path(camera_id: str) -> Path | None:
    """The node of a camera on Linux; None elsewhere, or where ``camera_id`` is no index."""
    if not sys.platform.startswith("linux") or not camera_id.isdecimal():
        return None
    return Path(f"/dev/video{camera_id}")


def asked(camera_id: str) -> tuple[tuple[str, ...], bool | None]:
    """Formats, and whether it slows in the dark, of a camera; nothing where it cannot be asked."""
    device = device_path(camera_id)
    with contextlib.suppress(CaptureError):
        if device is not None:
            with Driver(device) as driver:
                return driver.formats(), driver.slows_in_the_dark()
    return (), None


def keep_the_rate(camera_id: str) -> None:
    """Forbid a camera to slow down in the dark; ``CaptureError`` where that cannot be done here."""
    device = device_path(camera_id)
    if device is None:
        raise CaptureError(
            "This system does not let Omokage change the exposure.",
            "Use more light, or switch off low-light compensation in the camera's own program.",
        )
    with Driver(device) as driver:
        driver.keep_the_rate()
