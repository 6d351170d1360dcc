"""A session's recordings: one at a time, made for a run, sealed where pictures were altered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import SinkError, as_problem
from app.frame import Frame
from app.mailbox import Closed
from app.run import Run
from app.session_status import RecordingStatus
from app.sinks.feed import SinkFeed
from app.sinks.journal import Journal
from app.sinks.recorder import Recorder
from app.sinks.seal import Seal, SealIfAltered

DEFAULT_RATE = 30.0  # where the source does not say


@dataclass(frozen=True, eq=False)
class Recording:
    """A file that is being written: ``altered`` is set once a frame is not the plain picture."""

    path: Path
    feed: SinkFeed
    altered: threading.Event

    def status(self) -> RecordingStatus:
        """How far it is."""
        sink, dropped = self.feed.sink, self.feed.dropped
        if not isinstance(sink, Recorder):
            return RecordingStatus(self.path, 0.0, 0, dropped)
        return RecordingStatus(self.path, sink.seconds, sink.bytes_written, dropped)

    def put(self, frame: Frame, *, altered: bool) -> None:
        """Add a frame; nothing where it ended meanwhile."""
        if altered:
            self.altered.set()
        with contextlib.suppress(Closed):
            self.feed.put(frame)


@dataclass(frozen=True, eq=False)
class RecordingState:
    """How it stands: what runs, the file finished last in this run, and sentences."""

    current: Recording | None = None
    recorded: Path | None = None
    notice: str = ""
    unsealed: str = ""


class Recordings:
    """One recording at a time. May be used from any thread; ``on_change`` from the sink's.

    ``seal`` and ``journal`` as ``Session`` has them.
    """

    def __init__(
        self, seal: Seal | None, journal: Journal | None, on_change: Callable[[], None]
    ) -> None:
        self._seal, self._journal, self._on_change = seal, journal, on_change
        self._lock = threading.Lock()  # guards all below
        self._pending: Path | None = None  # asked for before there was a run
        self._current: Recording | None = None
        self._recorded: Path | None = None
        self._taken = False  # by ``stop``
        self._notice = self._unsealed = ""

    @property
    def current(self) -> Recording | None:
        """The one under way."""
        return self._current

    def state(self) -> RecordingState:
        """All of it, of one moment."""
        with self._lock:
            return RecordingState(self._current, self._recorded, self._notice, self._unsealed)

    def new_run(self, run: Run) -> None:
        """What was said before is over; what was asked for begins."""
        with self._lock:
            self._recorded, self._notice = None, ""
            pending, self._pending = self._pending, None
            if pending is not None:
                self._current = self._recording_of(run, pending)

    def start(self, path: Path, run: Run | None) -> None:
        """Begin one of ``run``, or of the next one; ``SinkError`` where one is under way."""
        with self._lock:
            if self._current is not None:
                raise SinkError(
                    f"{self._current.path.name} is being recorded.", "Stop that recording first."
                )
            self._recorded = None
            if run is None:
                self._pending = path
            else:
                self._current = self._recording_of(run, path)

    def stop(self) -> Path | None:
        """Finish what runs and wait for it; the file nobody took yet, if there is one."""
        with self._lock:
            current, self._pending = self._current, None
        if current is not None:
            current.feed.finish()
        with self._lock:
            taken, self._taken = self._taken, True
            return None if taken else self._recorded

    def _recording_of(self, run: Run, path: Path) -> Recording:
        return recording_of(run, path, self._seal, self._journal, self._ended)

    def _ended(self, feed: SinkFeed) -> None:
        """In the sink's thread: it was finished, or failed."""
        with self._lock:
            current = self._current
            if current is None or current.feed is not feed:
                return
            self._current = None
            if feed.problem is not None:
                self._notice = str(as_problem(feed.problem))
            elif feed.sink is None:
                self._notice = f"{current.path.name} was not recorded: no frame came."
            else:
                self._recorded, self._taken = current.path, False
                self._unsealed = feed.sink.unsealed if isinstance(feed.sink, Recorder) else ""
                self._notice = f"Saved {current.path}."
        self._on_change()


def recording_of(
    run: Run,
    path: Path,
    seal: Seal | None,
    journal: Journal | None,
    ended: Callable[[SinkFeed], None],
) -> Recording:
    """A recording of ``run`` that is opened by its first frame; ``ended`` as ``SinkFeed`` says."""
    altered = threading.Event()
    sealing = None if seal is None else SealIfAltered(seal, altered)

    def opened(frame: Frame) -> Recorder:
        height, width = frame.pixels.shape[:2]
        rate = run.info.rate if run.info else 0.0
        rate = rate if rate >= 1 else DEFAULT_RATE
        live = not run.lossless
        return Recorder(path, width, height, rate, live=live, seal=sealing, journal=journal)

    return Recording(path, SinkFeed(opened, ended, waits=run.lossless), altered)
