"""One frame in, one frame out: find, align, swap, match the light, mask, paste, mark."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.errors import AppError
from app.frame import Face, Frame, Pixels
from app.pixel_work.contract import Canvas, PixelWork, Place
from app.pixel_work.on_host import HostWork
from app.settings import Settings
from app.stages.identity import Identity
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
    """The chain for one stream; remembers its faces from frame to frame. Used by one thread.

    ``work`` does the pixel work, by default on the host; the pipeline does not close it.
    """

    def __init__(self, engines: Engines, timing: Timing, work: PixelWork | None = None) -> None:
        self._work: PixelWork = work if work is not None else HostWork(engines, timing)
        self._tracker = Tracker(self._work.finder)
        self._timing = timing
        self._start_over()

    @property
    def place(self) -> Place:
        """Where the pixel work is done now."""
        return self._work.place

    def reset(self) -> None:
        """Forget the faces followed so far (another source)."""
        self._tracker.reset()
        self._start_over()

    def _start_over(self) -> None:
        self._work.reset()
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
        canvas = self._work.open(before.pixels)
        faces = self._find(before, settings)
        for face in faces:
            canvas.swap(face, settings, identity)
        return self._finished(canvas, before, faces, len(faces), settings, Showing.LIVE)

    def _guarded(self, before: Frame, settings: Settings, identity: Identity) -> Processed:
        """What should be swapped and is not is hidden."""
        swapped: dict[int, Box] = {}
        bare: list[Box] = []
        failed, blind, faces = False, False, list[Face]()
        canvas = self._work.open(before.pixels)
        try:
            faces = self._find(before, settings)
        except AppError:
            blind = True
        for face in faces:
            if face.track_id in self._tracker.missing:
                continue
            try:
                canvas.swap(face, settings, identity)
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
        try:
            if verdict.showing is not Showing.LIVE:
                pixels = canvas.pixels()
                with self._timing.stage("hide"):
                    self._hide(pixels, sight, verdict)
            done = self._finished(canvas, before, faces, len(swapped), settings, verdict.showing)
        except AppError:  # a device that fails tells when the picture is fetched
            self._shown = None
            return _slated(before, "The face cannot be swapped")
        if verdict.showing is Showing.LIVE:
            self._shown = done.frame.pixels
        return done

    def _find(self, before: Frame, settings: Settings) -> list[Face]:
        with self._timing.stage("detect"):
            faces = self._tracker.update(before, settings.detector)
        self._work.keep({face.track_id for face in faces})
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

    @staticmethod
    def _finished(
        canvas: Canvas,
        before: Frame,
        faces: list[Face],
        swapped: int,
        settings: Settings,
        showing: Showing,
    ) -> Processed:
        after = Frame(canvas.finished(settings.badge), before.index, before.captured_at)
        return Processed(after, before, tuple(faces), swapped, showing)


def _slated(before: Frame, reason: str) -> Processed:
    return Processed(slate(before, "Hidden", reason), before, (), 0, Showing.SLATE)
