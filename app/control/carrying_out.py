"""Carrying out a command, for the window and for a run without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

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
    scene_identities,
    scenes_of,
    sources_of,
)
from app.faces import FaceLibrary
from app.scenes import Scene, SceneBook
from app.session import Session
from app.settings import Settings, with_value
from app.stages.identity import Identity

T = TypeVar("T")
Answer = dict[str, Any]


class Desk(Protocol):
    """What a front end does for a command; called in the thread that gives it."""

    def use(
        self,
        settings: Settings,
        identity: Identity | None,
        further: tuple[Identity, ...] | None = None,
    ) -> None:
        """Change settings and faces between two frames; None leaves the further people's."""

    def show_face(self, face_id: str) -> None:
        """Mark the face that is shown now."""

    def panic(self) -> None:
        """Hide the picture."""

    def resume(self) -> None:
        """Show it again."""

    def record(self, on: bool) -> Answer:
        """Begin or finish a recording; the answer."""

    def in_library(self, work: Callable[[], T], ready: Callable[[T], None]) -> None:
        """Have ``work`` done where the library may be used, then ``ready`` in this thread."""


def carry_out(
    action: Action,
    session: Session,
    library: FaceLibrary,
    book: SceneBook,
    desk: Desk,
    answer: Callable[[Answer], None],
) -> None:
    """Do it and ``answer``; ``AppError`` where it cannot be done."""
    shown = session.identity.face_id if session.identity else ""
    match action:
        case ShowFaces() | NextFace():
            _show_faces(action, shown, session, library, desk, answer)
        case ShowScene():
            _show_scene(book.get(action.name), session, library, desk, answer)
        case NextScene():
            scene = book.after(book.shown(session.settings, shown))
            _show_scene(scene, session, library, desk, answer)
        case AskFor(what="sources"):
            desk.in_library(lambda: sources_of(library), answer)
        case AskFor(what="scenes"):
            answer(scenes_of(book))
        case AskFor():
            answer({action.what: report_of(session, book)[action.what]})
        case Swap() | Look():
            desk.use(changed(session.settings, action), session.identity)
            answer({})
        case Panic():
            desk.panic()
            answer({})
        case Resume():
            desk.resume()
            answer({})
        case Record():
            running = session.status().recording is not None
            on = not running if action.on is None else action.on
            answer({} if on == running else desk.record(on))


def _show_scene(
    scene: Scene,
    session: Session,
    library: FaceLibrary,
    desk: Desk,
    answer: Callable[[Answer], None],
) -> None:
    def ready(prepared: tuple[Identity, tuple[Identity, ...]]) -> None:
        desk.use(scene.applied_to(session.settings), *prepared)
        desk.show_face(scene.faces[0])
        answer({})

    desk.in_library(lambda: scene_identities(library, scene), ready)


def _show_faces(
    action: ShowFaces | NextFace,
    shown: str,
    session: Session,
    library: FaceLibrary,
    desk: Desk,
    answer: Callable[[Answer], None],
) -> None:
    def prepare() -> tuple[str, Identity]:
        faces = chosen_faces(library, action, shown)
        return faces[0].face_id, library.identity_of(faces)

    def ready(prepared: tuple[str, Identity]) -> None:
        face_id, identity = prepared
        desk.use(with_value(session.settings, "source_face", face_id), identity)
        desk.show_face(face_id)
        answer({})

    desk.in_library(prepare, ready)
