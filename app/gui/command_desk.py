"""Scenes, the user's keys and the control by other programs: everything that gives commands."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.control.commands import ShowScene
from app.control.server import ControlServer
from app.errors import AppError
from app.faces import FaceLibrary
from app.gui.background import Background
from app.gui.commander import Acts, Commander
from app.gui.hotkeys import HotkeyDesk
from app.gui.key_panel import KeyPanel
from app.gui.problems import Problem
from app.gui.scenes import SceneStrip
from app.gui.scenes_desk import ScenesDesk
from app.gui.services import GuiServices
from app.scenes import SceneBook
from app.session import Session
from app.settings import ControlSettings, Settings

CONTROL = "control"


class CommandDesk(QObject):
    """Brings all three in line with the settings; their commands go through one commander."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    edited = Signal(str, object)  # dotted path of a setting, new value

    def __init__(
        self,
        strip: SceneStrip,
        session: Session,
        library: FaceLibrary,
        faces_work: Background,
        services: GuiServices,
        acts: Acts,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._services = session, services
        self.book = SceneBook(services.scenes_file)
        self.commander = Commander(session, library, self.book, faces_work, acts, self)
        self.scenes = ScenesDesk(strip, self.book, session, self.commander, window)
        self.hotkeys = HotkeyDesk(
            window, self.commander.do, self.commander.panic, services.grab, services.no_grab
        )
        self._panel: KeyPanel | None = None
        self._wanted = ControlSettings()
        self.server: ControlServer | None = None
        self._refusal = ""
        self._first_scene = services.scene
        self.scenes.changed.connect(lambda: self.show_settings(session.settings))
        for desk in (self.commander, self.scenes, self.hotkeys):
            desk.problem.connect(self.problem)
            desk.solved.connect(self.solved)

    def begin(self) -> None:
        """Say what is wrong with the scenes."""
        for sentence in self.book.problems:
            self.problem.emit(Problem(sentence, topic=sentence))

    def face_chosen(self) -> None:
        """A face was chosen; behind the first one comes the scene of the command line."""
        scene, self._first_scene = self._first_scene, ""
        if scene:
            self.commander.do(ShowScene(scene))
        self.scenes.show_current()

    def show_settings(self, settings: Settings) -> None:
        """Bind the keys and open or close the control, where that changed."""
        self.hotkeys.show(settings.keys, self.book.scenes)
        self.scenes.show_current()
        if settings.control != self._wanted:
            self._wanted = settings.control
            self._serve(settings.control)
        if self._panel is not None:
            self._panel.show_settings(settings)
            self._panel.show_control(self.address, self._refusal)

    @property
    def address(self) -> str:
        """Where the control listens, with its secret; empty where it does not."""
        return self.server.address if self.server is not None else ""

    def key_panel(self) -> KeyPanel:
        """A panel for the page with the keys, which owns it."""
        panel = KeyPanel(self._session.settings)
        panel.show_control(self.address, self._refusal)
        panel.edited.connect(self.edited)
        panel.waiting.connect(self.hotkeys.pause)
        panel.destroyed.connect(self._panel_gone)
        self._panel = panel
        return panel

    def close(self) -> None:
        """Nobody gives commands any more."""
        self.hotkeys.close()
        if self.server is not None:
            self.server.close()
            self.server = None

    def _panel_gone(self) -> None:
        self._panel = None
        self.hotkeys.pause(False)

    def _serve(self, wanted: ControlSettings) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        self._refusal = ""
        if not wanted.enabled or self._services.open_control is None:
            self.solved.emit(CONTROL)
            return
        try:
            self.server = self._services.open_control(self.commander, wanted.port)
        except AppError as error:
            self._refusal = str(error)
            self.problem.emit(Problem.of(error, topic=CONTROL))
        else:
            self.solved.emit(CONTROL)
