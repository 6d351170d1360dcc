"""Everything a test of the window touches, and the way to open one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from app.gui.bridge import Bridge
from app.gui.services import EngineLine
from app.gui.window import MainWindow
from app.settings import Settings
from app.settings_file import load
from tests.gui.fakes import FakeCameras, FakeLibrary, FakeSession


@dataclass(frozen=True)
class Desk:
    """Everything a test of the window touches."""

    window: MainWindow
    session: FakeSession
    library: FakeLibrary
    cameras: FakeCameras
    bridge: Bridge
    folder: Path
    engines: list[EngineLine]  # the last one is what runs now

    @property
    def settings(self) -> Settings:
        return self.session.settings

    @property
    def saved(self) -> Settings:
        """What is on disk."""
        return load(self.folder / "settings.toml")[0]


OpenDesk = Callable[..., Desk]


def drop(window: QWidget, data: QMimeData) -> None:
    """Drag ``data`` into the window and let it go."""
    how = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, *how)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, *how))
