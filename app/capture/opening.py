"""From what a person writes to an open source."""

from __future__ import annotations

import difflib
from pathlib import Path

from app.capture.camera import BACK, Camera
from app.capture.clip import Clip
from app.capture.demo import Demo
from app.capture.listing import CameraEntry, find_again, list_cameras
from app.capture.recovery import Recovering
from app.capture.source import Source, SourceAway
from app.capture.still import Still
from app.errors import CaptureError
from app.pictures import is_picture
from app.settings import CaptureSettings

__all__ = ["CameraEntry", "list_cameras", "open_source"]

DEMO = "demo"
STREAM_PAUSE_S = 1.0  # between two tries to reach a stream that broke off


def open_source(
    text: str, settings: CaptureSettings, *, realtime: bool = True, loop: bool = False
) -> Source:
    """The source named by ``text``; ``CaptureError`` where there is none or it does not open.

    A camera's index or name, the address of a stream, a video or picture file, or ``demo``; an
    empty text means the first camera, and the demo where there is none. ``realtime`` and ``loop``
    are for files: see ``Clip``. Cameras and streams come back by themselves: see ``Recovering``.
    """
    text = text.strip()
    if text.lower() == DEMO:
        return Demo(realtime=realtime)
    if not text:
        cameras = list_cameras()
        return _camera(cameras[0], settings) if cameras else Demo(realtime=realtime)
    if text.isdecimal():
        known = {camera.id: camera for camera in list_cameras()}
        return _camera(known.get(text, CameraEntry(text, f"Camera {text}")), settings)
    if "://" in text:
        return Recovering(lambda: Camera.open_url(text, settings), pause_s=STREAM_PAUSE_S)
    path = Path(text).expanduser()
    if path.is_dir():
        raise CaptureError(f"{path} is a folder, not a video or picture.")
    if path.exists():
        if is_picture(path):
            return Still.open(path, realtime=realtime)
        return Clip(path, realtime=realtime, loop=loop)
    return _camera(_camera_called(text, list_cameras()), settings)


def _camera(entry: CameraEntry, settings: CaptureSettings) -> Recovering:
    """A camera that is found again by what it is, not by its index."""

    def again() -> Camera:
        found = find_again(entry, list_cameras())
        if found is None:
            raise SourceAway(f"{entry.name} is not plugged in.", BACK)
        return Camera.open_entry(found, settings)

    return Recovering(lambda: Camera.open_entry(entry, settings), again)


def _camera_called(text: str, cameras: list[CameraEntry]) -> CameraEntry:
    """The camera whose name is, or alone contains, ``text``."""
    wanted = text.casefold()
    exact = [camera for camera in cameras if camera.name.casefold() == wanted]
    found = exact or [camera for camera in cameras if wanted in camera.name.casefold()]
    if len(found) == 1 or exact:
        return found[0]
    if found:
        raise CaptureError(
            f"{len(found)} cameras are called {text!r}: {', '.join(c.name for c in found)}.",
            "Give the whole name, or the index.",
        )
    names = [camera.name for camera in cameras]
    close = difflib.get_close_matches(text, [*names, DEMO], n=1, cutoff=0.5)
    raise CaptureError(
        f"There is no camera, file or address {text!r}.",
        f"Did you mean {close[0]!r}?" if close else "Try 0 for the first camera, or demo.",
    )
