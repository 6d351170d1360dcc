"""Opening cameras, files and the demo, and what the preview says while there is no picture."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.capture.opening import CameraEntry
from app.errors import AppError
from app.gui.background import Background
from app.gui.intake import CLIPS, PICTURES, pattern
from app.gui.message import Message
from app.gui.preview import Preview
from app.gui.problems import Offer, Problem
from app.gui.services import GuiServices
from app.gui.source_bar import DEMO, SourceBar, shows_demo
from app.session import Session, SessionStatus, State

SOURCE = "source"


class SourceDesk(QObject):
    """Starts the session with what the user picks; the session's state decides what is shown."""

    source_changed = Signal(str)  # as for ``open_source``
    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    leaving = Signal()  # another source is about to replace the one that runs
    automatic_demo = Signal()  # there was no camera, so the demo was opened

    def __init__(
        self,
        bar: SourceBar,
        preview: Preview,
        session: Session,
        services: GuiServices,
        background: Background,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._bar = bar
        self._preview = preview
        self._session = session
        self._services = services
        self._background = background
        self._window = window
        self._told: AppError | None = None
        self._opening = 0
        self.file_dialog: QFileDialog | None = None
        bar.source_wanted.connect(self.open)
        bar.refresh_wanted.connect(self.list_cameras)
        bar.file_wanted.connect(self.ask_for_file)
        preview.action.connect(self.retry)

    @property
    def wanted(self) -> str:
        """The source in the settings; empty for the first camera, else the demo."""
        return self._session.settings.capture.source

    @property
    def busy(self) -> bool:
        """Whether a source is being opened, or cameras are being listed."""
        return self._opening > 0 or self._background.busy

    def begin(self) -> None:
        """List the cameras and open the source of the settings."""
        self.list_cameras()
        self.retry()

    def list_cameras(self) -> None:
        """Look which cameras there are."""

        def listed(cameras: list[CameraEntry]) -> None:
            self._bar.show_cameras(cameras, self.wanted)
            self._bar.refresh.setEnabled(True)

        def failed(error: AppError) -> None:
            self._bar.refresh.setEnabled(True)
            retry = Offer("Retry", self.list_cameras)
            self.problem.emit(Problem.of(error, retry, topic="cameras"))

        self._bar.refresh.setEnabled(False)
        self._background.run(self._services.list_cameras, listed, failed)

    def open(self, text: str) -> None:
        """Open this source and remember it."""
        self.source_changed.emit(text)
        self._bar.choose(text)
        self.retry()

    def retry(self) -> None:
        """Open the source of the settings (again)."""
        self.leaving.emit()
        text, capture = self.wanted, self._session.settings.capture
        self._told = None
        self.solved.emit(SOURCE)
        self._preview.clear()
        self._preview.set_message(Message("Starting", self._starting_text(text), busy=True))
        self._opening += 1
        self._background.run(
            lambda: self._session.start(lambda: self._services.open_source(text, capture)),
            self._opened,
            self._failed_to_open,
        )

    def ask_for_file(self) -> None:
        """Let the user pick a clip or a picture as the source."""
        dialog = QFileDialog(self._window, "Open a video or picture")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        both = pattern(CLIPS | PICTURES)
        dialog.setNameFilters([f"Videos and pictures ({both})", "All files (*)"])
        dialog.fileSelected.connect(self.open)
        dialog.finished.connect(dialog.deleteLater)
        self.file_dialog = dialog
        dialog.open()

    def show_status(self, status: SessionStatus) -> None:
        """Words over the preview, the bar at the top, and the problem, once."""
        if self._opening:
            return  # this status is of the source before
        running = status.state is State.RUNNING
        shown = status.source if running or status.state is State.ENDED else None
        self._bar.show_source(shown, status.measured_rate if running else 0.0, self.wanted)
        if running and not self.wanted and shows_demo(status.source):
            self.automatic_demo.emit()
        if running:
            started = self._preview.shown is not None
            self._preview.set_message(None if started else self._starting())
        elif status.state is State.STARTING:
            self._preview.set_message(self._starting())
        elif status.state is State.ENDED:
            self._preview.set_message(Message("The video has ended", button="Play again"))
        elif status.state is State.FAILED:
            self._preview.set_message(Message("No picture", "The source stopped.", button="Retry"))
        else:
            self._preview.set_message(
                Message("Nothing is open", "Choose a camera above, or drop a video here.")
            )
        if status.state is State.FAILED and status.problem is not None:
            self._tell(status.problem)

    def _tell(self, error: AppError) -> None:
        if error is self._told:
            return
        self._told = error
        offers = [Offer("Retry", self.retry)]
        if self.wanted != DEMO:
            offers.append(Offer("Show the demo", lambda: self.open(DEMO)))
        self.problem.emit(Problem.of(error, *offers, topic=SOURCE))

    def _opened(self, _: None) -> None:
        self._opening -= 1
        self.show_status(self._session.status())

    def _failed_to_open(self, error: AppError) -> None:
        self._opening -= 1
        self._preview.set_message(Message("No picture", "It could not be opened.", button="Retry"))
        self._tell(error)

    def _starting(self) -> Message:
        return Message("Starting", self._starting_text(self.wanted), busy=True)

    def _starting_text(self, text: str) -> str:
        return "Opening the demo." if text == DEMO else "Waiting for the first picture."
