"""Camera and delay: the dialog behind the camera button, and what its wishes bring about."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtWidgets import QDialog, QFrame, QVBoxLayout, QWidget

from app.capture.diagnosis import CameraFinding, Fix, diagnose
from app.errors import AppError
from app.gui.background import Background
from app.gui.camera_page import CameraPage
from app.gui.delay_page import DelayPage
from app.gui.problems import Offer, Problem
from app.gui.services import GuiServices
from app.latency_report import report_of, save_report
from app.paths import fresh_path
from app.session import Session, SessionStatus, State
from app.settings import Settings

AWAY = "away"
REPORT = "report"
FIX = "camera fix"
SETTLED_FRAMES = 45  # before a measured rate is held against a camera


class CameraDialog(QDialog):
    """The two pages, one below the other; not modal."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("cameraDialog")
        self.setWindowTitle("Camera and delay")
        self.camera, self.delay = CameraPage(), DelayPage()
        line = QFrame()
        line.setProperty("kind", "rule")
        line.setFixedHeight(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(20)
        column.addWidget(self.camera)
        column.addWidget(line)
        column.addWidget(self.delay)
        column.addStretch(1)
        self.setMinimumWidth(480)


class CameraDesk(QObject):
    """Diagnoses the camera in use, carries out fixes, and says when it is away and back."""

    edited = Signal(str, object)  # dotted path of a setting, new value
    reopen = Signal()  # the source of the settings, as they are now
    warned = Signal(str)  # what slows the camera, or empty
    demo_wanted = Signal()
    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(
        self, session: Session, services: GuiServices, background: Background, window: QWidget
    ) -> None:
        super().__init__(window)
        self._session, self._services, self._background = session, services, background
        self._away = False
        self._camera_id = ""
        self.dialog = CameraDialog(window)
        page = self.dialog.camera
        page.size_wanted.connect(self._ask_for_size)
        page.rate_wanted.connect(self._ask_for_rate)
        page.fix_wanted.connect(self._fix)
        self.dialog.delay.edited.connect(self.edited)
        self.dialog.delay.save.clicked.connect(self.save_report)

    def show_dialog(self) -> None:
        """Open the dialog."""
        self.show_settings(self._session.settings)
        self.show_status(self._session.status())
        self.dialog.show()

    def show_settings(self, settings: Settings) -> None:
        """Show what is asked for."""
        self.dialog.camera.show_settings(settings.capture)
        self.dialog.delay.show_settings(settings)

    def show_status(self, status: SessionStatus) -> None:
        """Show how camera and delay stand, and say when the camera is away or back."""
        running = status.state is State.RUNNING
        info = status.source if running else None
        facts = info.camera if info is not None else None
        self._camera_id = facts.entry.id if facts else ""
        measured = status.measured_rate if running else 0.0
        settled = status.timing.frames >= SETTLED_FRAMES and status.away is None
        findings = diagnose(facts, measured if settled else 0.0) if facts else []
        self.warned.emit(findings[0].what if findings and findings[0].remedy else "")
        self.dialog.camera.show_camera(info.name if info else "", facts, measured)
        self.dialog.camera.show_findings(findings)
        self.dialog.delay.show_status(status)
        self._show_away(status.away if running else None)

    def save_report(self) -> None:
        """Save the delay of late as a page beside the recordings."""
        session, services = self._session, self._services
        target = session.settings.latency.target_ms

        def save() -> Path:
            folder = services.video_dir
            with contextlib.suppress(OSError):  # the writing below says why
                folder.mkdir(parents=True, exist_ok=True)
            path = fresh_path(folder, " delay.html", datetime.now())
            engine = services.engine().engine
            report = report_of(
                session.status(), session.samples(), target, engine, services.machine
            )
            save_report(path, report)
            return path

        def saved(path: Path) -> None:
            self.solved.emit(REPORT)
            address = QUrl.fromLocalFile(str(path)).toString()
            self.dialog.delay.saved.setText(f'Saved. <a href="{address}">Open it</a>')
            self.dialog.delay.saved.setToolTip(str(path))

        def failed(error: AppError) -> None:
            retry = Offer("Retry", self.save_report)
            self.problem.emit(Problem.of(error, retry, topic=REPORT))

        self._background.run(save, saved, failed)

    def _show_away(self, away: AppError | None) -> None:
        if away is not None and not self._away:
            demo = Offer("Show the demo", self.demo_wanted.emit)
            self.problem.emit(Problem.of(away, demo, topic=AWAY))
        elif away is None and self._away:
            self.solved.emit(AWAY)
        self._away = away is not None

    def _ask_for_size(self, width: int, height: int) -> None:
        self.edited.emit("capture.width", width)
        self.edited.emit("capture.height", height)
        self.reopen.emit()

    def _ask_for_rate(self, rate: int) -> None:
        self.edited.emit("capture.rate", rate)
        self.reopen.emit()

    def _fix(self, finding: CameraFinding) -> None:
        if finding.fix is Fix.SMALLER and finding.size is not None:
            self._ask_for_size(*finding.size)
            return
        camera, keep = self._camera_id, self._services.keep_camera_rate

        def failed(error: AppError) -> None:
            self.problem.emit(Problem.of(error, topic=FIX))

        def done(_: None) -> None:
            self.solved.emit(FIX)
            self.reopen.emit()

        self._background.run(lambda: keep(camera), done, failed)
