"""The user's own keys and the control by other programs, on the page with the keys."""

from __future__ import annotations

from urllib.parse import urlsplit

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QGridLayout, QKeySequenceEdit, QLabel, QToolButton, QWidget

from app.gui import theme
from app.gui.hotkeys import LABELS
from app.gui.icons import icon
from app.gui.switch import Switch
from app.settings import ControlSettings, Settings, fields_of

_HELP = {spec.path: spec.help for spec in fields_of(Settings()) if "." in spec.path}

LONGEST = "Ctrl+Alt+Shift+F12"
BESIDE = 56  # pixels: padding and the button that clears


class KeyEdit(QKeySequenceEdit):
    """Says while it waits for a key."""

    waiting = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setMaximumSequenceLength(1)
        self.setClearButtonEnabled(True)

    def minimumSizeHint(self) -> QSize:
        """Room for a whole key; Qt's own cuts its beginning off."""
        least = super().minimumSizeHint()
        return QSize(self.fontMetrics().horizontalAdvance(LONGEST) + BESIDE, least.height())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Waits."""
        super().focusInEvent(event)
        self.waiting.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Does not."""
        super().focusOutEvent(event)
        self.waiting.emit(False)


class KeyPanel(QWidget):
    """One line per action; below, where they work and who may give commands."""

    edited = Signal(str, object)  # dotted path, new value
    waiting = Signal(bool)  # a key is about to be chosen

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.edits: dict[str, KeyEdit] = {}
        self._address = ""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(0, 1)
        self._heading("Your keys")
        for name, label in LABELS.items():
            edit = KeyEdit()
            edit.setAccessibleName(label)
            edit.setToolTip(f"{_HELP[f'keys.{name}']} Click and press the key.")
            edit.waiting.connect(self.waiting)
            edit.keySequenceChanged.connect(
                lambda key, name=name: self.edited.emit(
                    f"keys.{name}", key.toString(QKeySequence.SequenceFormat.PortableText)
                )
            )
            self.edits[name] = edit
            self._line(label, edit)
        self.everywhere = self._switch("keys.everywhere", "In other programs too")
        self._heading("Other programs")
        self.control = self._switch("control.enabled", "Let them give commands")
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setProperty("kind", "details")
        self.copy = QToolButton()
        self.copy.setProperty("kind", "tiny")
        self.copy.setIcon(icon("copy", theme.MUTED))
        self.copy.setIconSize(QSize(16, 16))
        self.copy.setFixedSize(24, 24)
        self.copy.setToolTip("Copy the address with its secret")
        self.copy.setAccessibleName("Copy the address with its secret")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._address))
        row = self._grid.rowCount()
        self._grid.addWidget(self.state, row, 0)
        self._grid.addWidget(self.copy, row, 1, Qt.AlignmentFlag.AlignRight)
        self.show_settings(settings)
        self.show_control("", "")

    def show_settings(self, settings: Settings) -> None:
        """Show these, without saying so."""
        for name, edit in self.edits.items():
            edit.blockSignals(True)
            edit.setKeySequence(QKeySequence(getattr(settings.keys, name)))
            edit.blockSignals(False)
        control: ControlSettings = settings.control
        for switch, on in (
            (self.everywhere, settings.keys.everywhere),
            (self.control, control.enabled),
        ):
            switch.blockSignals(True)
            switch.setChecked(on)
            switch.blockSignals(False)

    def show_control(self, address: str, problem: str) -> None:
        """Where it listens (empty: nowhere), or what is wrong."""
        self._address = address
        where = f"Listens on {urlsplit(address).netloc}." if address else ""
        self.state.setText(problem or where or "Off. Scripts and a Stream Deck can use it.")
        self.copy.setVisible(bool(address))

    def _heading(self, text: str) -> None:
        heading = QLabel(text)
        heading.setProperty("kind", "heading")
        heading.setIndent(0)
        self._grid.addWidget(heading, self._grid.rowCount(), 0, 1, 2)

    def _line(self, text: str, editor: QWidget) -> None:
        label = QLabel(text)
        label.setBuddy(editor)
        row = self._grid.rowCount()
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(editor, row, 1, Qt.AlignmentFlag.AlignRight)

    def _switch(self, path: str, text: str) -> Switch:
        switch = Switch()
        switch.setAccessibleName(text)
        switch.setToolTip(_HELP[path])
        switch.toggled.connect(lambda on: self.edited.emit(path, on))
        self._line(text, switch)
        return switch
