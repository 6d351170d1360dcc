"""A picture as a source: the same frame at a steady rate."""

from __future__ import annotations

import time
from pathlib import Path

from app.capture.pacing import Pacer
from app.capture.source import SourceInfo
from app.errors import CaptureError, PictureError
from app.frame import Frame, Pixels
from app.pictures import read_picture

RATE = 30.0


class Still:
    """Repeats one picture ``rate`` times a second; as fast as it is read where not ``realtime``."""

    def __init__(
        self, pixels: Pixels, name: str, *, rate: float = RATE, realtime: bool = True
    ) -> None:
        self._pixels = pixels
        self._pacer = Pacer()
        self._realtime = realtime
        self._index = -1
        height, width = pixels.shape[:2]
        self._info = SourceInfo(name, width, height, rate, live=realtime)

    @staticmethod
    def open(path: Path, *, rate: float = RATE, realtime: bool = True) -> Still:
        """The picture file at ``path``; ``CaptureError`` where it cannot be read."""
        try:
            pixels = read_picture(path)
        except PictureError as error:
            raise CaptureError(error.what, error.remedy) from error
        return Still(pixels, path.name, rate=rate, realtime=realtime)

    @property
    def info(self) -> SourceInfo:
        """Size, rate and name."""
        return self._info

    def read(self) -> Frame | None:
        """The picture once more, at its time; None once closed."""
        rate = self._info.rate
        self._index += 1
        if not self._realtime:
            return (
                None if self._pacer.closed else Frame(self._pixels, self._index, self._index / rate)
            )
        self._index = max(self._index, int(self._pacer.elapsed_s() * rate))
        self._pacer.wait_until(self._index / rate)
        if self._pacer.closed:
            return None
        return Frame(self._pixels, self._index, time.monotonic())

    def close(self) -> None:
        """Wake a waiting ``read``; later ones give None."""
        self._pacer.close()
