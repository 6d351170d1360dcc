"""Opens the window: builds every object it needs and hands them over."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from app.automatic_build import AutomaticBuild
from app.capture.opening import list_cameras, open_source
from app.cli.build_offer import engine_build
from app.cli.late_networks import mishap_of
from app.cli.machine import QT_ALWAYS, QT_X11, missing_libraries, processor
from app.cli.sources import consent_words, find_source, terms
from app.control.performing import Performer
from app.control.server import ControlServer
from app.control.token import control_token
from app.enrolment import Enrolments
from app.errors import AppError, EngineError, PictureError
from app.faces import FaceLibrary, SourceFace
from app.hotkeys.grab import grab_keys, unavailable
from app.paths import (
    config_path,
    control_address_path,
    control_token_path,
    default_video_dir,
    engines_path,
    enrolment_path,
    faces_dir,
    journal_dir,
    scenes_path,
    signing_key_path,
)
from app.pipeline import Pipeline
from app.pixel_work.opening import pixel_work
from app.provenance.credentials import Credentials
from app.scenes import SceneBook, joined
from app.session import Session
from app.settings import OCCLUDER_SETTINGS, Settings, with_value
from app.sinks.journal import Journal
from app.stages.occlude import asked
from app.timing import Timing
from app.upgrade import EngineUpgrade, tuner_for
from engines.loading import NO_OCCLUDER, Engines, load_engines
from engines.memory import Memory

HEADLESS = "Use swap, bench or run --headless here, or start it under xvfb-run."


def open_window(
    arguments: argparse.Namespace, settings: Settings, problems: list[str], kept: Settings
) -> int:
    """Show the window until it is closed; the exit status. ``AppError`` where it cannot open.

    What of ``settings`` differs from those that are ``kept`` holds for this run alone.
    """
    check_screen()
    try:
        from app.gui.application import run_window
        from app.gui.services import EngineLine, GuiServices
    except ImportError as error:
        raise AppError(
            f"The window cannot be loaded ({error}).", "Run omokage doctor for what is missing."
        ) from error
    notes = list(problems)
    engines = _engines(settings, notes)
    opened = contextlib.ExitStack()
    try:
        library = FaceLibrary(faces_dir(), engines)
        if arguments.source:
            settings = _with_sources(settings, library, arguments)
        if arguments.scene:  # or a sentence before the window opens
            settings = SceneBook(scenes_path()).get(arguments.scene).applied_to(settings)
        timing = Timing()
        seal, journal = Credentials(signing_key_path()), Journal(journal_dir())
        notes += engines.notes
        no_effect: dict[str, str] = {}
        if engines.occluder is None and engines.reserve is None:
            no_effect = dict.fromkeys(OCCLUDER_SETTINGS, " ".join(engines.notes) or NO_OCCLUDER)
        work = opened.enter_context(pixel_work(engines, timing, settings.device))
        offer = engine_build(engines, work)
        by_itself = offer if settings.engines.build_automatically else None
        automatic = AutomaticBuild(by_itself, Memory(engines_path()))

        def make_session(on_change: Callable[[], None], on_preview: Callable[[], None]) -> Session:
            return Session(
                Pipeline(engines, timing, work),
                timing,
                settings,
                on_change=on_change,
                on_preview=on_preview,
                seal=seal,
                journal=journal,
            )

        services = GuiServices(
            list_cameras=list_cameras,
            open_source=open_source,
            engine=lambda: EngineLine(engines.engine, tuple(other_engines(engines))),
            settings_path=config_path(),
            video_dir=default_video_dir(),
            notes=tuple(notes),
            rescue=lambda: journal.rescue(seal),
            engine_build=offer,
            automatic_build=automatic,
            enrolments=Enrolments(enrolment_path(), engines),
            scenes_path=scenes_path(),
            open_control=_open_control,
            grab=None if unavailable() else grab_keys,
            no_grab=unavailable(),
            scene=arguments.scene or "",
            machine=processor(),
            unavailable=no_effect,
            kept_settings=kept,
            mishap=lambda: mishap_of(engines),
        )
        upgrade = EngineUpgrade(tuner_for(engines, processor()).run, automatic.run)
        with upgrade, automatic, _signals_close_the_window():
            return run_window(make_session, library, services)
    finally:
        opened.close()
        engines.close()


def _open_control(performer: Performer, port: int) -> ControlServer:
    token = control_token(control_token_path())
    return ControlServer(performer, token, port, address_path=control_address_path())


@contextlib.contextmanager
def _signals_close_the_window() -> Iterator[None]:
    """Ctrl-C and SIGTERM close it in order: settings saved, a recording finished."""
    from PySide6.QtWidgets import QApplication

    def close(number: int, frame: FrameType | None) -> None:
        QApplication.closeAllWindows()

    before = {number: signal.signal(number, close) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_screen() -> None:
    """Raise ``AppError`` where Qt would end the process: no display, or libraries missing."""
    if sys.platform != "linux":
        return
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    missing = missing_libraries()
    wayland = bool(os.environ.get("WAYLAND_DISPLAY"))
    if not platform and not wayland and not os.environ.get("DISPLAY"):
        raise AppError("There is no display to open the window on.", HEADLESS)
    x11 = platform.startswith("xcb") or (not platform and not wayland)
    needed = [name for name in missing if name in QT_ALWAYS or x11]
    if needed:
        packages = " ".join((QT_ALWAYS | QT_X11)[name] for name in needed)
        raise AppError(
            f"The window needs shared libraries that are missing: {', '.join(needed)}.",
            f"On Debian or Ubuntu run: sudo apt install {packages}",
        )
    if x11 and not _answers():
        raise AppError(f"The display {os.environ.get('DISPLAY', '')} does not answer.", HEADLESS)


def _answers() -> bool:
    """Whether the X server of DISPLAY takes a connection."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # Qt brings its own way then
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


