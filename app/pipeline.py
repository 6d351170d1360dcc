"""One frame in, one frame out: find, choose, align, swap, match the light, mask, paste, mark."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from app.errors import AppError, ConsentError
from app.frame import Face, Frame, Pixels
from app.pixel_work.contract import HOST, Canvas, PixelWork, Place
from app.pixel_work.on_host import HostWork
from app.settings import Settings
from app.slates import slated
from app.stages.choice import Choice, Chooser
from app.stages.doubt import doubtful
from app.stages.hide import Cover
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.stages.motion import Motion
from app.stages.privacy import Guard, Reason, Showing, Verdict
from app.stages.recognition import Recognition
from app.stages.sight import Sight
from app.stages.sorting import Found, Sorter
from app.stages.track import Tracker
from app.timing import Timing
from engines.detector import Box
from engines.loading import Engines

log = logging.getLogger(__name__)

# What one odd face or picture can make a stage raise. While the output is guarded the face is
# hidden instead, so that it does not end a call; anything else ends the run, and no frame leaves.
FAULTS = (AppError, ValueError, ArithmeticError, cv2.error)


@dataclass(frozen=True, eq=False)
class Processed:
    """A finished frame, and the same frame before the swap (turned alike) for comparison.

    ``faces`` are the faces found, ``swapped`` how many of them were replaced; ``showing`` and
    ``reason`` say whether and why anything is hidden, ``refusal`` in a sentence why the source face
    may not be used any more.
    """

    frame: Frame
    before: Frame
    faces: tuple[Face, ...]
    swapped: int
    showing: Showing = Showing.LIVE
    reason: Reason = Reason.NONE
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class Begun:
    """A frame on its way: all is decided and, on a card, the painting has begun.

    ``under_way`` says that the card goes on with it while the next frame is begun. ``finish`` waits
    for the picture; it is called once, in the order in which frames were begun, or not at all where
    the frame is given up. It raises what ``Pipeline.begin`` does.
    """

    finish: Callable[[], Processed]
    under_way: bool = False


class Pipeline:
    """The chain for one stream; remembers its faces from frame to frame. Used by one thread.

    ``guarded`` pipelines hide what is not swapped, as everything live must; the others pass it as
    it is and raise what fails, as files want it. ``work`` does the pixel work, by default on the
    host; the pipeline does not close it.
    """

    def __init__(
        self,
        engines: Engines,
        timing: Timing,
        work: PixelWork | None = None,
        *,
        guarded: bool = True,
    ) -> None:
        self._work: PixelWork = work if work is not None else HostWork(engines, timing)
        self._tracker = Tracker(self._work.finder)
        self._recognition = Recognition(engines.recognizer)
        self._timing = timing
        self._guarded_output = guarded
        self._faulty = False  # a fault was logged and is not over
        self._turned = False  # left into right
        self._start_over()

    @property
    def place(self) -> Place:
        """Where the pixel work is done now."""
        return self._work.place

    def reset(self) -> None:
        """Forget the faces followed so far (another source)."""
        self._tracker.reset()
        self._recognition.reset()
        self._start_over()

    def _start_over(self) -> None:
        self._work.reset()
        self._chooser = Chooser()
        self._guard = Guard()
        self._motion = Motion()
        self._cover = Cover()
        self._sorter = Sorter(self._tracker, self._recognition, self._motion)
        self._owed: tuple[Frame, Settings, Wishes] | None = None  # what catch_up works on

    def process(
        self,
        frame: Frame,
        settings: Settings,
        identity: Identity | None,
        wishes: Wishes = NO_WISHES,
    ) -> Processed:
        """``begin`` and ``finish`` at once."""
        return self.begin(frame, settings, identity, wishes).finish()

    def begin(
        self,
        frame: Frame,
        settings: Settings,
        identity: Identity | None,
        wishes: Wishes = NO_WISHES,
    ) -> Begun:
        """Swap the chosen faces of ``frame`` to ``identity``; at most one frame may be under way.

        While swapping is on the badge is shown, face or no face, so that it does not flicker, and
        every frame carries the invisible mark, which no setting turns off. A guarded pipeline
        hides a face that is lost, doubtful or failed on, gives a slate without an identity or with
        ``settings.swap`` off, and the raw picture only where ``wishes.real_face`` asks for it while
        the swap is off. An unguarded one passes such pictures and raises errors.
        A source face whose consent has ended is not used from this frame on: a slate with a
        ``refusal``, or ``ConsentError``; that holds for a frame under way, too.
        """
        before = frame
        if settings.outputs.mirror != self._turned:
            # Where somebody was lost is elsewhere now: as at a cut, nothing is known of places.
            self._turned = settings.outputs.mirror
            self._tracker.reset()
            self._start_over()
        if settings.outputs.mirror:
            flipped = np.asarray(cv2.flip(frame.pixels, 1), np.uint8)
            before = Frame(flipped, frame.index, frame.captured_at)
        if not settings.swap:
            self._start_over()
            if wishes.real_face or not self._guarded_output:
                return _done(Processed(before, before, (), 0, Showing.BYPASS))
            return _done(self._slated(before, settings, Reason.PAUSED))
        if identity is None:
            if self._guarded_output:
                return _done(self._slated(before, settings, Reason.NO_SOURCE))
            return _done(Processed(before, before, (), 0, Showing.BYPASS))
        sources = (identity, *wishes.further)
        refused = self._refused(before, settings, sources)
        if refused is not None:
            self._start_over()  # not even as the held face of an earlier frame
            return _done(refused)
        if self._guarded_output:
            return self._guarded(before, settings, sources, wishes)
        return self._unguarded(before, settings, sources, wishes)

    def catch_up(self) -> None:
        """Do what could wait until the frame was shown, where ``wishes.patient`` allowed it.

        A whole search whose turn it was, and a second look at who is who: somebody new is found one
        frame later. Where nobody calls this, or it fails, both come with the next frame.
        """
        owed, self._owed = self._owed, None
        if owed is None:
            return
        frame, settings, wishes = owed
        try:
            with self._timing.stage("catch up"):
                self._tracker.catch_up(frame, settings.detector)
                self._recognition.catch_up(frame.pixels, wishes.me)
        except FAULTS as fault:
            self._tell(fault)

    def _refused(
        self, before: Frame, settings: Settings, sources: tuple[Identity, ...]
    ) -> Processed | None:
        """What is shown because a source face may not be used any more; None where all may."""
        refusal = next((why for source in sources if (why := source.permit())), "")
        if not refusal:
            return None
        if not self._guarded_output:
            raise ConsentError(refusal)
        return replace(self._slated(before, settings, Reason.CONSENT), refusal=refusal)

    def _unguarded(
        self, before: Frame, settings: Settings, sources: tuple[Identity, ...], wishes: Wishes
    ) -> Begun:
        """What is not swapped is shown as it is; errors are raised."""
        canvas = self._work.open(before.pixels)
        faces = self._find(before, settings)
        choice = self._choose(before, faces, settings, wishes)
        for face, source in choice.swap:
            canvas.swap(face, settings, sources[source % len(sources)])
        under_way = canvas.send(settings.badge)

        def finish() -> Processed:
            if under_way:
                self._refused(before, settings, sources)
            done = Frame(canvas.finished(settings.badge), before.index, before.captured_at)
            return Processed(done, before, tuple(faces), len(choice.swap))

        return Begun(finish, under_way)

    def _guarded(
        self, before: Frame, settings: Settings, sources: tuple[Identity, ...], wishes: Wishes
    ) -> Begun:
        """What should be swapped and is not is hidden."""
        swapped: dict[int, Box] = {}
        bare: list[Box] = []
        failed, blind, faces, choice = False, False, list[Face](), Choice()
        with self._timing.stage("watch"):
            self._motion.step(before.pixels, before.captured_at)
        canvas = self._work.open(before.pixels)
        self._owed = (before, settings, wishes) if wishes.patient else None
        try:
            faces = self._find(before, settings, patient=wishes.patient)
            choice = self._choose(before, faces, settings, wishes)
        except FAULTS as fault:
            blind = True
            self._tell(fault)
        for face, source in choice.swap:
            if face.track_id in self._tracker.missing:
                continue
            beside = face.track_id in self._tracker.narrow
            if beside or doubtful(face, before.pixels.shape):
                bare.append(face.box)
                continue
            try:
                identity = sources[source % len(sources)]
                canvas.swap(face, settings, identity, guarded=True)
                swapped[face.track_id] = face.box
            except FAULTS as fault:
                failed = True
                bare.append(face.box)
                self._tell(fault)
        found = Found(tuple(faces), swapped, tuple(bare), choice, failed=failed, blind=blind)
        sight = self._sorter.sight(found, settings, owes=self._guard.owes)
        verdict = self._guard.step(before.captured_at, sight, settings.privacy, self._motion)
        if verdict.showing is Showing.SLATE:
            self._faulty = failed or blind
            return _done(self._slated(before, settings, verdict.reason, faces))
        hiding = bool(verdict.whole or verdict.places or sight.bare or sight.others or sight.wary)
        here = hiding or self._work.place.name == HOST
        try:
            under_way = canvas.send(None if here else settings.badge)
        except FAULTS as fault:
            self._tell(fault)
            return _done(self._slated(before, settings, Reason.FAILED, faces))
        cover = self._cover  # of this frame: after a new start nothing of it is held

        def finish() -> Processed:
            refused = self._refused(before, settings, sources) if under_way else None
            if refused is not None:
                return refused
            try:
                done = self._covered(
                    canvas, cover, settings, sight, verdict, here=here, hiding=hiding
                )
            except FAULTS as fault:  # a device that fails tells when the picture is fetched
                self._tell(fault)
                return self._slated(before, settings, Reason.FAILED, faces)
            self._faulty = failed or blind
            frame = Frame(done, before.index, before.captured_at)
            showing, reason = verdict.showing, verdict.reason
            return Processed(frame, before, tuple(faces), len(swapped), showing, reason)

        return Begun(finish, under_way)

    def _covered(
        self,
        canvas: Canvas,
        cover: Cover,
        settings: Settings,
        sight: Sight,
        verdict: Verdict,
        *,
        here: bool,
        hiding: bool,
    ) -> Pixels:
        """The finished picture, with everything hidden that has to be.

        ``here``: it is worked on by the host. On a card it stays there if it can: what is kept of
        it then carries the marks.
        """
        if not here:
            done = canvas.finished(settings.badge)
            cover.remember(done, sight.swapped, verdict.places)
            return done
        pixels = canvas.pixels()
        if hiding:
            with self._timing.stage("hide"):
                cover.hide(pixels, sight, verdict)
        cover.remember(pixels, sight.swapped, verdict.places)
        return canvas.finished(settings.badge)

    def _find(self, before: Frame, settings: Settings, *, patient: bool = False) -> list[Face]:
        """Every known face; where others are hidden, anything that moves is searched at once."""
        everybody = settings.detector.faces in ("all", "each")
        wary = self._guarded_output and (everybody or settings.privacy.others == "blurred")
        search = wary and self._motion.stirred_outside(self._tracker.boxes)
        with self._timing.stage("detect"):
            strips = self._motion.stirred_strips() if wary else ()
            stirred = self._motion.stirred_in if wary else None
            faces = self._tracker.update(
                before,
                settings.detector,
                search=search,
                strips=strips,
                stirred=stirred,
                patient=patient,
            )
        self._work.keep({face.track_id for face in faces})
        return faces

    def _choose(
        self, before: Frame, faces: list[Face], settings: Settings, wishes: Wishes
    ) -> Choice:
        seen = [face for face in faces if face.track_id not in self._tracker.missing]
        with self._timing.stage("recognise"):
            self._recognition.look(
                before.pixels, seen, self._tracker.jumped, wishes.me, patient=wishes.patient
            )
        height, width = before.pixels.shape[:2]
        return self._chooser.choose(faces, (width, height), settings.detector, self._recognition)

    def _tell(self, fault: Exception) -> None:
        """Log a fault once, not once a frame."""
        if not self._faulty:
            self._faulty = True
            log.warning("a face is hidden, since a stage failed: %s", fault, exc_info=fault)

    def _slated(
        self, before: Frame, settings: Settings, reason: Reason, faces: Sequence[Face] = ()
    ) -> Processed:
        frame = slated(before, reason, settings.badge)
        return Processed(frame, before, tuple(faces), 0, Showing.SLATE, reason)


def _done(processed: Processed) -> Begun:
    """A frame of which nothing is left to do."""
    return Begun(lambda: processed)
