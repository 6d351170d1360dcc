"""The row of scenes: one button each, and the way to save the look that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.errors import AppError
from app.gui import theme
from app.gui.icons import icon
from app.scenes import LONGEST_NAME, Scene

HEIGHT = 40


class SceneButton(QPushButton):
    """Shows a scene; its menu changes it."""

    updated = Signal(str)
    edited = Signal(str)
    removed = Signal(str)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.name.replace("&", "&&"))
        self.name = scene.name
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setProperty("kind", "chip")
        self.setAccessibleName(f"Scene {scene.name}")
        key = f" ({scene.key})" if scene.key else ""
        self.setToolTip(f"Show {scene.name}{key}. Right click to change it.")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)

    def build_menu(self) -> QMenu:
        """What can be done with it; gone when it is closed."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Replace by what is shown", lambda: self.updated.emit(self.name))
        menu.addAction("Name and key…", lambda: self.edited.emit(self.name))
        menu.addAction(f"Remove {self.name}", lambda: self.removed.emit(self.name))
        return menu

    def _open_menu(self, point: QPoint) -> None:
        self.build_menu().popup(self.mapToGlobal(point))


class SceneStrip(QFrame):
    """Says what is wanted; shows what there is."""

    wanted = Signal(str)
    save_wanted = Signal()
    updated = Signal(str)
    edited = Signal(str)
    removed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Scenes")
        self.buttons: dict[str, SceneButton] = {}
        self.save = QPushButton(" Save as scene")
        self.save.setProperty("kind", "ghost")
        self.save.setIcon(icon("plus", theme.MUTED))
        self.save.setAccessibleName("Save as scene")
        self.save.setToolTip("Keep face, mask, light and badge under a name, to return with a key")
        self.save.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.save.clicked.connect(self.save_wanted)
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)
        self._row.addWidget(self.save)
        self._row.addStretch(1)
        body = QWidget()
        body.setObjectName("scenesBody")
        body.setLayout(self._row)
        self._scroll = QScrollArea()
        self._scroll.setObjectName("scenes")
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFixedHeight(HEIGHT)
        self._scroll.setWidget(body)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._scroll)

    def show_scenes(self, scenes: Sequence[Scene]) -> None:
        """Show a button for each."""
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = {}
        for place, scene in enumerate(scenes):
            button = SceneButton(scene)
            button.clicked.connect(lambda _, name=scene.name: self.wanted.emit(name))
            button.updated.connect(self.updated)
            button.edited.connect(self.edited)
            button.removed.connect(self.removed)
            self._row.insertWidget(place, button)
            self.buttons[scene.name] = button

    def show_current(self, name: str | None) -> None:
        """Mark the scene that is shown."""
        for other, button in self.buttons.items():
            button.setChecked(other == name)


class SceneDialog(QDialog):
    """Asks for a name and a key; ``keep`` raises ``AppError`` where they cannot be had."""

    def __init__(
        self, title: str, name: str, key: str, keep: Callable[[str, str], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._keep = keep
        heading = QLabel(title)
        heading.setProperty("kind", "title")
        self.name = QLineEdit(name)
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setPlaceholderText("Evening")
        self.name.textChanged.connect(self._allow)
        self.key = QKeySequenceEdit(QKeySequence(key))
        self.key.setMaximumSequenceLength(1)
        self.key.setClearButtonEnabled(True)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(12)
        form.addRow("Name", self.name)
        form.addRow("Key (optional)", self.key)
        kept = QLabel("Source face, mask, light and badge are kept.")
        kept.setProperty("kind", "details")
        self.refusal = QLabel()
        self.refusal.setProperty("kind", "problem")
        self.refusal.setWordWrap(True)
        self.refusal.hide()
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        self.save = buttons.button(QDialogButtonBox.StandardButton.Save)
        self.save.setProperty("kind", "primary")
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(16)
        for widget in (heading, kept):
            column.addWidget(widget)
        column.addLayout(form)
        column.addWidget(self.refusal)
        column.addWidget(buttons)
        self.setMinimumWidth(400)
        self._allow()
        self.name.setFocus()

    def _allow(self) -> None:
        self.save.setEnabled(bool(self.name.text().strip()))

    def _accept(self) -> None:
        text = self.key.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        try:
            self._keep(self.name.text(), text)
        except AppError as error:
            self.refusal.setText(str(error))
            self.refusal.show()
            return
        self.accept()
