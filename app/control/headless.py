"""Carries out commands on a session without a window."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

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
from app.errors import SinkError
from app.faces import FaceLibrary
from app.paths import fresh_path
from app.scenes import Scene, SceneBook
from app.session import Session


class SessionPerformer:
    """See ``Performer``. While it is open the session's settings, the library and recordings are
    its own; commands are carried out one after the other in a thread."""

    def __init__(
        self, session: Session, library: FaceLibrary, book: SceneBook, video_dir: Path
    ) -> None:
        self._session, self._library, self._book = session, library, book
        self._video_dir = video_dir
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-work")

    def perform(self, action: Action) -> Future[dict[str, Any]]:
        """As ``Performer``."""
        return self._pool.submit(self._do, action)

    def panic(self) -> None:
        """As ``Performer``."""
        self._session.panic()

    def report(self) -> dict[str, dict[str, Any]]:
        """As ``Performer``."""
        return report_of(self._session, self._book)

    def show_scene(self, scene: Scene) -> None:
        """Show a scene from the next frame on; in the calling thread."""
        identity = scene_identity(self._library, scene)
        self._session.change_look(scene.applied_to(self._session.settings), identity)

    def close(self) -> None:
        """Finish what is being done, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _do(self, action: Action) -> dict[str, Any]:
        session = self._session
        shown = session.identity.face_id if session.identity else ""
        match action:
            case Swap() | Look():
                session.change_look(changed(session.settings, action), session.identity)
            case Panic():
                session.panic()
            case Resume():
                session.resume()
            case ShowFaces() | NextFace():
                faces = chosen_faces(self._library, action, shown)
                session.change_look(session.settings, self._library.identity_of(faces))
            case ShowScene():
                self.show_scene(self._book.get(action.name))
            case NextScene():
                self.show_scene(self._book.after(self._book.shown(session.settings, shown)))
            case Record():
                return self._record(action.on)
            case AskFor():
                return self._answer(action.what)
        return {}

    def _answer(self, what: str) -> dict[str, Any]:
        if what == "sources":
            return sources_of(self._library)
        if what == "scenes":
            return scenes_of(self._book)
        return {what: self.report()[what]}

    def _record(self, on: bool | None) -> dict[str, Any]:
        running = self._session.status().recording is not None
        on = not running if on is None else on
        if on == running:
            return {}
        if not on:
            made = self._session.stop_recording()
            return {"file": str(made) if made else None}
        try:
            self._video_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(
                f"The folder {self._video_dir} cannot be made ({error.strerror}).",
                "Free the disk or allow writing there.",
            ) from error
        path = fresh_path(self._video_dir, ".mp4", datetime.now())
        self._session.start_recording(path)
        return {"file": str(path)}
