"""A session's recording: made for a run, sealed where its pictures were altered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.frame import Frame
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
