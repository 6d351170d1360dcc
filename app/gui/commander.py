"""Carries out commands in the window's thread: those of keys, scenes and other programs alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from app.control.carrying_out import Answer, carry_out
from app.control.commands import Action
from app.control.performing import report_of
from app.errors import AppError
from app.faces import FaceLibrary
from app.gui.background import Background
from app.gui.problems import Problem
from app.scenes import SceneBook
from app.session import Session
from app.settings import Settings
from app.stages.identity import Identity

TOPIC = "command"
T = TypeVar("T")


class Use(Protocol):
    """See ``Desk.use``."""

    def __call__(
        self,
        settings: Settings,
        identity: Identity | None,
        further: tuple[Identity, ...] | None = None,
    ) -> None:
        """Change them."""


@dataclass(frozen=True)
class Acts:
    """What the window does for a command; called in its thread."""

    use: Use
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
        future: Future[Answer] = Future()
        future.add_done_callback(self._tell)
        self._begin(action, future)

    def perform(self, action: Action) -> Future[Answer]:
        """As ``Performer``."""
        future: Future[Answer] = Future()
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
    def _begin(self, action: Action, future: Future[Answer]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        desk = _Desk(self._acts, self._faces_work, future)
        try:
            carry_out(action, self._session, self._library, self._book, desk, future.set_result)
        except AppError as error:
            future.set_exception(error)

    def _tell(self, future: Future[Answer]) -> None:
        error = future.exception()
        if isinstance(error, AppError):
            self.problem.emit(Problem.of(error, topic=TOPIC))
        elif error is None:
            self.solved.emit(TOPIC)


class _Desk:
    """See ``Desk``; what fails in the library's thread is the answer of ``future``."""

    def __init__(self, acts: Acts, faces_work: Background, future: Future[Answer]) -> None:
        self._faces_work, self._future = faces_work, future
        self.use, self.show_face = acts.use, acts.show_face
        self.panic, self.resume, self._record = acts.panic, acts.resume, acts.record

    def record(self, on: bool) -> Answer:
        self._record(on)
        return {}

    def in_library(self, work: Callable[[], T], ready: Callable[[T], None]) -> None:
        self._faces_work.run(work, ready, self._future.set_exception)
