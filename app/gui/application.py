"""Runs the window: one QApplication, the theme, and the hooks for uncaught exceptions."""

from __future__ import annotations

import sys
from collections.abc import Callable

from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from app.faces import FaceLibrary
from app.gui import theme
from app.gui.bridge import Bridge
from app.gui.crashes import reporting_to
from app.gui.icons import pixmap
from app.gui.services import GuiServices
from app.gui.window import MainWindow
from app.session import Session

MakeSession = Callable[[Callable[[], None], Callable[[], None]], Session]


def prepare_application() -> QApplication:
    """The application with Omokage's look; the one that exists where there is one."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("omokage")
    application.setApplicationDisplayName("Omokage")
    application.setDesktopFileName("omokage")
    application.setWindowIcon(_window_icon())
    application.setStyle("Fusion")
    application.setPalette(theme.palette())
    application.setStyleSheet(theme.stylesheet())
    return application


def _window_icon() -> QIcon:
    result = QIcon()
    for side in (16, 32, 64, 256):
        result.addPixmap(pixmap("omokage", theme.TEXT, side))
    return result


def run_window(make_session: MakeSession, faces: FaceLibrary, services: GuiServices) -> int:
    """Show the window until it is closed; the exit status.

    ``make_session(on_change, on_preview)`` builds the session with the two callbacks it calls from
    its threads.
    """
    application = prepare_application()
    bridge = Bridge()
    session = make_session(bridge.notify_change, bridge.notify_preview)
    with reporting_to(bridge):
        window = MainWindow(session, faces, services, bridge)
        window.show()
        try:
            return application.exec()
        finally:
            window.close()  # in case the loop was ended in another way
