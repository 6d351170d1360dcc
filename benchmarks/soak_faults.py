"""What a soak run does to its session on purpose: a source and a swapper with faults on order."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from app.capture.demo import Demo, pose_at
from app.capture.puppet import EYE_PX
from app.capture.source import SourceInfo
from app.errors import CaptureError, EngineError
from app.frame import Frame, Pixels
from engines.swapper import PreparedIdentity, Swapper, SwapResult

STALL_S = 1.3  # longer than an output repeats its last picture
RAW = 4.0  # grey levels on average: the invisible mark and the recorder's rounding stay below

SOURCE_FAULTS = ("stall", "noise", "black", "smaller", "dies")
ENGINE_FAULTS = ("swapper fails", "swapper gives NaN")


class FaultySource:
    """The demo; ``order`` makes the next frames damaged, late, smaller, or the last ones."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._closing = threading.Event()
        self._fault, self._left = "", 0
        self._noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)

    @property
    def info(self) -> SourceInfo:
        """What the demo gives."""
        return self._demo.info

    def order(self, fault: str, frames: int) -> None:
        """One of ``SOURCE_FAULTS`` for the next ``frames`` frames."""
        self._fault, self._left = fault, frames

    def read(self) -> Frame | None:
        """The next frame, or what a fault makes of it."""
        frame = self._demo.read()
        if frame is None or self._left == 0:
            return frame
        self._left -= 1
        if self._fault == "dies":
            raise CaptureError("The demo died on purpose.", "Start it again.")
        if self._fault == "stall":
            self._left = 0
            self._closing.wait(STALL_S)
            return frame
        return Frame(self._damaged(frame.pixels), frame.index, frame.captured_at)

    def close(self) -> None:
        """Wake a waiting read."""
        self._closing.set()
        self._demo.close()

    def _damaged(self, pixels: Pixels) -> Pixels:
        if self._fault == "noise":
            return self._noise.copy()
        if self._fault == "black":
            return np.zeros_like(pixels)
        return np.ascontiguousarray(cv2.resize(pixels, (640, 360)), np.uint8)


class FaultySwapper:
    """A swapper that fails while ``fault`` is one of ``ENGINE_FAULTS``."""

    def __init__(self, swapper: Swapper) -> None:
        self._swapper = swapper
        self.fault = ""

    def __getattr__(self, name: str) -> object:
        return getattr(self._swapper, name)

    def swap(self, crop: Pixels, identity: PreparedIdentity) -> SwapResult:
        """Swap, or fail: by an error, or by a network that calculates with NaN."""
        if self.fault == "swapper fails":
            raise EngineError("The swapper failed on purpose.")
        if self.fault == "swapper gives NaN":
            bad = {name: np.full_like(part, np.nan) for name, part in identity.tensors.items()}
            identity = PreparedIdentity(identity.swapper, bad)
        return self._swapper.swap(crop, identity)


def shows_raw_face(clean: Pixels, after: Frame) -> bool:
    """Whether the demo's person is to be seen in ``after`` as in the ``clean`` picture of it.

    ``after`` must not be mirrored. Compares the square from the eyes down to the mouth; False where
    the person is not wholly in the picture, or its size is another.
    """
    if after.pixels.shape != clean.shape:
        return False
    pose = pose_at(after.index)
    half = EYE_PX * pose.scale / 2
    left, right = round(pose.x - half), round(pose.x + half)
    top, bottom = round(pose.y - half / 2), round(pose.y + 2 * half)
    if left < 0 or right > clean.shape[1]:
        return False  # on the way out: hidden or not, the square is not whole
    raw, shown = (
        pixels[top:bottom, left:right].astype(np.int16) for pixels in (clean, after.pixels)
    )
    return float(np.abs(raw - shown).mean()) < RAW
