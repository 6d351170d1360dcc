"""One frame in, one frame out: find, align, swap, match the light, mask, paste, mark."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.frame import Face, Frame, Pixels
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import Settings
from app.stages.align import align, transform
from app.stages.color import ColorMatcher
from app.stages.composite import paste
from app.stages.identity import Identity
from app.stages.mask import build_mask
from app.stages.track import Tracker
from app.timing import Timing
from engines.loading import Engines


@dataclass(frozen=True, eq=False)
class Processed:
    """A finished frame, and the same frame before the swap (mirrored alike) for comparison.

    ``faces`` are the faces found, ``swapped`` how many of them were replaced.
    """

    frame: Frame
    before: Frame
    faces: tuple[Face, ...]
    swapped: int


class Pipeline:
    """The chain for one stream; remembers its faces from frame to frame. Used by one thread."""

    def __init__(self, engines: Engines, timing: Timing) -> None:
        self._swapper = engines.swapper
        self._tracker = Tracker(engines.detector)
        self._colors = ColorMatcher()
        self._timing = timing

    def reset(self) -> None:
        """Forget the faces followed so far (another source)."""
        self._tracker.reset()
        self._colors = ColorMatcher()

    def process(self, frame: Frame, settings: Settings, identity: Identity | None) -> Processed:
        """Swap the chosen faces of ``frame`` to ``identity``.

        Without an identity, or with ``settings.swap`` off, the picture passes unswapped. While
        swapping is on the badge is shown, face or no face, so that it does not flicker, and every
        frame carries the invisible mark, which no setting turns off.
        """
        before = frame
        if settings.mirror:
            flipped = np.asarray(cv2.flip(frame.pixels, 1), np.uint8)
            before = Frame(flipped, frame.index, frame.captured_at)
        if not settings.swap or identity is None:
            return Processed(before, before, (), 0)
        with self._timing.stage("detect"):
            faces = self._tracker.update(before, settings.detector)
        self._colors.keep({face.track_id for face in faces})
        pixels = before.pixels.copy()
        for face in faces:
            self._swap(pixels, before.pixels, face, settings, identity)
        with self._timing.stage("badge"):
            draw_badge(pixels, settings.badge)
        with self._timing.stage("mark"):
            apply_mark(pixels)
        after = Frame(pixels, frame.index, frame.captured_at)
        return Processed(after, before, tuple(faces), len(faces))

    def _swap(
        self, pixels: Pixels, seen: Pixels, face: Face, settings: Settings, identity: Identity
    ) -> None:
        swapper, timing = self._swapper, self._timing
        with timing.stage("align"):
            crop = align(seen, face.landmarks, swapper.template, swapper.crop_size)
        with timing.stage("swap"):
            result = swapper.swap(crop.pixels, identity.prepared)
        with timing.stage("mask"):
            landmarks = transform(face.landmarks, crop.matrix)
            extra = () if result.mask is None else (result.mask,)
            mask = build_mask(swapper.crop_size, landmarks, settings.mask, extra)
        with timing.stage("color"):
            matched = self._colors.match(
                result.pixels, crop.pixels, mask, settings.color.match, face.track_id
            )
        with timing.stage("composite"):
            paste(pixels, matched, mask, crop.matrix)
