"""One frame in, one frame out: find, align, swap, match the light, mask, paste, mark."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.errors import AppError
from app.frame import Crop, Face, Frame, Mask, Pixels
from app.provenance.badge import draw_badge
from app.provenance.watermark import apply_mark
from app.settings import Settings
from app.stages.align import align, transform
from app.stages.color import ColorMatcher
from app.stages.composite import paste
from app.stages.identity import Identity
from app.stages.mask import build_mask
from app.stages.occlude import Occlusion
from app.stages.privacy import Guard, Showing, Sight, Verdict
from app.stages.track import Tracker
from app.stages.veil import HELD_SHARE, SPEED, blur_all, blur_box, hold, slate
from app.timing import Timing
from engines.detector import Box
from engines.loading import Engines


@dataclass(frozen=True, eq=False)
class Processed:
    """A finished frame, and the same frame before the swap (mirrored alike) for comparison.

    ``faces`` are the faces found, ``swapped`` how many of them were replaced; ``showing`` says
    whether anything is hidden.
    """

    frame: Frame
    before: Frame
    faces: tuple[Face, ...]
    swapped: int
    showing: Showing = Showing.LIVE


class Pipeline:
    """The chain for one stream; remembers its faces from frame to frame. Used by one thread."""

    def __init__(self, engines: Engines, timing: Timing) -> None:
        self._swapper = engines.swapper
        self._occluder = engines.occluder
        self._tracker = Tracker(engines.detector)
        self._timing = timing
        self._start_over()

    def reset(self) -> None:
        """Forget the faces followed so far (another source)."""
        self._tracker.reset()
        self._start_over()

    def _start_over(self) -> None:
        self._colors = ColorMatcher()
        self._occlusion = None if self._occluder is None else Occlusion(self._occluder)
        self._guard = Guard()
        self._shown: Pixels | None = None  # the last output in which every face was swapped
        self._performers: set[int] = set()  # tracks that were swapped: never shown bare

    def process(self, frame: Frame, settings: Settings, identity: Identity | None) -> Processed:
        """Swap the chosen faces of ``frame`` to ``identity``.

        With ``settings.swap`` off the picture passes unswapped. While swapping is on the badge is
        shown, face or no face, so that it does not flicker, and every frame carries the invisible
        mark, which no setting turns off. Unless ``settings.privacy`` is off, a face that is lost,
        doubtful or failed on (``AppError`` in a stage) is hidden, and without an identity there is
        a slate. With it off such faces pass and errors are raised.
        """
        before = frame
        if settings.mirror:
            flipped = np.asarray(cv2.flip(frame.pixels, 1), np.uint8)
            before = Frame(flipped, frame.index, frame.captured_at)
        if not settings.swap:
            self._start_over()
            return Processed(before, before, (), 0, Showing.BYPASS)
        if identity is None:
            if settings.privacy.enabled:
                return _slated(before, "Choose a face")
            return Processed(before, before, (), 0, Showing.BYPASS)
        if not settings.privacy.enabled:
            return self._unguarded(before, settings, identity)
        return self._guarded(before, settings, identity)

    def _unguarded(self, before: Frame, settings: Settings, identity: Identity) -> Processed:
        """What is not swapped is shown as it is; errors are raised."""
        faces = self._find(before, settings)
        pixels = before.pixels.copy()
        for face in faces:
            self._swap(pixels, before.pixels, face, settings, identity)
        return self._finished(pixels, before, faces, len(faces), settings, Showing.LIVE)

    def _guarded(self, before: Frame, settings: Settings, identity: Identity) -> Processed:
        """What should be swapped and is not is hidden."""
        swapped: dict[int, Box] = {}
        bare: list[Box] = []
        failed, blind, faces = False, False, list[Face]()
        try:
            faces = self._find(before, settings)
        except AppError:
            blind = True
        pixels = before.pixels.copy()
        for face in faces:
            if face.track_id in self._tracker.missing:
                continue
            try:
                self._swap(pixels, before.pixels, face, settings, identity)
                swapped[face.track_id] = face.box
            except AppError:
                failed = True
                bare.append(face.box)
        if not blind:
            bare += self._bare(swapped, settings)
        sight = Sight(swapped, tuple(bare), failed, blind)
        verdict = self._guard.step(before.captured_at, sight, settings.privacy)
        self._performers.update(swapped)
        if verdict.showing is Showing.SLATE:
            self._shown = None
            return _slated(before, "The face cannot be swapped")
        if verdict.showing is not Showing.LIVE:
            with self._timing.stage("hide"):
                self._hide(pixels, sight, verdict)
        done = self._finished(pixels, before, faces, len(swapped), settings, verdict.showing)
        if verdict.showing is Showing.LIVE:
            self._shown = pixels
        return done

    def _find(self, before: Frame, settings: Settings) -> list[Face]:
        with self._timing.stage("detect"):
            faces = self._tracker.update(before, settings.detector)
        tracks = {face.track_id for face in faces}
        self._colors.keep(tracks)
        if self._occlusion is not None:
            self._occlusion.keep(tracks)
        return faces

    def _bare(self, swapped: dict[int, Box], settings: Settings) -> list[Box]:
        """Regions to hide: performers not swapped now, and what may be one of them."""
        everybody = settings.detector.faces == "all"
        bare = [
            box
            for track, box in self._tracker.followed.items()
            if track not in swapped and (everybody or track in self._performers)
        ]
        if everybody or not swapped:
            bare += self._tracker.doubtful
        return bare

    def _hide(self, pixels: Pixels, sight: Sight, verdict: Verdict) -> None:
        """Blur, then lay the held regions over it."""
        if sight.blind:
            blur_all(pixels)
        for place in verdict.places:
            blur_box(pixels, place.box, HELD_SHARE + SPEED * place.away_s)
        for box in sight.bare:
            blur_box(pixels, box)
        for place in verdict.places:
            if place.held and self._shown is not None:
                hold(pixels, self._shown, place.box)

    def _finished(
        self,
        pixels: Pixels,
        before: Frame,
        faces: list[Face],
        swapped: int,
        settings: Settings,
        showing: Showing,
    ) -> Processed:
        with self._timing.stage("badge"):
            draw_badge(pixels, settings.badge)
        with self._timing.stage("mark"):
            apply_mark(pixels)
        after = Frame(pixels, before.index, before.captured_at)
        return Processed(after, before, tuple(faces), swapped, showing)

    def _swap(
        self, pixels: Pixels, seen: Pixels, face: Face, settings: Settings, identity: Identity
    ) -> None:
        swapper, timing = self._swapper, self._timing
        with timing.stage("align"):
            crop = align(seen, face.landmarks, swapper.template, swapper.crop_size)
        with timing.stage("swap"):
            result = swapper.swap(crop.pixels, identity.prepared)
        extra: tuple[Mask, ...] = () if result.mask is None else (result.mask,)
        extra += self._uncovered(seen, crop, face, settings)
        with timing.stage("mask"):
            landmarks = transform(face.landmarks, crop.matrix)
            mask = build_mask(swapper.crop_size, landmarks, settings.mask, extra)
        with timing.stage("color"):
            matched = self._colors.match(
                result.pixels, crop.pixels, mask, settings.color.match, face.track_id
            )
        with timing.stage("composite"):
            paste(pixels, matched, mask, crop.matrix)

    def _uncovered(
        self, seen: Pixels, crop: Crop, face: Face, settings: Settings
    ) -> tuple[Mask, ...]:
        """What nothing covers and the user does not keep; empty where nobody asks for it."""
        mask = settings.mask
        if self._occlusion is None or not (mask.occluder or mask.keep_mouth or mask.keep_eyes):
            return ()
        with self._timing.stage("occlude"):
            template = self._swapper.template
            return (
                self._occlusion.mask(seen, crop, template, face.landmarks, face.track_id, mask),
            )


def _slated(before: Frame, reason: str) -> Processed:
    return Processed(slate(before, "Hidden", reason), before, (), 0, Showing.SLATE)
