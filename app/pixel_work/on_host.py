"""The pixel work on the CPU, with NumPy and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from app.frame import Crop, Face, Mask, Pixels
from app.pixel_work.contract import HOST, Place
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import BadgeSettings, MaskSettings, Settings
from app.stages.align import align, transform
from app.stages.color import ColorMatcher
from app.stages.composite import paste
from app.stages.doubt import check_swap
from app.stages.identity import Identity
from app.stages.mask import build_mask
from app.stages.occlude import Occlusion, asked
from app.stages.track import FaceFinder
from app.timing import Timing
from engines.loading import Engines


class HostWork:
    """The pixel work on the CPU; ``why`` says why it is not done on a card."""

    def __init__(self, engines: Engines, timing: Timing, why: str = "") -> None:
        self.place = Place(HOST, why)
        self.finder: FaceFinder = engines.detector
        self.swapper, self.timing = engines.swapper, timing
        self._occluder, self._reserve = engines.occluder, engines.reserve
        self._start_over()

    def open(self, seen: Pixels) -> HostCanvas:
        """A canvas with a copy of the frame."""
        return HostCanvas(self, seen)

    def keep(self, track_ids: set[int]) -> None:
        """Forget the light of all other faces, and what is before them."""
        self.colors.keep(track_ids)
        if self.occlusion is not None:
            self.occlusion.keep(track_ids)

    def reset(self) -> None:
        """Forget all faces."""
        self._start_over()

    def _start_over(self) -> None:
        self.colors = ColorMatcher()
        self.occlusion = None if self._occluder is None else Occlusion(self._occluder)

    def occlusion_for(self, settings: MaskSettings) -> Occlusion | None:
        """What spares things before faces, where that is wanted and its network is open."""
        if not asked(settings):
            return None
        if self.occlusion is None and self._reserve is not None:
            self._occluder = self._reserve.want()
            self.occlusion = None if self._occluder is None else Occlusion(self._occluder)
        return self.occlusion

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
            # Before what is spared comes off: a hand over the face hides it, too.
            check_swap(crop.pixels, result.pixels, mask, landmarks)
        mask = self._spared(mask, crop, face, settings)
        with timing.stage("color"):
            matched = self._work.colors.match(
                result.pixels, crop.pixels, mask, settings.color.match, face.track_id
            )
        with timing.stage("composite"):
            paste(self._pixels, matched, mask, crop.matrix)

    def _spared(self, mask: Mask, crop: Crop, face: Face, settings: Settings) -> Mask:
        """``mask`` without what is before the face and what the user keeps of it."""
        occlusion = self._work.occlusion_for(settings.mask)
        if occlusion is None:
            return mask
        template, track = self._work.swapper.template, face.track_id
        with self._work.timing.stage("occlude"):
            own = occlusion.mask(self._seen, crop, template, face.landmarks, track, settings.mask)
            return np.asarray(cv2.min(mask, own), np.uint8)

    def send(self, badge: BadgeSettings | None) -> bool:
        """Nothing to bring: False."""
        return False

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
