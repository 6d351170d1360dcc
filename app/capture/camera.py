"""A camera or a network stream, through OpenCV."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")  # seconds a silent camera may take
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET: failures get our sentences

import cv2
import numpy as np

from app.capture import v4l2
from app.capture.diagnosis import CameraFacts
from app.capture.listing import CameraEntry
from app.capture.source import SourceAway, SourceInfo
from app.errors import CaptureError
from app.frame import Frame, Pixels
from app.settings import CaptureSettings
from app.words import counted

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # our sentences say what its warnings hint at

STALL_S = 2.0  # silence that ends a camera; a USB camera may take one to change its exposure
CLOSE_S = 2.0  # for a read under way, before a driver is taken to hang
WARM_UP_S = 1.0  # a camera that shows one colour for longer gives no picture
FLAT = 6  # grey levels: a picture whose values spread less shows one colour
MOST_RATE = 300.0  # frames/s; more is said of streams that count milliseconds and have no rate
BLACK = 24  # a flat picture darker than this is a covered lens
OPEN_TIMEOUT_MS = 5000  # of a network stream
BACK = "It is used again as soon as it is back."


class Device(Protocol):
    """What is used of ``cv2.VideoCapture``, by its names."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name
    def read(self) -> tuple[bool, Any]: ...
    def get(self, propId: int, /) -> float: ...  # noqa: N803 - OpenCV's name
    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803 - OpenCV's name
    def release(self) -> None: ...