def other_engines(engines: Engines) -> Iterator[str]:
    """For each engine that does not run everything: what it is, and why."""
    for rung in engines.rungs():
        if rung.why:
            yield f"{rung.title}: {rung.why}"


def _engines(settings: Settings, notes: list[str]) -> Engines:
    """The swapper of the settings; where it cannot be used, our own and a sentence about it."""
    try:
        spares = asked(settings.mask)
        return load_engines(settings.swapper, engine=settings.engine, occluder=spares)
    except EngineError as error:
        plain = Settings()
        if settings.engine != plain.engine:
            notes.append(f"{error} Another engine is used instead.")
            return _engines(with_value(settings, "engine", plain.engine), notes)
        if settings.swapper == plain.swapper:
            raise
        notes.append(f"{error} The built-in swapper is used instead.")
        return load_engines(occluder=spares)


def _with_sources(
    settings: Settings, library: FaceLibrary, arguments: argparse.Namespace
) -> Settings:
    """With ``--source``: one face, or with ``--faces each`` one for every person."""
    if settings.detector.faces != "each":
        return with_value(settings, "source_face", _one_face(library, arguments).face_id)
    first, *further = (
        _one_face(library, argparse.Namespace(**vars(arguments) | {"source": [word]})).face_id
        for word in arguments.source
    )
    settings = with_value(settings, "source_face", first)
    return with_value(settings, "further_faces", joined(further))


def _one_face(library: FaceLibrary, arguments: argparse.Namespace) -> SourceFace:
    """The face the window begins with; pictures are added to the library, with their consent."""
    sources = [find_source(library, word) for word in arguments.source]
    faces = [source for source in sources if isinstance(source, SourceFace)]
    pictures = [source for source in sources if not isinstance(source, SourceFace)]
    if len(faces) == 1 and not pictures:
        return faces[0]
    if faces:
        raise PictureError(
            "The window shows one face: a persona, or pictures of one person.",
            "Add --faces each to give every person one of them, or --headless to average them.",
        )
    kept = library.kept_from(pictures)
    if kept is not None:
        return kept
    basis, person = consent_words(library, pictures[0], arguments)
    name = pictures[0].stem
    return library.add(pictures, name, basis, person, arguments.note, **terms(arguments))
