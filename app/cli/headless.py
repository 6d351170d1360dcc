"""The live mirror without a window: a session, a status line, an orderly end."""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.automatic_build import AutomaticBuild, BuildStatus
from app.capture.opening import open_source
from app.capture.source import Source
from app.cast import further_identities
from app.cli.build_offer import engine_build
from app.cli.controlled import controlled
from app.cli.late_networks import mishap_of
from app.cli.machine import processor
from app.cli.outputs import Announcer, as_json, demanded
from app.cli.sources import enrolled, identities_from_words, identity_from_words
from app.control.performing import scene_identities
from app.errors import AppError, PictureError, SinkError
from app.faces import FaceLibrary
from app.frame import Frame
from app.paths import engines_path, faces_dir, journal_dir, scenes_path, signing_key_path
from app.pictures import is_picture
from app.pipeline import Begun, Pipeline
from app.pixel_work.contract import PixelWork
from app.pixel_work.opening import pixel_work
from app.provenance.credentials import Credentials
from app.scenes import SceneBook
from app.session import Session, SessionStatus, State
from app.settings import Settings
from app.sinks.journal import Journal
from app.sinks.recorder import check_target
from app.stages.identity import NO_WISHES, Identity, Wishes
from app.stages.occlude import asked
from app.stages.privacy import Showing
from app.timing import Timing
from app.upgrade import EngineUpgrade, tuner_for
from app.worker import Finished
from engines.loading import Engines, load_engines
from engines.memory import Memory

LOOK_S = 0.25  # between two looks at the session


class CountedPipeline(Pipeline):
    """A pipeline that ends the run (``Finished``) after ``most`` frames; never with None."""

    def __init__(self, engines: Engines, timing: Timing, work: PixelWork, most: int | None) -> None:
        super().__init__(engines, timing, work)
        self._left = most

    def begin(
        self,
        frame: Frame,
        settings: Settings,
        identity: Identity | None,
        wishes: Wishes = NO_WISHES,
    ) -> Begun:
        """As ``Pipeline.begin``."""
        if self._left == 0:
            raise Finished
        if self._left is not None:
            self._left -= 1
        return super().begin(frame, settings, identity, wishes)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a run is made of."""

    engines: Engines
    library: FaceLibrary
    pipeline: Pipeline
    timing: Timing
    automatic: AutomaticBuild


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What a run begins with, the file it records and the kinds of outputs it needs."""

    settings: Settings
    identity: Identity
    wishes: Wishes
    record: Path | None
    outputs: set[str]


def mirror(
    arguments: argparse.Namespace, settings: Settings, record: Path | None
) -> dict[str, Any]:
    """Run until the source ends, ``--frames`` are done or Ctrl-C; the figures of ``run --json``.

    ``AppError`` where the source, the pipeline or the recording failed.
    """
    if record is not None:
        check_target(record)
        if record.exists():
            raise SinkError(f"There is a file {record} already.", "Choose another name.")
    spares = asked(settings.mask)
    engines = load_engines(settings.swapper, engine=settings.engine, occluder=spares)
    for note in engines.notes:
        print(note, file=sys.stderr)
    try:
        library = FaceLibrary(faces_dir(), engines)
        if arguments.source:
            identity, further = identities_from_words(library, arguments)
        else:
            settings, identity, further = chosen_look(library, arguments, settings)
        wishes = Wishes(arguments.show_real_face, enrolled(engines, settings), further)
        wanted = _Wanted(settings, identity, wishes, record, demanded(arguments))
        timing = Timing()
        with pixel_work(engines, timing, settings.device) as work:
            automatic = _automatic_build(engines, work, settings)
            pipeline = CountedPipeline(engines, timing, work, arguments.frames)
            upgrade = EngineUpgrade(tuner_for(engines, processor()).run, automatic.run)
            with upgrade, automatic:
                return _mirror(_Parts(engines, library, pipeline, timing, automatic), wanted)
    finally:
        engines.close()