class Camera:
    """Opened, asked for MJPG at the wanted size and rate, read back, first frame seen.

    ``info.note`` says where the camera gives something else than asked, changes its size, or shows
    only black. Raises ``CaptureError`` where it does not open or shows one colour only, and
    ``SourceAway`` where it stalls or is no longer ``present``.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        settings: CaptureSettings,
        *,
        entry: CameraEntry | None = None,
        can: tuple[tuple[str, ...], bool | None] = ((), None),
        present: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._device, self._clock = name, device, clock
        self._present = present
        self._lock = threading.Lock()  # OpenCV must not release a device that is being read
        self._closed = False
        self._index = -1
        self._size_note = ""
        self._dark = False
        self._showed_picture = False
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            first = self._grab()
            if first is None:
                raise CaptureError(
                    f"{name} opens but gives no picture.",
                    "Close other programs that use it, or plug it in again.",
                )
            undo.pop_all()
        self._first: Pixels | None = first
        self._opened_at = clock()
        self._height, self._width = first.shape[:2]
        rate = device.get(cv2.CAP_PROP_FPS)
        self._rate = rate if 0 < rate <= MOST_RATE else 0.0
        self._facts = CameraFacts(
            entry=entry or CameraEntry(name, name),
            asked_size=(settings.width, settings.height),
            asked_rate=settings.rate,
            given_size=(self._width, self._height),
            given_rate=self._rate,
            given_format=_four_characters(device.get(cv2.CAP_PROP_FOURCC)),
            formats=can[0],
            slows_in_the_dark=can[1],
        )
        self._size_note = self._differs_from(settings)

    @staticmethod
    def open_entry(entry: CameraEntry, settings: CaptureSettings) -> Camera:
        """A camera, as ``list_cameras`` gives it."""
        backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else entry.backend
        device = _opened(lambda: cv2.VideoCapture(int(entry.id), backend))
        if device is None:
            raise CaptureError(
                f"{entry.name} cannot be opened.",
                "Close other programs that use it, check that it may be used, or plug it in again.",
            )
        for code, value in (
            (
                cv2.CAP_PROP_FOURCC,
                cv2.VideoWriter.fourcc(*"MJPG"),
            ),  # YUY2 is 5 fps at 720p on USB 2
            (cv2.CAP_PROP_FRAME_WIDTH, settings.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, settings.height),
            (cv2.CAP_PROP_FPS, settings.rate),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            device.set(code, float(value))
        node = v4l2.device_path(entry.id)
        return Camera(
            entry.name,
            device,
            settings,
            entry=entry,
            can=v4l2.asked(entry.id),
            present=lambda: node is None or node.exists(),
        )

    @staticmethod
    def open_url(url: str, settings: CaptureSettings) -> Camera:
        """A network stream, at the size it has."""
        options = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(STALL_S * 1000),
        ]
        device = _opened(lambda: cv2.VideoCapture(url, cv2.CAP_FFMPEG, options))
        if device is None:
            raise CaptureError(
                f"The stream {url} cannot be opened.", "Check the address and the network."
            )
        return Camera(url, device, settings)

    @property
    def info(self) -> SourceInfo:
        """What the camera gives now."""
        dark = "The picture is black: is the lens covered?" if self._dark else ""
        note = dark or self._size_note
        facts = replace(self._facts, given_size=(self._width, self._height))
        return SourceInfo(
            self._name, self._width, self._height, self._rate, live=True, note=note, camera=facts
        )

    def read(self) -> Frame | None:
        """The next frame; None once closed."""
        pixels, self._first = self._first, None
        if self._closed:
            return None
        started = self._clock()
        while pixels is None and not self._closed:
            pixels = self._grab()
            if pixels is not None or self._closed:
                break
            if not self._present():
                raise SourceAway(f"{self._name} was unplugged.", BACK)
            if self._clock() - started > STALL_S:
                raise SourceAway(
                    f"{self._name} has stopped giving pictures after "
                    f"{counted(self._index + 1, 'frame')}.",
                    BACK,
                )
        if pixels is None:
            return None
        captured_at = time.monotonic()
        self._judge(pixels)
        self._index += 1
        return Frame(pixels, self._index, captured_at)

    def close(self) -> None:
        """Give the camera back, after the read under way; one that hangs gives it back itself."""
        self._closed = True
        if self._lock.acquire(timeout=CLOSE_S):
            try:
                self._device.release()
            finally:
                self._lock.release()

    def _grab(self) -> Pixels | None:
        with self._lock:
            if self._closed:
                return None
            try:
                done, picture = self._device.read()
            except cv2.error:  # a damaged JPEG of the camera's: the next one may be whole
                done, picture = False, None
            if self._closed:  # meanwhile, by a thread that may not have waited
                self._device.release()
                return None
        if not done or picture is None or picture.size == 0:
            time.sleep(0.005)  # a device that is gone refuses at once
            return None
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        return np.ascontiguousarray(picture[..., :3], np.uint8)

    def _judge(self, pixels: Pixels) -> None:
        """Notice a change of size, and a picture of one colour."""
        height, width = pixels.shape[:2]
        if (width, height) != (self._width, self._height):
            self._size_note = (
                f"{self._name} changed from {self._width} x {self._height} to {width} x {height}."
            )
            self._width, self._height = width, height
        if self._showed_picture and not self._dark and self._index % 15:
            return
        sample = pixels[::16, ::16].reshape(-1, 3)
        flat = bool(np.ptp(sample, axis=0).max() < FLAT)
        self._dark = flat and bool(sample.max() < BLACK)
        self._showed_picture = self._showed_picture or not flat
        wrong = flat and not self._dark and not self._showed_picture
        if wrong and self._clock() - self._opened_at > WARM_UP_S:
            blue, green, red = (round(float(value)) for value in sample.mean(axis=0))
            raise CaptureError(
                f"{self._name} shows one colour only (red {red}, green {green}, blue {blue}).",
                "Close other programs that use it, or plug it in again.",
            )

    def _differs_from(self, settings: CaptureSettings) -> str:
        asked, given = (settings.width, settings.height), (self._width, self._height)
        slower = 0 < self._rate < settings.rate - 1
        if asked == given and not slower:
            return ""
        rate = f" at {self._rate:g}" if self._rate else ""
        return (
            f"Asked for {asked[0]} x {asked[1]} at {settings.rate}, "
            f"the camera gives {given[0]} x {given[1]}{rate}."
        )


def _four_characters(code: float) -> str:
    """A driver's pixel format: MJPG, YUYV; empty where it does not say."""
    if not 0 < code < 2**32:
        return ""
    text = int(code).to_bytes(4, "little").decode("ascii", "replace").strip("\0 ")
    return text if text.isprintable() else ""


def _opened(make: Callable[[], cv2.VideoCapture]) -> cv2.VideoCapture | None:
    try:
        device = make()
    except cv2.error:
        return None
    if device.isOpened():
        return device
    device.release()
    return None
