"""The built-in demo: a person who does not exist, moving before a room, without any camera."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from app.capture.pacing import Pacer
from app.capture.puppet import Pose, Puppet
from app.capture.source import SourceInfo
from app.errors import CaptureError
from app.frame import Frame, Pixels
from engines.manifest import BUNDLED

PICTURES = BUNDLED / "demo"
WIDTH, HEIGHT, RATE = 1280, 720, 30.0
LOOP_FRAMES = 600  # 20 s, then it begins again without a jump
BLINKS_S = (1.3, 4.4, 4.75, 7.6, 9.4, 12.7, 17.9)
BLINK_S = 0.26
TALKING_S = ((2.2, 5.6), (8.2, 10.4))
LEAVING_S, BACK_S = 13.2, 17.0  # walks out to the right and comes back


class Demo:
    """Frames of 1280 x 720 at 30 a second, each one determined by its index.

    With ``realtime`` late frames are left out; otherwise each comes as fast as it is read, with its
    time in the scene as ``captured_at``. ``CaptureError`` where its pictures are missing.
    """

    def __init__(self, *, realtime: bool = True) -> None:
        room = cv2.resize(_asset("room.jpg"), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._room: Pixels = np.ascontiguousarray(room, np.uint8)
        self._puppet = Puppet(_asset("person.png"))
        self._pacer = Pacer()
        self._realtime = realtime
        self._index = -1
        self._info = SourceInfo("Demo", WIDTH, HEIGHT, RATE, live=realtime)

    @property
    def info(self) -> SourceInfo:
        """Size, rate and name."""
        return self._info

    def read(self) -> Frame | None:
        """The next frame, at its time; None once closed."""
        self._index += 1
        if not self._realtime:
            if self._pacer.closed:
                return None
            return Frame(self.picture(self._index), self._index, self._index / RATE)
        self._index = max(self._index, int(self._pacer.elapsed_s() * RATE))
        self._pacer.wait_until(self._index / RATE)
        if self._pacer.closed:
            return None
        captured_at = time.monotonic()
        return Frame(self.picture(self._index), self._index, captured_at)

    def picture(self, index: int) -> Pixels:
        """The picture of frame ``index``, new and writable."""
        pixels = self._room.copy()
        self._puppet.draw(pixels, pose_at(index))
        return pixels

    def close(self) -> None:
        """Wake a waiting ``read``; later ones give None."""
        self._pacer.close()


def pose_at(index: int) -> Pose:
    """The pose in frame ``index``; every motion has a whole number of periods in the loop."""
    at_s = (index % LOOP_FRAMES) / RATE
    phase = 2 * math.pi * (index % LOOP_FRAMES) / LOOP_FRAMES
    away = _ease((at_s - LEAVING_S) / 1.5) - _ease((at_s - BACK_S + 1.6) / 1.6)
    scale = 1.0 + 0.13 * math.sin(2 * phase + 0.6)
    talk = max((_window(at_s, *span, 0.25) for span in TALKING_S), default=0.0)
    syllables = 0.5 - 0.5 * math.cos(2 * math.pi * 3.1 * at_s)
    accents = 0.65 + 0.35 * math.sin(2 * math.pi * 0.83 * at_s)
    walking = 4 * away * (1 - away)
    return Pose(
        x=600 + 92 * math.sin(phase) + 26 * math.sin(3 * phase + 1) + 1200 * away,
        y=268
        + 14 * math.sin(2 * phase)
        + 20 * (scale - 1) / 0.13
        + 5 * walking * math.sin(2 * math.pi * 1.9 * at_s),
        scale=scale,
        turn=0.30 * math.sin(2 * phase + 2.2) + 0.16 * math.sin(5 * phase) + 0.16 * walking,
        nod=0.10 * math.sin(3 * phase + 0.5) + 0.05 * talk * math.sin(2 * math.pi * 0.9 * at_s),
        tilt=0.13 * math.sin(phase + 0.8) + 0.06 * math.sin(4 * phase),
        blink=max(_bump((at_s - start) / BLINK_S) for start in BLINKS_S),
        mouth=talk * syllables * accents,
    )


def _ease(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def _window(at: float, start: float, end: float, edge: float) -> float:
    return _ease((at - start) / edge) * (1 - _ease((at - end + edge) / edge))


def _bump(t: float) -> float:
    return _ease(t * 2.6) * (1 - _ease((t - 0.5) * 2)) if 0 < t < 1 else 0.0


def _asset(name: str) -> NDArray[np.uint8]:
    file = PICTURES / name
    try:
        data = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise CaptureError(
            f"The demo's picture {name} is missing.", "Install Omokage again."
        ) from error
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None:
        raise CaptureError(f"The demo's picture {name} is damaged.", "Install Omokage again.")
    return np.asarray(picture, np.uint8)
