"""Recording and snapshots: what the transport asks for, done by the session off the GUI thread."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from app.errors import AppError, SinkError
from app.gui.background import Background
from app.gui.problems import Offer, Problem
from app.gui.transport import Transport
from app.session import Session

RECORDING = "recording"
SNAPSHOT = "snapshot"


def fresh_path(folder: Path, suffix: str, now: datetime) -> Path:
    """A file name that is not taken: ``Omokage 2026-01-31 12.30.05.mp4``, then ``... (2).mp4``."""
    stem = f"Omokage {now:%Y-%m-%d %H.%M.%S}"
    path = folder / f"{stem}{suffix}"
    number = 2
    while path.exists():
        path = folder / f"{stem} ({number}){suffix}"
        number += 1
    return path


class Outputs(QObject):
    """Files appear in ``folder``, which is made when the first one is written."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(
        self, transport: Transport, session: Session, background: Background, folder: Path
    ) -> None:
        super().__init__(transport)
        self._transport = transport
        self._session = session
        self._background = background
        self._folder = folder
        transport.record_wanted.connect(self.record)
        transport.snapshot.clicked.connect(self.snapshot)
        transport.folder_wanted.connect(self.open_folder)

    def record(self, on: bool) -> None:
        """Start a recording in a new file, or finish the one under way."""
        if on:
            self._background.run(self._start, self._started, self._record_failed)
        else:
            self._background.run(self._session.stop_recording, self._stopped, self._record_failed)

    def snapshot(self) -> None:
        """Save the picture on show as a PNG."""

        def save() -> Path:
            path = self._fresh(".png")
            self._session.snapshot(path)
            return path

        def failed(error: AppError) -> None:
            retry = Offer("Retry", self.snapshot)
            self.problem.emit(Problem.of(error, retry, topic=SNAPSHOT))

        def saved(path: Path) -> None:
            self.solved.emit(SNAPSHOT)
            self._say_saved(path)

        self._background.run(save, saved, failed)

    def open_folder(self) -> None:
        """Show the files in the system's file browser."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    def _start(self) -> None:
        self._session.start_recording(self._fresh(".mp4"))

    def _started(self, _: None) -> None:
        self.solved.emit(RECORDING)
        self._transport.show_recording(self._session.status().recording)

    def _stopped(self, path: Path | None) -> None:
        self._transport.show_recording(self._session.status().recording)
        if path is not None:
            self._say_saved(path)

    def _record_failed(self, error: AppError) -> None:
        self._transport.show_recording(self._session.status().recording)
        retry = Offer("Record again", lambda: self.record(True))
        self.problem.emit(Problem.of(error, retry, topic=RECORDING))

    def _say_saved(self, path: Path) -> None:
        self._transport.say(f"Saved {path.name}", "Show")

    def _fresh(self, suffix: str) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(
                f"The folder {self._folder} cannot be made ({error.strerror}).",
                "Free the disk or allow writing there.",
            ) from error
        return fresh_path(self._folder, suffix, datetime.now())
