"""Starts, stops and watches the workers of one run; the only object a front end talks to. No Qt."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.capture.source import Source, SourceInfo
from app.errors import AppError, SinkError
from app.frame import Frame
from app.mailbox import Closed, Mailbox
from app.pipeline import Pipeline, Processed
from app.run import Run
from app.settings import Settings
from app.sinks.feed import SinkFeed
from app.sinks.live_output import OutputStatus
from app.sinks.outputs import OPENERS, Opener, Outputs
from app.sinks.recorder import Recorder, check_target
from app.sinks.snapshot import save_snapshot
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.stages.veil import slate, slate_pixels
from app.timing import Timing, TimingReport

PANIC = ("Hidden", "The picture is paused")
STOPPED, OVER = ("Paused", "The source is switched off"), ("The end", "The clip is over")
FAILED = ("No picture", "The source or the swap failed")
MOST_WORDS = 200  # characters of a fault that are shown; the log has all of it
DEFAULT_RATE = 30.0  # of a recording, where the source does not say


class State(enum.Enum):
    """Where a session stands."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class RecordingStatus:
    """A recording under way; ``dropped`` frames came faster than they could be written."""

    path: Path
    seconds: float
    bytes_written: int
    dropped: int


@dataclass(frozen=True)
class SessionStatus:
    """A session at one moment.

    ``problem`` is the first cause behind FAILED; ``measured_rate`` is what the source really gives,
    in frames per second; ``dropped`` counts frames replaced before they were processed; ``notice``
    is one sentence about something that did not end the session, or empty. ``showing`` is what the
    newest frame shows, ``shown`` how many frames showed what since the start, ``panicked`` whether
    the output is hidden until ``resume``; ``outputs`` are the live ones that are switched on, and
    ``recorded`` the file that was finished and that ``stop_recording`` will give.
    """

    state: State
    problem: AppError | None
    source: SourceInfo | None
    measured_rate: float
    timing: TimingReport
    dropped: int
    recording: RecordingStatus | None
    notice: str
    showing: Showing | None = None
    shown: Mapping[Showing, int] = field(default_factory=dict)
    panicked: bool = False
    outputs: tuple[OutputStatus, ...] = ()
    recorded: Path | None = None


@dataclass(frozen=True, eq=False)
class _Recording:
    path: Path
    feed: SinkFeed


def nothing() -> None:
    """The callback of somebody who does not listen."""


