"""Starts, stops and watches the workers of one run; the only object a front end talks to. No Qt."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from app.capture.source import Source, SourceAway
from app.errors import AppError, SinkError, as_problem
from app.frame import Frame
from app.governor import Governor, governed
from app.mailbox import Closed, Mailbox
from app.pipeline import Begun, Pipeline, Processed
from app.run import Landing, Run
from app.session_recording import Recordings
from app.session_status import RecordingStatus, SessionStatus, State
from app.settings import Settings
from app.sinks.journal import Journal
from app.sinks.outputs import OPENERS, Opener, Outputs
from app.sinks.recorder import check_target
from app.sinks.seal import Seal
from app.sinks.snapshot import save_snapshot
from app.slates import slate_pixels, slated
from app.stages.identity import Identity, Wishes
from app.stages.privacy import Reason, Showing
from app.timing import Samples, Timing

__all__ = ["RecordingStatus", "Session", "SessionStatus", "State"]

PANIC = ("Hidden", "The picture is paused")
STOPPED, OVER = ("Paused", "The source is switched off"), ("The end", "The clip is over")
FAILED = ("No picture", "The source or the swap failed")
AWAY = ("One moment", "The camera gives no picture")


def nothing() -> None:
    """The callback of somebody who does not listen."""


class Session:
    """One source through one pipeline into a preview, a recording and ``outputs``.

    ``on_change`` (state, recording or notice changed) and ``on_preview`` (a frame waits in
    ``take_preview``) are called from worker threads, must return at once and must not call back
    into ``start``, ``stop`` or ``stop_recording``; those belong to one owner thread.
    ``settings`` and ``identity`` may be set, and ``wish`` called, at any time; it holds from the
    next frame on, and settings and identity of one moment together where ``change_look`` sets
    them. The wish for the ``real_face`` ends when the swap is switched on, by ``panic`` and by
    ``stop``. The ``outputs`` follow their settings by ``outputs.apply`` and last until ``close``.
    ``seal`` is put on recordings and snapshots that show anything but the plain picture, and
    ``journal`` finds the recording again that a kill cut off.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        timing: Timing,
        settings: Settings,
        *,
        on_change: Callable[[], None] = nothing,
        on_preview: Callable[[], None] = nothing,
        openers: Mapping[str, Opener] = OPENERS,
        seal: Seal | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._seal = seal
        self._recordings = Recordings(seal, journal, on_change)
        self.outputs = Outputs(slate_pixels, on_change, openers)
        self.settings = settings
        self.identity: Identity | None = None
        self._wishes = Wishes()
        self._pipeline = pipeline
        self._timing = timing
        self._on_change = on_change
        self._on_preview = on_preview
        self._lock = threading.Lock()  # guards what several threads replace, below
        self._state = State.IDLE
        self._problem: AppError | None = None
        self._run: Run | None = None
        self._preview: Mailbox[Processed] = Mailbox()
        self._latest: Frame | None = None
        self._panicked, self._panics = False, 0  # now, and how often so far
        self._refusal = ""
        self._showing: Showing | None = None
        self._reason = Reason.NONE
        self._shown: Counter[Showing] = Counter()
        self._governor = Governor()
        self._away: SourceAway | None = None
        self._recoveries = 0
        self._finished = 0  # frames; this and the next are the process thread's
        self._shape: tuple[int, ...] = ()  # of the newest frame

    def start(self, opener: Callable[[], Source], *, pace_loss: bool = True) -> None:
        """Open a source and run it; whatever ran before is stopped first.

        ``opener`` is called in the capture thread. With ``pace_loss`` a frame that is not taken in
        time is replaced by the next one; without it every frame is processed and recorded, in
        order and exactly once.
        """
        self.stop()
        self._pipeline.reset()
        self._timing.reset()
        self._preview = Mailbox()
        self._governor.reset()
        self._shape = ()
        run = Run(opener, self._process, self._ended, self._lost, lossless=not pace_loss)
        with self._lock:
            self._run, self._latest = run, None
            self._state, self._problem = State.STARTING, None
            self._showing, self._reason, self._shown = None, Reason.NONE, Counter()
            self._away, self._recoveries = None, 0
            self._refusal = ""
            self._recordings.new_run(run)
        self._on_change()
        run.start()

    def stop(self) -> None:
        """Stop the run, finish its recording and wait for its threads; may be called twice."""
        with self._lock:
            run, self._run = self._run, None
        if run is None:
            return
        if (recording := self._recordings.current) is not None:
            recording.feed.refuse()  # the process thread may be waiting for a sink that blocks
        run.stop()
        self.outputs.show_slate(*STOPPED)
        self._end_real_face()
        self._preview = Mailbox()  # what nobody took belongs to the past
        with self._lock:
            self._state, self._problem, self._latest = State.IDLE, None, None
            self._away = None
        self._on_change()

    def close(self) -> None:
        """Stop for good: the run, its recording and the outputs; may be called twice."""
        self.stop()
        self.outputs.close()

    def panic(self) -> None:
        """Show a slate in every output from this moment until ``resume``, restarts or not.

        What was on its way is replaced, and so is what waits in ``take_preview``.
        """
        with self._lock:
            self._panicked = True
            self._panics += 1
            self.outputs.show_slate(*PANIC)
            if self._latest is not None:
                hidden = self._hidden(self._latest, Reason.PANIC)
                self._latest = hidden.frame
                with contextlib.suppress(Closed):
                    self._preview.put(hidden)
        self._end_real_face()
        self._on_preview()
        self._on_change()

    def resume(self) -> None:
        """End ``panic``; the front end asks before."""
        with self._lock:
            self._panicked = False
        self._on_change()

    def wish(self, **changes: Any) -> None:
        """Change some of the ``Wishes``, named as they are there."""
        with self._lock:
            self._wishes = replace(self._wishes, **changes)

    @property
    def wishes(self) -> Wishes:
        """What is wanted now."""
        return self._wishes

    def change_look(
        self,
        settings: Settings,
        identity: Identity | None,
        further: tuple[Identity, ...] | None = None,
    ) -> None:
        """Set all between two frames: no frame has one without the other.

        ``further`` are those of the ``Wishes``; None leaves them as they are.
        """
        with self._lock:
            self.settings, self.identity = settings, identity
            if further is not None:
                self._wishes = replace(self._wishes, further=further)

    def take_preview(self, timeout_s: float | None = 0) -> Processed | None:
        """The newest finished frame nobody has taken; None where there is none in time."""
        try:
            return self._preview.take(timeout_s)
        except Closed:
            return None

    def start_recording(self, path: Path) -> None:
        """Record from the next frame on, or from the first one of the next ``start``.

        ``SinkError`` where ``path`` cannot be written or a recording is under way. A failure later
        ends the recording, not the session, with a sentence in ``status().notice``.
        """
        check_target(path)
        with self._lock:
            running = self._state in (State.STARTING, State.RUNNING)
            self._recordings.start(path, self._run if running else None)
        self._on_change()

    def stop_recording(self) -> Path | None:
        """Finish the recording and wait for it; the file, or None where none came to be.

        After the end of a source it gives the file that was finished then.
        """
        return self._recordings.stop()

    def snapshot(self, path: Path) -> None:
        """Save the newest finished frame; ``SinkError`` where there is none or it cannot be."""
        with self._lock:
            latest, plain = self._latest, self._showing is Showing.BYPASS
        if latest is None:
            raise SinkError("There is no picture yet.", "Start a camera, a clip or the demo first.")
        save_snapshot(path, latest.pixels, None if plain else self._seal)

    def status(self) -> SessionStatus:
        """How things stand now."""
        with self._lock:
            run, recordings = self._run, self._recordings.state()
            state, problem, refusal = self._state, self._problem, self._refusal
            showing, shown, panicked = self._showing, dict(self._shown), self._panicked
            reason = self._reason
            away, recoveries = self._away, self._recoveries
        return SessionStatus(
            state=state,
            problem=problem,
            source=run.info if run else None,
            measured_rate=run.measured_rate() if run else 0.0,
            timing=self._timing.report(),
            dropped=run.dropped if run else 0,
            recording=None if recordings.current is None else recordings.current.status(),
            notice=recordings.notice,
            showing=showing,
            shown=shown,
            panicked=panicked,
            outputs=self.outputs.status(),
            recorded=recordings.recorded,
            refusal=refusal,
            unsealed=recordings.unsealed,
            reason=Reason.PANIC if panicked else reason,
            away=away,
            recoveries=recoveries,
            governor=self._governor.status(),
        )

    def samples(self) -> Samples:
        """Each frame's delay, of late, for a report."""
        return self._timing.samples()

    def _process(
        self, run: Run, frame: Frame, arrived_at: float, waited_s: float
    ) -> Landing | None:
        """In the process thread: one frame through the pipeline; what passes it on, if later."""
        effort = self._governor.effort
        with self._lock:
            wanted, identity, wishes = self.settings, self.identity, self._wishes
            panics = self._panics
        if wanted.swap:
            self._end_real_face()
            wishes = replace(wishes, real_face=False, patient=effort.patient)
        if frame.pixels.shape != self._shape:
            if self._shape:  # boxes and held pictures of another size mean nothing any more
                run.land()
                self._pipeline.reset()
            self._shape = frame.pixels.shape
        begun = self._pipeline.begin(frame, governed(wanted, effort), identity, wishes)
        if begun.under_way:
            return partial(self._pass_on, run, begun, arrived_at, waited_s, panics)
        run.land()
        self._pass_on(run, begun, arrived_at, waited_s, panics)
        return None

    def _pass_on(
        self, run: Run, begun: Begun, arrived_at: float, waited_s: float, panics: int
    ) -> None:
        """In the process thread: a finished frame to everybody who wants it."""
        processed = begun.finish()
        self._timing.frame_done(arrived_at)
        refusal = processed.refusal
        if not run.lossless:
            now = time.monotonic()
            delay_ms, waited_ms = (now - arrived_at) * 1000, waited_s * 1000
            effort = self._governor.frame_done(delay_ms, now, self.settings.latency, waited_ms)
            run.frame_every, run.most_wait_s = effort.frame_every, self._governor.most_wait_s
        every = self._governor.effort.preview_every
        with self._lock:  # held over the panic's test and the put, so that nothing slips between
            if self._panicked or panics != self._panics:  # begun before a panic: hidden for good
                processed = self._hidden(processed.frame, Reason.PANIC)
            self._finished += 1
            if self._finished % every == 0 or self._away is not None:
                self._preview.put(processed)
            self.outputs.write(Frame(processed.frame.pixels, processed.frame.index, arrived_at))
            changed, self._refusal = refusal != self._refusal, refusal
            self._showing, self._reason = processed.showing, processed.reason
            self._shown[processed.showing] += 1
            self._latest = processed.frame
            recording = self._recordings.current
            first = self._state is State.STARTING and self._run is run
            if first:
                self._state = State.RUNNING
            back, self._away = self._away is not None, None
            self._recoveries += back
        if first or back or changed:
            self._on_change()
        self._on_preview()
        if recording is not None:
            recording.put(processed.frame, altered=processed.showing is not Showing.BYPASS)
        self._pipeline.catch_up()

    def _hidden(self, frame: Frame, reason: Reason) -> Processed:
        hidden = slated(frame, reason, self.settings.badge)
        return Processed(hidden, hidden, (), 0, Showing.SLATE, reason)

    def _end_real_face(self) -> None:
        if self._wishes.real_face:
            self.wish(real_face=False)

    def _lost(self, run: Run, cause: SourceAway) -> None:
        """In the process thread, again and again: the camera is away. Everything shows a slate."""
        hidden = None
        with self._lock:
            if self._run is not run:
                return
            first, self._away = self._away is None, cause
            if first and not self._panicked:
                self.outputs.show_slate(*AWAY)
            latest, recording = self._latest, self._recordings.current
            if latest is not None:
                now = Frame(latest.pixels, latest.index, time.monotonic())
                hidden = self._hidden(now, Reason.PANIC if self._panicked else Reason.AWAY)
                self._latest = hidden.frame
                self._showing, self._reason = hidden.showing, hidden.reason
                if first:
                    self._preview.put(hidden)
        if recording is not None and hidden is not None:
            recording.put(hidden.frame, altered=True)
        if first:
            self._on_preview()
            self._on_change()

    def _ended(self, run: Run, cause: BaseException | None) -> None:
        """In the process thread: the run has no more frames."""
        with self._lock:
            recording = self._recordings.current
            if self._run is run:
                self.outputs.show_slate(*(OVER if cause is None else FAILED))
        if recording is not None:
            recording.feed.finish()
        self._preview.close()
        with self._lock:
            if self._run is run:
                self._state = State.ENDED if cause is None else State.FAILED
                self._problem = None if cause is None else as_problem(cause)
        self._on_change()
