"""Carries out commands in the window's thread: those of keys, scenes and other programs alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.control.commands import (
    Action,
    AskFor,
    Look,
    NextFace,
    NextScene,
    Panic,
    Record,
    Resume,
    ShowFaces,
    ShowScene,
    Swap,
)
from app.control.performing import (
    changed,
    chosen_faces,
    report_of,
    scene_identity,
    scenes_of,
    sources_of,
)
from app.errors import AppError
from app.faces import FaceLibrary
from app.gui.background import Background
from app.gui.problems import Problem
from app.scenes import Scene, SceneBook
from app.session import Session
from app.settings import Settings, with_value
from app.stages.identity import Identity

TOPIC = "command"


@dataclass(frozen=True)
class Acts:
    """What the window does for a command; called in its thread."""

    use: Callable[[Settings, Identity | None], None]
    panic: Callable[[], None]
    resume: Callable[[], None]
    record: Callable[[bool], None]
    show_face: Callable[[str], None]  # mark it in the gallery


class Commander(QObject):
    """A ``Performer``: may be called from any thread. ``faces_work`` is the library's thread."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    _wanted = Signal(object, object)  # Action, Future
    _panicked = Signal()

    def __init__(
        self,
        session: Session,
        library: FaceLibrary,
        book: SceneBook,
        faces_work: Background,
        acts: Acts,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._library, self._book = session, library, book
        self._faces_work, self._acts = faces_work, acts
        self._wanted.connect(self._begin)
        self._panicked.connect(acts.panic)

    def do(self, action: Action) -> None:
        """Carry it out in the window's thread; a failure goes to the bar."""
        future: Future[dict[str, Any]] = Future()
        future.add_done_callback(self._tell)
        self._begin(action, future)

    def perform(self, action: Action) -> Future[dict[str, Any]]:
        """As ``Performer``."""
        future: Future[dict[str, Any]] = Future()
        self._wanted.emit(action, future)
        return future

    def panic(self) -> None:
        """As ``Performer``: the picture at once, the window's words when it comes to it."""
        self._session.panic()
        self._panicked.emit()

    def report(self) -> dict[str, dict[str, Any]]:
        """As ``Performer``."""
        return report_of(self._session, self._book)

    @property
    def face_id(self) -> str:
        """The identity in use; empty for none."""
        identity = self._session.identity
        return identity.face_id if identity else ""

    @Slot(object, object)
    def _begin(self, action: Action, future: Future[dict[str, Any]]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            self._do(action, future)
        except AppError as error:
            future.set_exception(error)

    def _do(self, action: Action, future: Future[dict[str, Any]]) -> None:
        session, acts = self._session, self._acts
        match action:
            case ShowFaces() | NextFace():
                self._show_faces(action, future)
                return
            case ShowScene():
                self._show_scene(self._book.get(action.name), future)
                return
            case NextScene():
                shown = self._book.shown(session.settings, self.face_id)
                self._show_scene(self._book.after(shown), future)
                return
            case AskFor(what="sources"):
                self._in_library(lambda: sources_of(self._library), future.set_result, future)
                return
            case AskFor(what="scenes"):
                future.set_result(scenes_of(self._book))
                return
            case AskFor():
                future.set_result({action.what: self.report()[action.what]})
                return
            case Swap() | Look():
                acts.use(changed(session.settings, action), session.identity)
            case Panic():
                acts.panic()
            case Resume():
                acts.resume()
            case Record():
                running = session.status().recording is not None
                on = not running if action.on is None else action.on
                if on != running:
                    acts.record(on)
        future.set_result({})

    def _show_scene(self, scene: Scene, future: Future[dict[str, Any]]) -> None:
        def ready(identity: Identity) -> None:
            self._acts.use(scene.applied_to(self._session.settings), identity)
            self._acts.show_face(scene.faces[0])
            future.set_result({})

        self._in_library(lambda: scene_identity(self._library, scene), ready, future)

    def _show_faces(self, action: ShowFaces | NextFace, future: Future[dict[str, Any]]) -> None:
        shown = self.face_id

        def prepare() -> tuple[str, Identity]:
            faces = chosen_faces(self._library, action, shown)
            return faces[0].face_id, self._library.identity_of(faces)

        def ready(prepared: tuple[str, Identity]) -> None:
            face_id, identity = prepared
            self._acts.use(with_value(self._session.settings, "source_face", face_id), identity)
            self._acts.show_face(face_id)
            future.set_result({})

        self._in_library(prepare, ready, future)

    def _in_library(
        self, work: Callable[[], Any], ready: Callable[[Any], None], future: Future[Any]
    ) -> None:
        self._faces_work.run(work, ready, future.set_exception)

    def _tell(self, future: Future[dict[str, Any]]) -> None:
        error = future.exception()
        if isinstance(error, AppError):
            self.problem.emit(Problem.of(error, topic=TOPIC))
        elif error is None:
            self.solved.emit(TOPIC)
