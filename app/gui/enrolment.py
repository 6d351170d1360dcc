"""The panel "Only me": enrol your own face before the camera, see that it is kept, delete it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from app.enrolment import Enroller, Enrolment, Enrolments
from app.errors import AppError
from app.gui.background import Background
from app.gui.problems import Problem
from app.gui.source_bar import shows_demo
from app.pipeline import Processed
from app.session import Session

TOPIC = "enrolment"
LONGEST_S = 30.0
ASK = "Look at the camera and turn your head a little to each side."
NONE = "Enrol your face, and only you are swapped."


class EnrolmentPanel(QFrame):
    """Says what is enrolled; a button to enrol and one to delete."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("enrolment")
        self.setProperty("kind", "card")
        self.setAccessibleName("Only me")
        title = QLabel("Only me")
        title.setProperty("kind", "heading")
        self.words = QLabel(NONE)
        self.words.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.hide()
        self.enrol = QPushButton("Enrol my face")
        self.delete = QPushButton("Delete")
        self.delete.setToolTip("Delete the enrolled face from this machine")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.enrol, 1)
        buttons.addWidget(self.delete)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 4, 12, 12)
        column.setSpacing(8)
        for part in (title, self.words, self.progress):
            column.addWidget(part)
        column.addLayout(buttons)
        self.show_kept(None)

    def show_kept(self, kept: Enrolment | None) -> None:
        """What is enrolled now."""
        self.progress.hide()
        self.delete.setVisible(kept is not None)
        self.enrol.setText("Enrol my face" if kept is None else "Enrol again")
        self.words.setText(
            NONE
            if kept is None
            else f"Enrolled on {kept.made_at[:10]}. Only numbers are kept, on this machine."
        )

    def show_progress(self, share: float, words: str) -> None:
        """While it looks at the person."""
        self.progress.setValue(round(100 * share))
        self.progress.show()
        self.words.setText(words or ASK)
        self.enrol.setText("Cancel")
        self.delete.hide()


class EnrolmentDesk(QObject):
    """Between the panel, what is kept, and the session."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    only_me = Signal(bool)  # a face was enrolled, or deleted

    def __init__(
        self,
        panel: EnrolmentPanel,
        enrolments: Enrolments | None,
        session: Session,
        background: Background,
    ) -> None:
        super().__init__(panel)
        self._panel, self._enrolments, self._session = panel, enrolments, session
        self._background = background
        self._kept: Enrolment | None = None
        self._enroller: Enroller | None = None
        self._started_at: float | None = None
        self._waiting = False
        panel.setVisible(enrolments is not None)
        panel.enrol.clicked.connect(self._toggle)
        panel.delete.clicked.connect(self._delete)

    @property
    def enrolled(self) -> bool:
        """Whether a face is enrolled and can be used."""
        return self._kept is not None

    def begin(self) -> None:
        """Read what is kept."""
        if self._enrolments is not None:
            self._background.run(self._enrolments.load, self._use, self._failed)

    def offer(self, processed: Processed) -> None:
        """A frame is there; look at it if somebody is being enrolled."""
        enroller = self._enroller
        if enroller is None or self._waiting:
            return
        before = processed.before
        if self._started_at is None:
            self._started_at = before.captured_at
        if before.captured_at - self._started_at > LONGEST_S:
            self._stop()
            self.problem.emit(
                Problem(
                    "Your face was not seen well enough to enrol it.",
                    "Sit in good light, alone, and look at the camera.",
                    topic=TOPIC,
                )
            )
            return
        self._waiting = True
        self._background.run(
            lambda: enroller.add(before.pixels, before.captured_at),
            lambda refused: self._looked(enroller, refused),
            self._failed,
        )

    def _toggle(self) -> None:
        if self._enroller is not None:
            self._stop()
            return
        if self._enrolments is None:
            return
        if shows_demo(self._session.status().source):
            self.problem.emit(
                Problem("The demo's person is not you.", "Choose your camera first.", topic=TOPIC)
            )
            return
        try:
            self._enroller = self._enrolments.begin()
        except AppError as error:
            self._failed(error)
            return
        self._started_at = None
        self.solved.emit(TOPIC)
        self._panel.show_progress(0, ASK)

    def _looked(self, enroller: Enroller, refused: str) -> None:
        self._waiting = False
        if enroller is not self._enroller:
            return
        self._panel.show_progress(enroller.share, refused)
        if enroller.share >= 1 and self._enrolments is not None:
            enrolments, templates = self._enrolments, enroller.templates
            self._enroller = None

            def done(kept: Enrolment | None) -> None:
                self._use(kept)
                self.only_me.emit(True)

            self._background.run(lambda: enrolments.save(templates), done, self._failed)

    def _delete(self) -> None:
        enrolments = self._enrolments
        if enrolments is None:
            return

        def done(_: object) -> None:
            self._use(None)
            self.only_me.emit(False)

        self._background.run(enrolments.delete, done, self._failed)

    def _use(self, kept: Enrolment | None) -> None:
        self._kept = kept
        self._session.wish(me=None if kept is None else kept.templates)
        self._panel.show_kept(kept)

    def _stop(self) -> None:
        self._enroller, self._waiting = None, False
        self._panel.show_kept(self._kept)

    def _failed(self, error: AppError) -> None:
        self._stop()
        self.problem.emit(Problem.of(error, topic=TOPIC))
