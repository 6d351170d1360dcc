"""The pixel work on the CPU, with NumPy and OpenCV."""

from __future__ import annotations

import numpy as np

from app.frame import Face, Pixels
from app.pixel_work.contract import HOST, Place
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import BadgeSettings, Settings
from app.stages.align import align, transform
from app.stages.color import ColorMatcher
from app.stages.composite import paste
from app.stages.doubt import check_swap
from app.stages.identity import Identity
from app.stages.mask import build_mask
from app.stages.track import FaceFinder
from app.timing import Timing
from engines.loading import Engines


class HostWork:
    """The pixel work on the CPU; ``why`` says why it is not done on a card."""

    def __init__(self, engines: Engines, timing: Timing, why: str = "") -> None:
        self.place = Place(HOST, why)
        self.finder: FaceFinder = engines.detector
        self.swapper, self.timing = engines.swapper, timing
        self.colors = ColorMatcher()

    def open(self, seen: Pixels) -> HostCanvas:
        """A canvas with a copy of the frame."""
        return HostCanvas(self, seen)

    def keep(self, track_ids: set[int]) -> None:
        """Forget the light of all other faces."""
        self.colors.keep(track_ids)

    def reset(self) -> None:
        """Forget all faces."""
        self.colors = ColorMatcher()

    def close(self) -> None:
        """Nothing to free."""


class HostCanvas:
    """One frame in host memory."""

    def __init__(self, work: HostWork, seen: Pixels) -> None:
        self._work, self._seen, self._pixels = work, seen, np.copy(seen)

    def swap(
        self, face: Face, settings: Settings, identity: Identity, *, guarded: bool = False
    ) -> None:
        """Align, swap, mask, match the light, paste."""
        swapper, timing = self._work.swapper, self._work.timing
        with timing.stage("align"):
            crop = align(self._seen, face.landmarks, swapper.template, swapper.crop_size)
        with timing.stage("swap"):
            result = swapper.swap(crop.pixels, identity.prepared)
        with timing.stage("mask"):
            landmarks = transform(face.landmarks, crop.matrix)
            extra = () if result.mask is None else (result.mask,)
            mask = build_mask(swapper.crop_size, landmarks, settings.mask, extra)
        if guarded:
            check_swap(crop.pixels, result.pixels, mask, landmarks)
        with timing.stage("color"):
            matched = self._work.colors.match(
                result.pixels, crop.pixels, mask, settings.color.match, face.track_id
            )
        with timing.stage("composite"):
            paste(self._pixels, matched, mask, crop.matrix)

    def pixels(self) -> Pixels:
        """The picture itself."""
        return self._pixels

    def finished(self, badge: BadgeSettings) -> Pixels:
        """Badge, then mark."""
        finish(self._pixels, badge, self._work.timing)
        return self._pixels


def finish(pixels: Pixels, badge: BadgeSettings, timing: Timing) -> None:
    """Draw badge and mark into ``pixels`` in place."""
    with timing.stage("badge"):
        draw_badge(pixels, badge)
    with timing.stage("mark"):
        apply_mark(pixels)
