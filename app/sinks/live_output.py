"""An output that never stops: a fixed size and rate, a slate where there is nothing to show."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import AppError, SinkError
from app.frame import Frame, Pixels
from app.sinks.encoding import fit
from app.sinks.pace import Pace
from app.sinks.port import Format, Port, PortOpener
from app.timing import Percentiles
from app.worker import Finished, Worker

STALE_S = 1.0  # so long the last picture is repeated, then comes the slate
RETRY_S = (0.5, 1.0, 2.0)  # before another try to open a device; the last one stays
WINDOW = 120  # pictures over which rate and latency are measured
STARTING = ("Omokage", "The picture is about to start")
STALE = ("Paused", "No picture is coming")
CLOSED = ("Omokage", "Not running")

SlateMaker = Callable[[int, int, str, str], Pixels]  # width, height, word, reason


class OutputState(enum.Enum):
    """What an output is doing."""

    OPENING = "opening"
    LIVE = "live"  # it shows what the pipeline gives
    SLATE = "slate"  # it is open and shows the slate
    WAITING = "waiting"  # the device is missing or busy; tried again by itself
    CLOSED = "closed"


@dataclass(frozen=True)
class OutputStatus:
    """An output at one moment.

    ``problem`` says why it waits and what to do, else is None. Of the pictures ``sent``,
    ``repeated`` came again because no new one was there in time; ``dropped`` frames were replaced
    before they were sent. ``reopened`` counts the times the device came back; ``opened`` says
    whether it was ever there. ``latency_ms`` is from the capture of a frame until the device had
    taken it.
    """

    kind: str
    name: str
    state: OutputState
    problem: AppError | None
    address: str
    viewers: int | None
    fps: float
    sent: int
    repeated: int
    dropped: int
    reopened: int
    opened: bool
    latency_ms: Percentiles


class LiveOutput:
    """A ``Sink`` whose own thread opens a device, paces it, and opens it again when it is lost.

    ``write`` never waits; frames of any size are fitted to ``form``. Until the first frame, after
    ``show_slate`` and when no frame came for ``STALE_S`` it shows a slate made by ``make_slate``.
    ``on_change`` is called from the thread when the state changes and must return at once.
    """

    def __init__(
        self,
        kind: str,
        form: Format,
        opener: PortOpener,
        make_slate: SlateMaker,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._kind, self._form = kind, form
        self._opener, self._make_slate, self._on_change = opener, make_slate, on_change
        self._woken = threading.Condition()  # guards what follows
        self._fresh: tuple[Frame, float] | None = None  # not sent yet, and when it came
        self._words: tuple[str, str] | None = STARTING  # of the slate; None while live
        self._urgent = False  # the slate must go out now, not on the beat
        self._closing = False
        self._state = OutputState.OPENING
        self._problem: AppError | None = None
        self._sent = self._repeated = self._dropped = self._opened = 0
        self._sent_at: deque[float] = deque(maxlen=WINDOW)
        self._latency: deque[float] = deque(maxlen=WINDOW)
        # Of the thread alone:
        self._port: Port | None = None
        self._tries = 0
        self._pace = Pace(form.rate, 0.0)
        self._written_at = 0.0
        self._last: Pixels | None = None  # the last live picture, fitted
        self._slates: dict[tuple[str, str], Pixels] = {}
        self._worker = Worker(f"output-{kind}", self._step, self._ended)
        self._worker.start()

    closing_s = 0.0  # nothing is copied

    @property
    def name(self) -> str:
        """What other programs call it, or its kind until it is open."""
        port = self._port
        return port.name if port is not None else self._kind

    def write(self, frame: Frame) -> None:
        """Show ``frame`` next; ``SinkError`` once closed."""
        with self._woken:
            if self._closing:
                raise SinkError(f"The output {self._kind} is closed.")
            self._dropped += self._fresh is not None
            self._fresh, self._words, self._urgent = (frame, time.monotonic()), None, False
            self._woken.notify()

    def show_slate(self, word: str, reason: str) -> None:
        """Show a slate from the very next picture on, until the next ``write``."""
        with self._woken:
            if self._words != (word, reason):
                self._fresh, self._words, self._urgent = None, (word, reason), True
                self._woken.notify()

    def status(self) -> OutputStatus:
        """How things stand now."""
        port = self._port
        with self._woken:
            sent_at, latency = list(self._sent_at), list(self._latency)
            now = time.monotonic()
            span = now - sent_at[0] if sent_at and now - sent_at[-1] < STALE_S else 0.0
            return OutputStatus(
                kind=self._kind,
                name=port.name if port is not None else self._kind,
                state=self._state,
                problem=self._problem,
                address=port.address if port is not None else "",
                viewers=port.viewers if port is not None else None,
                fps=len(sent_at) / span if span > 0 else 0.0,
                sent=self._sent,
                repeated=self._repeated,
                dropped=self._dropped,
                reopened=max(0, self._opened - 1),
                opened=self._opened > 0,
                latency_ms=Percentiles.of(latency),
            )

    def close(self) -> None:
        """Show a last slate, give the device back and wait for that."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._worker.join()

    def abort(self) -> None:
        """As ``close``: there is nothing half-written."""
        self.close()

    def _step(self) -> None:
        if self._port is None:
            self._open()
            return
        pixels, captured_at = self._next_picture()
        try:
            self._port.send(pixels)
        except SinkError as error:
            self._lose(error)
            return
        self._tries = 0  # not when it opened: some open, and then take nothing
        now = time.monotonic()
        with self._woken:
            self._sent += 1
            self._sent_at.append(now)
            if captured_at is not None:
                self._latency.append((now - captured_at) * 1000)

    def _open(self) -> None:
        try:
            self._port = self._opener(self._form)
        except AppError as error:
            self._wait_for_another_try(error)
            return
        self._pace = Pace(self._form.rate, time.monotonic())
        with self._woken:
            self._opened += 1
            self._sent_at.clear()
            state = OutputState.LIVE if self._words is None else OutputState.SLATE
        self._say(state)

    def _lose(self, error: SinkError) -> None:
        assert self._port is not None
        self._port.close()
        self._port = None
        self._wait_for_another_try(error)

    def _wait_for_another_try(self, error: AppError) -> None:
        """The longer, the more have failed since a picture was taken."""
        self._say(OutputState.WAITING, error)
        pause = RETRY_S[min(self._tries, len(RETRY_S) - 1)]
        self._tries += 1
        with self._woken:
            if self._woken.wait_for(lambda: self._closing, pause):
                raise Finished

    def _next_picture(self) -> tuple[Pixels, float | None]:
        """Wait for the beat; what to send, and when a new frame was captured."""
        with self._woken:
            frame, words = self._wait()
            if words is None and time.monotonic() - self._written_at > STALE_S:
                words = self._words = STALE
        if words is not None:
            self._last = None
            self._say(OutputState.SLATE)
            return self._slate(words), None
        self._say(OutputState.LIVE)
        if frame is not None:
            self._last = fit(frame.pixels, self._form.width, self._form.height)
            return self._last, frame.captured_at
        assert self._last is not None
        return self._last, None

    def _wait(self) -> tuple[Frame | None, tuple[str, str] | None]:
        """A new frame, or the slate's words, or neither for a repeat. With the lock held."""
        while True:
            if self._closing:
                raise Finished
            now, fresh = time.monotonic(), self._fresh
            if self._urgent:
                self._urgent = False
                self._pace = Pace(self._form.rate, now)
                self._pace.repeated(now)
                return None, self._words
            if fresh is not None and now >= self._pace.ready:
                self._fresh, self._written_at = None, fresh[1]
                self._pace.took(fresh[1], now)
                return fresh[0], None
            if fresh is None and now >= self._pace.limit:
                self._pace.repeated(now)
                self._repeated += self._words is None
                return None, self._words
            until = self._pace.limit if fresh is None else self._pace.ready
            self._woken.wait(max(0.0, until - now))

    def _slate(self, words: tuple[str, str]) -> Pixels:
        if words not in self._slates:
            self._slates = {words: self._make_slate(self._form.width, self._form.height, *words)}
        return self._slates[words]

    def _say(self, state: OutputState, problem: AppError | None = None) -> None:
        with self._woken:
            changed = state is not self._state or str(problem) != str(self._problem)
            self._state, self._problem = state, problem
        if changed:
            self._on_change()

    def _ended(self, cause: BaseException | None) -> None:
        """In the thread, at its end: closed, or stopped by a fault of the device's own code."""
        problem = cause if isinstance(cause, AppError) or cause is None else _fault(cause)
        with self._woken:
            self._closing = True
        port, self._port = self._port, None
        if port is not None:
            try:
                if cause is None:
                    port.send(self._slate(CLOSED))
            except SinkError as error:
                problem = error
            finally:
                port.close()
        self._say(OutputState.CLOSED, problem)


def _fault(cause: BaseException) -> AppError:
    what = f"This output has a fault: {type(cause).__name__}: {cause}."
    return AppError(what, "Switch it off and on again.")
