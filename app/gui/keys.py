"""The keys, and the page that lists them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

KEYS = (
    ("Space", "Swap on or off"),
    ("← →", "Choose the face (in the gallery), move the divider (on the preview)"),
    ("M", "Mirror"),
    ("W", "Compare before and after"),
    ("R", "Record, and stop recording"),
    ("S", "Save a snapshot"),
    ("O", "Open a video or picture"),
    ("Ctrl+V", "Add a face from the clipboard"),
    ("Delete", "Remove the chosen face, if you added it"),
    ("C", "Camera and delay"),
    ("F5", "Look for cameras again"),
    ("Esc", "Hide the picture at once"),
    ("Ctrl+D", "Dismiss what the bar says"),
    ("Tab", "Go to the next control"),
    ("F1 or ?", "This page"),
)


class KeysDialog(QDialog):
    """Lists ``KEYS`` beside ``own``, the user's keys."""

    def __init__(self, parent: QWidget, own: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keys")
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        title = QLabel("Keys")
        title.setProperty("kind", "title")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(8)
        for row, (key, meaning) in enumerate(KEYS):
            cap = QLabel(key)
            cap.setProperty("kind", "key")
            cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(cap, row, 0)
            grid.addWidget(QLabel(meaning), row, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(16)
        column.addWidget(title)
        sides = QHBoxLayout()
        sides.setSpacing(48)
        grid.setRowStretch(len(KEYS), 1)
        sides.addLayout(grid)
        sides.addWidget(own, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(sides)
        column.addWidget(buttons)
