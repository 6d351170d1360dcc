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
from app.paths import fresh_path
from app.session import Session, SessionStatus

RECORDING = "recording"
SNAPSHOT = "snapshot"


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
        self._recording = False  # what was asked for last
        transport.record_wanted.connect(self.record)
        transport.snapshot.clicked.connect(self.snapshot)
        transport.folder_wanted.connect(self.open_folder)

    def record(self, on: bool) -> None:
        """Start a recording in a new file, or finish the one under way."""
        self._recording = on
        if on:
            self._background.run(self._start, self._started, self._not_started)
        else:
            self._background.run(self._finish, self._stopped, self._record_failed)

    def finish(self) -> None:
        """Finish the recording if there is one: its source is about to go."""
        if self._recording:
            self.record(False)

    def finish_now(self) -> AppError | None:
        """Finish the recording and wait for it; what went wrong, for the end of the program."""
        if not self._recording:
            return None
        self._recording = False
        try:
            path, notice = self._background.finish(self._finish)
        except AppError as error:
            return error
        return None if path is not None or not notice else SinkError(notice)

    def show_status(self, status: SessionStatus) -> None:
        """Follow the recording; one that ended by itself is asked what became of it."""
        self._transport.show_recording(status.recording)
        begun = not self._background.busy  # else it may only be about to begin
        if self._recording and begun and status.recording is None:
            self.record(False)

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
            self._transport.say_saved(path.name)

        self._background.run(save, saved, failed)

    def open_folder(self) -> None:
        """Show the files in the system's file browser."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    def _start(self) -> None:
        self._session.start_recording(self._fresh(".mp4"))

    def _finish(self) -> tuple[Path | None, str]:
        path = self._session.stop_recording()
        return path, self._session.status().notice

    def _started(self, _: None) -> None:
        self.solved.emit(RECORDING)
        self.show_status(self._session.status())

    def _not_started(self, error: AppError) -> None:
        self._recording = self._session.status().recording is not None  # another one may run
        self._record_failed(error)

    def _stopped(self, result: tuple[Path | None, str]) -> None:
        path, notice = result
        self._transport.show_recording(self._session.status().recording)
        unsealed = self._session.status().unsealed
        if path is not None:
            self._transport.say_saved(path.name)
            if unsealed:
                self.problem.emit(Problem(unsealed, topic=RECORDING))
        elif notice:
            self._record_failed(SinkError(notice))

    def _record_failed(self, error: AppError) -> None:
        self._transport.show_recording(self._session.status().recording)
        retry = Offer("Record again", lambda: self.record(True))
        self.problem.emit(Problem.of(error, retry, topic=RECORDING))

    def _fresh(self, suffix: str) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(
                f"The folder {self._folder} cannot be made ({error.strerror}).",
                "Free the disk or allow writing there.",
            ) from error
        return fresh_path(self._folder, suffix, datetime.now())
