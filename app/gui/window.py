"""The window: puts the parts together, shows the session's state and sends it what is wanted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QKeySequence,
    QMoveEvent,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QMainWindow

from app.errors import SettingsError
from app.faces import FaceLibrary
from app.gui.background import Background
from app.gui.bridge import Bridge
from app.gui.building import BuildDesk
from app.gui.camera import CameraDesk
from app.gui.cast_desk import CastDesk
from app.gui.command_desk import CommandDesk
from app.gui.commander import Acts
from app.gui.consents import ConsentDesk
from app.gui.enrolment import EnrolmentDesk
from app.gui.faces_desk import FacesDesk
from app.gui.hints import Hints, recording_text
from app.gui.intake import from_mime
from app.gui.intake_desk import IntakeDesk
from app.gui.keeper import Placement, SettingsKeeper, lent
from app.gui.keys import KeysDialog
from app.gui.output_panel import OutputDesk
from app.gui.outputs import RECORDING, Outputs
from app.gui.panic_desk import PanicDesk
from app.gui.problems import Offer, Problem
from app.gui.real_face import RealFaceDesk
from app.gui.services import GuiServices
from app.gui.shell import Shell
from app.gui.source_desk import SourceDesk
from app.scenes import remembering
from app.session import Session, State
from app.settings import Settings, with_value
from app.stages.identity import Identity

_POLL_MS = 250  # how often the figures are read


class MainWindow(QMainWindow):
    """Talks to the session, the library and the services alone.

    ``bridge`` is the one whose ``notify_preview`` and ``notify_change`` the session calls.
    """

    def __init__(
        self, session: Session, faces: FaceLibrary, services: GuiServices, bridge: Bridge
    ) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setWindowTitle("Omokage")
        self.setAcceptDrops(True)
        self.resize(1180, 760)
        self.setMinimumSize(840, 540)
        self._session = session
        self._services = services
        self._bridge = bridge
        self._begun = False
        self._closing = False
        self._hints = Hints()
        self._mishap = ""  # what was told of services.mishap
        self._explained = False
        self._warned = False  # the user was told that something will be lost at the end
        self._session_work = Background("session-work", bridge)
        self._faces_work = Background("faces-work", bridge)
        self._rescue_work = Background("rescue-work", bridge)  # it may copy long files

        shell = Shell(session.settings)
        self.setCentralWidget(shell)
        self.source_bar, self.problems = shell.source_bar, shell.problems
        self.preview, self.transport = shell.preview, shell.transport
        self.gallery, self.controls = shell.gallery, shell.controls
        self.swap_button, self.status_line = shell.swap_button, shell.status_line
        self.state_chip, self.enrolment = shell.state_chip, shell.enrolment
        for path, reason in services.unavailable.items():
            self.controls.rows[path].disable(reason)

        self.faces_desk = FacesDesk(self.gallery, faces, self._faces_work, self)
        self.cast_desk = CastDesk(
            shell.cast,
            self.gallery.list,
            session,
            faces,
            self._faces_work,
            lambda settings: self.use(settings, session.identity),
            self,
        )
        self.faces_desk.take_elsewhere = self.cast_desk.take
        self.consent_desk = ConsentDesk(faces.consents, self._faces_work, self)
        self.outputs = Outputs(self.transport, session, self._session_work, services.video_dir)
        self.output_panel = shell.output_panel
        self.output_desk = OutputDesk(shell.output_panel, session, self._session_work)
        self.source_desk = SourceDesk(
            self.source_bar, self.preview, session, services, self._session_work, self
        )
        self.intake_desk = IntakeDesk(self.faces_desk, self.source_desk, self)
        self.camera_desk = CameraDesk(session, services, self._session_work, self)
        self.build_desk = BuildDesk(
            services.engine_build,
            services.automatic_build,
            self.status_line.building,
            self._session_work,
            self,
        )
        self.enrolment_desk = EnrolmentDesk(
            self.enrolment, services.enrolments, session, self._faces_work
        )
        self.real_face_desk, self.panic_desk = RealFaceDesk(session, self), PanicDesk(session, self)
        hide, show = self.panic_desk.panic, self.panic_desk.resume
        acts = Acts(self.use, hide, show, self.outputs.record, self.cast_desk.first_shown)
        self.commands = CommandDesk(
            shell.scenes, session, faces, self._faces_work, services, acts, self
        )
        self._keeper = SettingsKeeper(
            services.settings_path,
            self._save_failed,
            lambda: self.problems.settle("settings"),
            lent(services.kept_settings or session.settings, session.settings),
        )
        self._placement = Placement(self, services.window_path)
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self.refresh)
        self._connect()
        self._bind_keys()
        self._show_settings(session.settings)
        self.status_line.show_engine(services.engine())
        self._placement.restore()

    # what is wanted

    def change(self, path: str, value: object) -> None:
        """Change one setting: at once for the session, soon on disk."""
        settings = with_value(self._session.settings, path, value)
        self.use(settings, self._session.identity)

    def use(
        self,
        settings: Settings,
        identity: Identity | None,
        further: tuple[Identity, ...] | None = None,
    ) -> None:
        """Change settings and faces between two frames; the settings soon on disk."""
        switched = settings.swap != self._session.settings.swap
        settings = remembering(self._session.settings, settings)
        self._session.change_look(settings, identity, further)
        self._keeper.keep(settings)
        self._show_settings(settings)
        if switched:
            self.real_face_desk.swap_changed(settings.swap)

    def show_keys(self) -> None:
        """Open the page with the keys."""
        if not any(page.isVisible() for page in self.findChildren(KeysDialog)):
            KeysDialog(self, self.commands.key_panel()).show()

    # what the session says

    def refresh(self) -> None:
        """Read the session's status and show it."""
        self._bridge.answered("changed")
        if self._closing:
            return
        status = self._session.status()
        self.status_line.show_status(status)
        self.status_line.show_engine(self._services.engine())
        self.build_desk.refresh()
        self.state_chip.show_status(status)
        self.source_desk.show_status(status)
        self.camera_desk.show_status(status)
        self.transport.set_live(status.state is State.RUNNING)
        self.outputs.show_status(status)
        self.consent_desk.show_status(status)
        self.output_panel.show_status(status)
        if (mishap := self._services.mishap()) != self._mishap:
            self._mishap = mishap
            self.problems.add(Problem(mishap, topic="mishap"))
        self.preview.set_recording(recording_text(status))
        settings, identity = self._session.settings, self._session.identity
        enrolled = self.enrolment_desk.enrolled
        self.preview.set_hint(self._hints.text(status, settings, identity, enrolled=enrolled))

    def take_frame(self) -> None:
        """Take the newest frame and show it."""
        self._bridge.answered("ready")
        if self._closing:
            return
        processed = self._session.take_preview(0)
        if processed is not None:
            self.preview.show_processed(processed)
            self.enrolment_desk.offer(processed)
            if processed.faces or self.preview.message is not None:
                self._hints.face_seen()
            if self.preview.message is not None:
                self.refresh()  # the first picture takes the words away

    # events

    def showEvent(self, event: QShowEvent) -> None:
        """Start when first shown."""
        super().showEvent(event)
        if not self._begun:
            self._begun = True
            self.problems.add_all(self._services.notes)
            self._rescue_work.run(self._services.rescue, self.problems.add_all)
            self.faces_desk.begin(self._session.settings.source_face)
            self.source_desk.begin()
            self.build_desk.begin()
            self.enrolment_desk.begin()
            self.commands.begin()
            if not self._session.settings.swap:
                self.real_face_desk.swap_changed(False)
            self._poll.start()
            self.gallery.list.setFocus()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Save, finish the recording, stop. What would be lost is said first, once."""
        if self._closing:
            return
        self._placement.save_now()
        saved = self._keeper.save_now()
        failure = self.outputs.finish_now()
        if failure is not None:
            self.problems.add(Problem.of(failure, self._close_anyway, topic=RECORDING))
        if (failure is not None or not saved) and not self._warned:
            self._warned = True
            event.ignore()
            return
        self._closing = True
        self.hide()
        self._poll.stop()
        self.build_desk.close()
        self.commands.close()
        self._faces_work.close()
        self._session_work.close()
        self._rescue_work.close()
        self._session.close()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space, where no control wanted it for itself, turns the swap on and off."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.swap_button.click()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and pictures."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take in what was dropped."""
        intake = from_mime(event.mimeData())
        if intake:
            event.acceptProposedAction()
            self.intake_desk.take_in(intake)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Remember the size."""
        super().resizeEvent(event)
        self._placement.changed()

    def moveEvent(self, event: QMoveEvent) -> None:
        """Remember the place."""
        super().moveEvent(event)
        self._placement.changed()

    # inside

    def _connect(self) -> None:
        self._bridge.ready.connect(self.take_frame)
        self._bridge.changed.connect(self.refresh)
        self._bridge.crashed.connect(self._show_crash)
        self._bridge.interrupted.connect(self.close)
        self.controls.edited.connect(self.change)
        self.output_panel.edited.connect(self.change)
        self.swap_button.toggled.connect(lambda on: self.change("swap", on))
        self.real_face_desk.swap_wanted.connect(self.swap_button.click)
        self.enrolment_desk.only_me.connect(self._set_only_me)
        self.transport.mirror.toggled.connect(lambda on: self.change("mirror", on))
        self.transport.compare.toggled.connect(self.preview.set_wipe)
        self.source_bar.help_wanted.connect(self.show_keys)
        self.source_bar.consents_wanted.connect(self.consent_desk.open)
        self.source_desk.source_changed.connect(lambda text: self.change("capture.source", text))
        self.source_desk.leaving.connect(self.outputs.finish)
        self.source_desk.automatic_demo.connect(self._explain_demo)
        self.faces_desk.chosen.connect(self._use_identity)
        self.faces_desk.removed.connect(self.cast_desk.drop)
        self.source_bar.camera.clicked.connect(self.camera_desk.show_dialog)
        self.camera_desk.edited.connect(self.change)
        self.build_desk.edited.connect(self.change)
        self.camera_desk.reopen.connect(self.source_desk.retry)
        self.camera_desk.warned.connect(self.source_bar.warn)
        self.camera_desk.demo_wanted.connect(lambda: self.source_desk.open("demo"))
        self.commands.edited.connect(self.change)
        desks = (self.faces_desk, self.outputs, self.source_desk, self.build_desk, self.commands)
        more = (self.consent_desk, self.enrolment_desk, self.real_face_desk, self.camera_desk)
        for desk in (*desks, *more, self.cast_desk, self.panic_desk, self.intake_desk):
            desk.problem.connect(self.problems.add)
            desk.solved.connect(self.problems.settle)

    def _bind_keys(self) -> None:
        bindings: dict[str, Callable[[], object]] = {
            "M": self.transport.mirror.click,
            "W": self.transport.compare.click,
            "R": self.transport.record.click,
            "S": self.transport.snapshot.click,
            "O": self.source_desk.ask_for_file,
            "C": self.camera_desk.show_dialog,
            "F5": self.source_desk.list_cameras,
            "Esc": self.panic_desk.panic,
            "Ctrl+D": self.problems.dismiss,
            "F1": self.show_keys,
            "?": self.show_keys,
            "Ctrl+V": self.intake_desk.paste,
            "Ctrl+Q": self.close,
        }
        for keys, act in bindings.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(act)

    def _show_settings(self, settings: Settings) -> None:
        for button, on in (
            (self.swap_button, settings.swap),
            (self.transport.mirror, settings.mirror),
        ):
            button.blockSignals(True)
            button.setChecked(on)
            button.blockSignals(False)
        self.swap_button.setText("Swap is on" if settings.swap else "Swap is off")
        self.preview.set_mirror(settings.mirror != settings.outputs.mirror, settings.badge)
        self.controls.show_settings(settings)
        self.output_desk.show_settings(settings.outputs)
        self.commands.show_settings(settings)
        self.cast_desk.show_settings(settings)
        self.camera_desk.show_settings(settings)

    def _use_identity(self, face_id: str, identity: Identity) -> None:
        self._session.identity = identity
        if self._session.settings.source_face != face_id:
            self.change("source_face", face_id)
        self.commands.face_chosen()
        self.cast_desk.show_settings(self._session.settings)

    def _set_only_me(self, enrolled: bool) -> None:
        if enrolled or self._session.settings.detector.faces == "me":
            self.change("detector.faces", "me" if enrolled else "largest")
        elif self._session.settings.faces_before == "me":
            self.change("faces_before", "largest")

    def _explain_demo(self) -> None:
        if self._explained or self._placement.seen("demo"):
            return
        self._explained = True
        hint = Problem(
            "No camera was found, so this is the built-in demo.",
            "Choose a face below, drop a picture to add one, and press F1 for the keys.",
            (Offer("Got it", lambda: self._placement.mark_seen("demo")),),
            topic="demo",
            calm=True,
        )
        self.problems.add(hint)

    def _show_crash(self, sentence: str) -> None:
        offers = (Offer("Restart the preview", self._restart),)
        self.problems.add(Problem(sentence, "The details are in the log.", offers, topic="crash"))

    def _restart(self) -> None:
        self._bridge.answered("crashed")
        self.source_desk.retry()

    def _save_failed(self, error: SettingsError) -> None:
        retry = Offer("Retry", self._keeper.save_now)
        self.problems.add(Problem.of(error, retry, self._close_anyway, topic="settings"))

    @property
    def _close_anyway(self) -> Offer:
        return Offer("Close anyway", self._close_unsaved)

    def _close_unsaved(self) -> None:
        self._warned = True
        self.close()
