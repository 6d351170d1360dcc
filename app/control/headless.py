"""Carries out commands on a session without a window."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from app.control.carrying_out import Answer, carry_out
from app.control.commands import Action
from app.control.performing import report_of
from app.errors import SinkError
from app.faces import FaceLibrary
from app.paths import fresh_path
from app.scenes import SceneBook
from app.session import Session

T = TypeVar("T")


class SessionPerformer:
    """See ``Performer``. While it is open the session's settings, the library and recordings are
    its own; commands are carried out one after the other in a thread."""

    def __init__(
        self, session: Session, library: FaceLibrary, book: SceneBook, video_dir: Path
    ) -> None:
        self._session, self._library, self._book = session, library, book
        self._desk = _Desk(session, video_dir)
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

    def close(self) -> None:
        """Finish what is being done, drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _do(self, action: Action) -> Answer:
        answer: Answer = {}
        carry_out(action, self._session, self._library, self._book, self._desk, answer.update)
        return answer


class _Desk:
    """See ``Desk``; everything is done at once."""

    def __init__(self, session: Session, video_dir: Path) -> None:
        self._session, self._video_dir = session, video_dir
        self.use, self.panic, self.resume = session.change_look, session.panic, session.resume

    def show_face(self, face_id: str) -> None:
        """Nobody looks."""

    def in_library(self, work: Callable[[], T], ready: Callable[[T], None]) -> None:
        ready(work())

    def record(self, on: bool) -> Answer:
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