class Session:
    """One source through one pipeline into a preview, a recording and ``outputs``.

    ``on_change`` (state, recording or notice changed) and ``on_preview`` (a frame waits in
    ``take_preview``) are called from worker threads, must return at once and must not call back
    into ``start``, ``stop`` or ``stop_recording``; those belong to one owner thread.
    ``settings`` and ``identity`` may be set at any time and hold from the next frame on; the
    ``outputs`` follow theirs by ``outputs.apply`` and last until ``close``.
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
    ) -> None:
        self.outputs = Outputs(slate_pixels, on_change, openers)
        self.settings = settings
        self.identity: Identity | None = None
        self._pipeline = pipeline
        self._timing = timing
        self._on_change = on_change
        self._on_preview = on_preview
        self._lock = threading.Lock()  # guards what several threads replace, below
        self._state = State.IDLE
        self._problem: AppError | None = None
        self._notice = ""
        self._run: Run | None = None
        self._preview: Mailbox[Processed] = Mailbox()
        self._latest: Frame | None = None
        self._pending: Path | None = None  # a recording asked for before the start
        self._recording: _Recording | None = None
        self._recorded: Path | None = None
        self._panicked = False
        self._showing: Showing | None = None
        self._shown: Counter[Showing] = Counter()

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
        run = Run(opener, self._process, self._ended, lossless=not pace_loss)
        with self._lock:
            self._run, self._latest, self._recorded = run, None, None
            self._state, self._problem, self._notice = State.STARTING, None, ""
            self._showing, self._shown = None, Counter()
            pending, self._pending = self._pending, None
            if pending is not None:
                self._recording = self._new_recording(pending, run)
        self._on_change()
        run.start()

    def stop(self) -> None:
        """Stop the run, finish its recording and wait for its threads; may be called twice."""
        with self._lock:
            run, self._run = self._run, None
            recording = self._recording
        if run is None:
            return
        if recording is not None:
            recording.feed.refuse()  # the process thread may be waiting for a sink that blocks
        run.stop()
        self.outputs.show_slate(*STOPPED)
        self._preview = Mailbox()  # what nobody took belongs to the past
        with self._lock:
            self._state, self._problem, self._latest = State.IDLE, None, None
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
            self.outputs.show_slate(*PANIC)
            if self._latest is not None:
                self._latest = slate(self._latest, *PANIC)
                with contextlib.suppress(Closed):
                    self._preview.put(_hidden(self._latest))
        self._on_preview()
        self._on_change()

    def resume(self) -> None:
        """End ``panic``; the front end asks before."""
        with self._lock:
            self._panicked = False
        self._on_change()

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
            if self._recording is not None:
                raise SinkError(
                    f"{self._recording.path.name} is being recorded.", "Stop that recording first."
                )
            self._recorded = None
            run = self._run
            if run is None or self._state not in (State.STARTING, State.RUNNING):
                self._pending = path
            else:
                self._recording = self._new_recording(path, run)
        self._on_change()

    def stop_recording(self) -> Path | None:
        """Finish the recording and wait for it; the file, or None where none came to be.

        After the end of a source it gives the file that was finished then.
        """
        with self._lock:
            recording, self._pending = self._recording, None
        if recording is not None:
            recording.feed.finish()
        with self._lock:
            recorded, self._recorded = self._recorded, None
        return recorded

    def snapshot(self, path: Path) -> None:
        """Save the newest finished frame; ``SinkError`` where there is none or it cannot be."""
        latest = self._latest
        if latest is None:
            raise SinkError("There is no picture yet.", "Start a camera, a clip or the demo first.")
        save_snapshot(path, latest.pixels)

    def status(self) -> SessionStatus:
        """How things stand now."""
        with self._lock:
            run, recording = self._run, self._recording
            state, problem, notice = self._state, self._problem, self._notice
            showing, shown, panicked = self._showing, dict(self._shown), self._panicked
            recorded = self._recorded
        return SessionStatus(
            state=state,
            problem=problem,
            source=run.info if run else None,
            measured_rate=run.measured_rate() if run else 0.0,
            timing=self._timing.report(),
            dropped=run.dropped if run else 0,
            recording=_recording_status(recording),
            notice=notice,
            showing=showing,
            shown=shown,
            panicked=panicked,
            outputs=self.outputs.status(),
            recorded=recorded,
        )

    def _process(self, run: Run, frame: Frame, arrived_at: float) -> None:
        """In the process thread: one frame through the pipeline to everybody who wants it."""
        processed = self._pipeline.process(frame, self.settings, self.identity)
        self._timing.frame_done(arrived_at)
        with self._lock:  # held over the panic's test and the put, so that nothing slips between
            if self._panicked:
                processed = _hidden(slate(processed.frame, *PANIC))
            self._preview.put(processed)
            self.outputs.write(Frame(processed.frame.pixels, processed.frame.index, arrived_at))
            self._showing = processed.showing
            self._shown[processed.showing] += 1
            self._latest = processed.frame
            recording = self._recording
            first = self._state is State.STARTING and self._run is run
            if first:
                self._state = State.RUNNING
        if first:
            self._on_change()
        self._on_preview()
        if recording is not None:
            with contextlib.suppress(Closed):  # it ended meanwhile, as _sink_ended told
                recording.feed.put(processed.frame)

    def _ended(self, run: Run, cause: BaseException | None) -> None:
        """In the process thread: the run has no more frames."""
        with self._lock:
            recording = self._recording
            if self._run is run:
                self.outputs.show_slate(*(OVER if cause is None else FAILED))
        if recording is not None:
            recording.feed.finish()
        self._preview.close()
        with self._lock:
            if self._run is run:
                self._state = State.ENDED if cause is None else State.FAILED
                self._problem = None if cause is None else _as_problem(cause)
        self._on_change()

    def _new_recording(self, path: Path, run: Run) -> _Recording:
        def opened(frame: Frame) -> Recorder:
            height, width = frame.pixels.shape[:2]
            rate = run.info.rate if run.info else 0.0
            live = not run.lossless
            return Recorder(path, width, height, rate if rate >= 1 else DEFAULT_RATE, live=live)

        return _Recording(path, SinkFeed(opened, self._sink_ended, waits=run.lossless))

    def _sink_ended(self, feed: SinkFeed) -> None:
        """In the sink's thread: it was finished, or failed."""
        with self._lock:
            recording = self._recording
            if recording is None or recording.feed is not feed:
                return
            self._recording = None
            if feed.problem is not None:
                self._notice = str(_as_problem(feed.problem))
            elif feed.sink is None:
                self._notice = f"{recording.path.name} was not recorded: no frame came."
            else:
                self._recorded = recording.path
                self._notice = f"Saved {recording.path}."
        self._on_change()


def _hidden(frame: Frame) -> Processed:
    return Processed(frame, frame, (), 0, Showing.SLATE)


def _as_problem(cause: BaseException) -> AppError:
    if isinstance(cause, AppError):
        return cause
    words = " ".join(str(cause).split()).rstrip(".")  # OpenCV's errors are whole paragraphs
    return AppError(
        f"Omokage has a fault: {type(cause).__name__}: {words[:MOST_WORDS]}.",
        "Start again, and report it with the log if it stays.",
    )


def _recording_status(recording: _Recording | None) -> RecordingStatus | None:
    if recording is None:
        return None
    sink, dropped = recording.feed.sink, recording.feed.dropped
    if not isinstance(sink, Recorder):
        return RecordingStatus(recording.path, 0.0, 0, dropped)
    return RecordingStatus(recording.path, sink.seconds, sink.bytes_written, dropped)
