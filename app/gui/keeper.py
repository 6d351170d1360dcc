"""Keeps the settings and the window's place on disk: soon after a change, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QObject, QSettings, QTimer
from PySide6.QtWidgets import QWidget

from app.errors import SettingsError
from app.settings import Settings, fields_of, get_value, with_value
from app.settings_file import save

DELAY_MS = 500


Lent = Mapping[str, tuple[Any, Any]]  # by dotted path: the value of this run, the one kept


def lent(kept: Settings, now: Settings) -> Lent:
    """What a run begins with and is not to be kept."""
    paths = [spec.path for spec in fields_of(now)]
    both = {path: (get_value(now, path), get_value(kept, path)) for path in paths}
    return {path: values for path, values in both.items() if values[0] != values[1]}


class SettingsKeeper(QObject):
    """Saves the newest settings half a second after the last change.

    What is ``lent`` to this run stays on disk as it was, until it is changed.
    """

    def __init__(
        self,
        path: Path,
        failed: Callable[[SettingsError], None],
        saved: Callable[[], None],
        lent: Lent | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self._failed = failed
        self._saved = saved
        self._lent = dict(lent or {})
        self._unsaved: Settings | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.save_now)

    def keep(self, settings: Settings) -> None:
        """Save these soon."""
        for path, (run, kept) in list(self._lent.items()):
            if get_value(settings, path) == run:
                settings = with_value(settings, path, kept)
            else:
                del self._lent[path]
        self._unsaved = settings
        self._timer.start()

    def save_now(self) -> bool:
        """Save what is not saved; whether nothing is left to save. A failure keeps it in hand."""
        self._timer.stop()
        if self._unsaved is None:
            return True
        try:
            save(self._unsaved, self._path)
        except SettingsError as error:
            self._failed(error)
            return False
        self._unsaved = None
        self._saved()
        return True


class Placement(QObject):
    """The window's size and place, written soon after each change so that a crash loses nothing."""

    def __init__(self, window: QWidget, path: Path) -> None:
        super().__init__(window)
        self._window = window
        self._store = QSettings(str(path), QSettings.Format.IniFormat)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.save_now)

    def restore(self) -> None:
        """Put the window where it was, at first within its screen; a file that makes no sense is
        passed over."""
        self._window.resize(self._window.size().boundedTo(self._window.screen().availableSize()))
        geometry = self._store.value("geometry")
        if isinstance(geometry, QByteArray):
            self._window.restoreGeometry(geometry)

    def changed(self) -> None:
        """The window was moved or resized."""
        self._timer.start()

    def save_now(self) -> None:
        """Write it."""
        self._timer.stop()
        self._store.setValue("geometry", self._window.saveGeometry())
        self._store.sync()

    def seen(self, hint: str) -> bool:
        """Whether a hint was dismissed before."""
        return self._store.value(f"seen/{hint}", "false") == "true"

    def mark_seen(self, hint: str) -> None:
        """Do not show this hint again."""
        self._store.setValue(f"seen/{hint}", "true")
        self._store.sync()
