"""Which parts of the picture rest, and since when: the only proof that an unseen face is not there.

A detector that finds nothing proves little; a living person does not keep still. The picture is
reduced to a coarse grid of mean grey levels and each cell is compared with what it was when its
rest began, so that slow movements add up. A picture that repeats bit by bit is a frozen camera,
not a quiet room: its time does not count.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Pixels
from engines.detector import Box

COLUMNS, ROWS = 32, 18  # a cell is 40 x 40 pixels at 720p
SAMPLED_ROWS = 180  # every k-th pixel is read, so that about this many rows are
# Grey levels a cell's mean may be off before it moved. A webcam's noise of 3 levels leaves 0.4 in
# the difference of two means of 100 samples; a shoulder's edge moved by two pixels changes 4.
LEVELS = 3.0
# Another scene: so many cells changed so much in one frame; by LEVELS: the camera was moved.
CUT_LEVELS, CUT_SHARE = 12.0, 0.5
STRIP = 0.25  # of the width: where somebody who comes in is first seen, and only in part
LONGEST_STEP_S = 0.5  # a clock that leaps further has proved nothing

Cells = NDArray[np.float32]


class Motion:
    """Watches one stream; used by one thread.

    After ``step``, ``cut`` says that the scene changed, ``swept`` that most of the picture moved:
    the camera did, and where something was says little about where it is.
    """

    def __init__(self) -> None:
        self._clock = 0.0  # seconds that count: neither leaps nor frozen frames
        self._at: float | None = None
        self._size: tuple[int, ...] = ()
        self._sample: Pixels | None = None
        self._last: Cells = np.zeros((ROWS, COLUMNS), np.float32)
        self._anchor: Cells = self._last
        self._since = np.zeros((ROWS, COLUMNS))
        self._stirred = np.ones((ROWS, COLUMNS), bool)
        self.cut = self.swept = False

    def step(self, pixels: Pixels, at: float) -> None:
        """Take in the frame of time ``at`` (seconds)."""
        every = max(1, pixels.shape[0] // SAMPLED_ROWS)
        sample = np.ascontiguousarray(pixels[::every, ::every])
        small = cv2.resize(sample, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        cells = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
        before, self._sample = self._sample, sample
        elapsed = 0.0 if self._at is None else min(max(at - self._at, 0.0), LONGEST_STEP_S)
        self._at = at
        if before is None or self._size != pixels.shape:
            self.cut = self.swept = before is not None
            self._size = pixels.shape
            self._restart(cells)
            return
        if np.array_equal(before, sample):
            self.cut = self.swept = False
            self._stirred = np.zeros((ROWS, COLUMNS), bool)
            return
        self._clock += elapsed
        leap = cells - self._last
        leap -= np.median(leap)  # exposure that drifts moves every cell alike
        self.cut = float((np.abs(leap) > CUT_LEVELS).mean()) > CUT_SHARE
        self.swept = float((np.abs(leap) > LEVELS).mean()) > CUT_SHARE
        self._last = cells
        off = cells - self._anchor
        self._stirred = np.abs(off - np.median(off)) > LEVELS
        self._anchor = np.where(self._stirred, cells, self._anchor)
        self._since = np.where(self._stirred, self._clock, self._since)

    def still_s(self, box: Box | None = None) -> float:
        """Seconds for which nothing has moved in ``box`` (pixels), or in the whole picture."""
        since = self._since if box is None else self._since[self._inside(box)]
        return self._clock - float(since.max()) if since.size else 0.0

    def trail(self, box: Box, since_s: float) -> Box:
        """The extent of all that moved in the last ``since_s`` and hangs together with ``box``.

        Whoever left ``box`` in that time is in it or in there: a body moves from cell to cell.
        """
        recent = self._clock - self._since <= since_s
        recent[self._inside(box)] = True
        _, labels = cv2.connectedComponents(recent.astype(np.uint8))
        rows, columns = np.nonzero(labels == labels[self._inside(box)].flat[0])
        height, width = self._size[0] / ROWS, self._size[1] / COLUMNS
        left, top = float(columns.min()), float(rows.min())
        across, down = float(columns.max()) + 1 - left, float(rows.max()) + 1 - top
        return (left * width, top * height, across * width, down * height)

    def stirred_in(self, box: Box) -> bool:
        """Whether something moved in ``box`` (pixels) in this frame."""
        return bool(self._stirred[self._inside(box)].any())

    def stirred_outside(self, boxes: Iterable[Box]) -> bool:
        """Whether something moved in this frame that is in none of ``boxes`` (pixels)."""
        stirred = self._stirred.copy()
        for box in boxes:
            stirred[self._inside(box)] = False
        return bool(stirred.any())

    def stirred_strips(self) -> list[Box]:
        """The strips at the left and right edge in whose outer part something moved, in pixels."""
        if not self._size:
            return []
        height, width = self._size[:2]
        strip = round(STRIP * width)
        outer = max(1, round(STRIP * COLUMNS / 2))
        sides = ((self._stirred[:, :outer], 0), (self._stirred[:, -outer:], width - strip))
        return [(float(x), 0.0, float(strip), float(height)) for part, x in sides if part.any()]

    def _restart(self, cells: Cells) -> None:
        self._last = self._anchor = cells
        self._since = np.full((ROWS, COLUMNS), self._clock)
        self._stirred = np.ones((ROWS, COLUMNS), bool)

    def _inside(self, box: Box) -> tuple[slice, slice]:
        if not np.isfinite(box).all():
            return slice(None), slice(None)
        height, width = self._size[:2]
        x, y = COLUMNS / width, ROWS / height
        left = int(np.clip(np.floor(box[0] * x), 0, COLUMNS - 1))
        top = int(np.clip(np.floor(box[1] * y), 0, ROWS - 1))
        right = int(np.clip(np.ceil((box[0] + box[2]) * x), left + 1, COLUMNS))
        bottom = int(np.clip(np.ceil((box[1] + box[3]) * y), top + 1, ROWS))
        return slice(top, bottom), slice(left, right)
