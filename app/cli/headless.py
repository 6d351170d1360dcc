"""The live mirror without a window: a session, a status line, an orderly end."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import Any

from app.capture.opening import open_source
from app.capture.source import Source
from app.cli.sources import identity_from_words
from app.errors import AppError, PictureError, SinkError
from app.faces import FaceLibrary
from app.frame import Frame
from app.paths import faces_dir
from app.pictures import is_picture
from app.pipeline import Pipeline, Processed
from app.session import Session, SessionStatus, State
from app.settings import Settings
from app.sinks.recorder import check_target
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from app.worker import Finished
from engines.loading import Engines, load_engines

LOOK_S = 0.25  # between two looks at the session


class CountedPipeline(Pipeline):
    """A pipeline that ends the run (``Finished``) after ``most`` frames; never with None."""

    def __init__(self, engines: Engines, timing: Timing, most: int | None) -> None:
        super().__init__(engines, timing)
        self._left = most

    def process(self, frame: Frame, settings: Settings, identity: Identity | None) -> Processed:
        """As ``Pipeline.process``."""
        if self._left == 0:
            raise Finished
        if self._left is not None:
            self._left -= 1
        return super().process(frame, settings, identity)


def mirror(
    arguments: argparse.Namespace, settings: Settings, record: Path | None
) -> dict[str, Any]:
    """Run until the source ends, ``--frames`` are done or Ctrl-C; the figures of ``run --json``.

    ``AppError`` where the source, the pipeline or the recording failed.
    """
    if record is not None:
        check_target(record)
    engines = load_engines(settings.swapper)
    for note in engines.notes:
        print(note, file=sys.stderr)
    try:
        identity = chosen_identity(FaceLibrary(faces_dir(), engines), arguments, settings)
        return _mirror(engines, settings, identity, record, arguments.frames)
    finally:
        engines.close()


def _mirror(
    engines: Engines,
    settings: Settings,
    identity: Identity,
    record: Path | None,
    frames: int | None,
) -> dict[str, Any]:
    timing = Timing()
    changed = threading.Event()
    session = Session(
        CountedPipeline(engines, timing, frames), timing, settings, on_change=changed.set
    )
    session.identity = identity
    text = settings.capture.source
    file = Path(text).expanduser()
    from_file = file.is_file() and not is_picture(file)  # a still never ends: it keeps its pace

    def opener() -> Source:
        return open_source(text, settings.capture, realtime=not from_file)

    if record is not None:
        session.start_recording(record)
    try:
        session.start(opener, pace_loss=not from_file)
        status = _watch(session, changed, recording=record is not None)
    except KeyboardInterrupt:
        status = session.status()  # the usual way to end a live run: not a failure
    finally:
        made = session.stop_recording()
        session.stop()
    after = session.status()
    _erase_line()
    if status.state is State.FAILED:
        raise status.problem or AppError("The run failed.")
    if record is not None and made is None:
        raise SinkError(after.notice or "Nothing was recorded.")
    return _figures(status, engines, made)


def _watch(session: Session, changed: threading.Event, *, recording: bool) -> SessionStatus:
    """Show a status line until the session, or the recording asked for, is over."""
    while True:
        status = session.status()
        if status.state in (State.ENDED, State.FAILED):
            return status
        if recording and status.state is State.RUNNING and status.recording is None:
            return status
        _status_line(status)
        changed.wait(LOOK_S)
        changed.clear()


def _status_line(status: SessionStatus) -> None:
    if not sys.stderr.isatty():
        return
    report = status.timing
    parts = [
        status.source.name if status.source else "opening",
        f"{report.fps:5.1f} frames/s",
        f"p50 {report.latency_ms.p50:5.1f} ms",
        f"p95 {report.latency_ms.p95:5.1f} ms",
        f"{status.dropped} dropped",
    ]
    if status.recording:
        megabytes = status.recording.bytes_written / 2**20
        parts.append(f"recording {status.recording.seconds:.0f} s, {megabytes:.1f} MB")
    print("\r\x1b[K" + "  ".join(parts), end="", file=sys.stderr, flush=True)


def _erase_line() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _figures(status: SessionStatus, engines: Engines, made: Path | None) -> dict[str, Any]:
    report, source = status.timing, status.source
    return {
        "state": status.state.value,
        "frames": report.frames,
        "fps": round(report.fps, 2),
        "latency_ms": report.latency_ms.as_dict(),
        "dropped": status.dropped,
        "source": source.name if source else "",
        "resolution": f"{source.width}x{source.height}" if source else "",
        "source_fps": round(status.measured_rate, 2),
        "shown": {state.value: status.shown.get(state, 0) for state in Showing},
        "recording": str(made) if made else None,
        "device": engines.device,
        "engine": engines.engine,
    }


def chosen_identity(
    library: FaceLibrary, arguments: argparse.Namespace, settings: Settings
) -> Identity:
    """The named source face, else the one last used, else the first persona."""
    if arguments.source:
        return identity_from_words(library, arguments)
    faces = library.list()
    chosen = library.get(settings.source_face) or (faces[0] if faces else None)
    if chosen is None:
        raise PictureError("There is no source face.", "Name a picture with --source.")
    return library.identity(chosen)