def _mirror(parts: _Parts, wanted: _Wanted) -> dict[str, Any]:
    changed = threading.Event()
    settings, record = wanted.settings, wanted.record
    seal, journal = Credentials(signing_key_path()), Journal(journal_dir())
    for sentence in journal.rescue(seal):
        print(f"omokage: {sentence}", file=sys.stderr)
    session = Session(
        parts.pipeline,
        parts.timing,
        settings,
        on_change=changed.set,
        seal=seal,
        journal=journal,
    )
    session.identity = wanted.identity
    wishes = wanted.wishes
    session.wish(real_face=wishes.real_face, me=wishes.me, further=wishes.further)
    text = settings.capture.source
    file = Path(text).expanduser()
    from_file = file.is_file() and not is_picture(file)  # a still never ends: it keeps its pace

    def opener() -> Source:
        return open_source(text, settings.capture, realtime=not from_file)

    if record is not None:
        session.start_recording(record)
    announcer = Announcer()
    try:
        session.outputs.apply(settings.outputs)
        _await_outputs(session, changed, wanted.outputs)
        with controlled(session, parts.library):
            session.start(opener, pace_loss=not from_file)
            status = _watch(session, parts, changed, announcer, recording=record is not None)
    except KeyboardInterrupt:
        status = session.status()  # the usual way to end a live run: not a failure
    finally:
        session.stop_recording()
        session.close()
    after = session.status()
    made = after.recorded  # though another program may have finished it
    _erase_line()
    announcer.warn(after.unsealed)
    if status.state is State.FAILED:
        raise status.problem or AppError("The run failed.")
    if record is not None and made is None:
        raise SinkError(after.notice or "Nothing was recorded.")
    place = parts.pipeline.place.as_dict()
    return _figures(status, parts.engines, made) | {"pixel_work": place}


def _await_outputs(session: Session, changed: threading.Event, wanted: set[str]) -> None:
    """Wait until the outputs asked for are open; ``SinkError`` where one cannot be opened."""
    while True:
        opening = False
        for output in session.outputs.status():
            if output.kind in wanted and not output.opened:
                if output.problem is not None:
                    raise output.problem
                opening = True
        if not opening:
            return
        changed.wait(LOOK_S)
        changed.clear()


def _watch(
    session: Session,
    parts: _Parts,
    changed: threading.Event,
    announcer: Announcer,
    *,
    recording: bool,
) -> SessionStatus:
    """Show a status line until the session is over, or the recording asked for has failed."""
    while True:
        status = session.status()
        announcer.tell(status.outputs)
        announcer.warn(status.refusal)
        announcer.warn(parts.automatic.status.sentence)
        announcer.warn(mishap_of(parts.engines))
        if status.state in (State.ENDED, State.FAILED):
            return status
        lost = status.recording is None and status.recorded is None
        if recording and lost and status.state is State.RUNNING:
            return status
        _status_line(status, parts.automatic.status)
        changed.wait(LOOK_S)
        changed.clear()


def _automatic_build(engines: Engines, work: PixelWork, settings: Settings) -> AutomaticBuild:
    """What builds the missing engines beside the picture, where the settings want that."""
    wanted = settings.engines.build_automatically
    return AutomaticBuild(engine_build(engines, work) if wanted else None, Memory(engines_path()))


def _status_line(status: SessionStatus, building: BuildStatus) -> None:
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
    if status.away is not None:
        parts.append(status.away.what)
    if building.step is not None:
        parts.append(f"building engines {100 * building.step.share:.0f} %")
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
        "state": State.ENDED.value,  # also by Ctrl-C; what failed was raised
        "frames": report.frames,
        "fps": round(report.fps, 2),
        "latency_ms": report.latency_ms.as_dict(),
        "dropped": status.dropped,
        "source": source.name if source else "",
        "resolution": f"{source.width}x{source.height}" if source else "",
        "source_fps": round(status.measured_rate, 2),
        "shown": {state.value: status.shown.get(state, 0) for state in Showing},
        "recoveries": status.recoveries,
        "governor": status.governor.as_dict() if status.governor else None,
        "recording": str(made) if made else None,
        "refusal": status.refusal,
        "outputs": [as_json(output) for output in status.outputs],
        "device": engines.device,
        "engine": engines.engine,
        "engines": [rung.as_dict() for rung in engines.rungs()],
    }


def chosen_look(
    library: FaceLibrary, arguments: argparse.Namespace, settings: Settings
) -> tuple[Settings, Identity, tuple[Identity, ...]]:
    """Settings and identities to begin with: of ``--scene``, else as last used."""
    if not arguments.scene:
        chosen = chosen_identity(library, arguments, settings)
        return settings, chosen, further_identities(library, settings)
    scene = SceneBook(scenes_path()).get(arguments.scene)
    return scene.applied_to(settings), *scene_identities(library, scene)


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
