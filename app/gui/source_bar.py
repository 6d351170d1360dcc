"""The bar at the top: the name, which camera or file is shown, and what it really gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton

from app.capture.opening import CameraEntry
from app.capture.source import SourceInfo
from app.gui import theme
from app.gui.icons import icon

DEMO = "demo"
CAMERA_TIP = "Camera and delay (C)"


def described(info: SourceInfo, measured_rate: float) -> str:
    """``1280 × 720 · 29.9 fps``: the size given, the rate measured (or said, until measured)."""
    rate = measured_rate or info.rate
    text = f"{info.width} × {info.height}"
    return f"{text} · {rate:.1f} fps" if rate > 0 else text


def shows_demo(info: SourceInfo | None) -> bool:
    """Whether a source is the demo, whose person is nobody."""
    return info is not None and info.name.lower() == DEMO


class SourceBar(QFrame):
    """Offers the cameras, the demo and an opened file; says which one is wanted."""

    source_wanted = Signal(str)  # as for ``open_source``
    refresh_wanted = Signal()
    file_wanted = Signal()
    help_wanted = Signal()
    consents_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sourceBar")
        name = QLabel("Omokage")
        name.setObjectName("wordmark")
        self.combo = QComboBox()
        self.combo.setAccessibleName("Camera")
        self.combo.setToolTip("Camera, demo or file")
        self.combo.setMinimumWidth(208)
        self.combo.setMaximumWidth(320)
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.combo.activated.connect(lambda _: self.source_wanted.emit(self.combo.currentData()))
        self.refresh = _tool("refresh", "Look for cameras again (F5)")
        self.refresh.clicked.connect(self.refresh_wanted)
        self.open = _tool("folder", "Open a video or picture (O)")
        self.open.clicked.connect(self.file_wanted)
        self.camera = _tool("camera", CAMERA_TIP)
        self.consents = _tool("consent", "Consent records")
        self.consents.clicked.connect(self.consents_wanted)
        self.help = _tool("help", "Keys (F1)")
        self.help.clicked.connect(self.help_wanted)
        self.info = QLabel()
        self.info.setProperty("kind", "details")
        self.info.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        row.addWidget(name)
        row.addSpacing(16)
        row.addWidget(self.combo)
        row.addWidget(self.refresh)
        row.addWidget(self.open)
        row.addWidget(self.camera)
        row.addSpacing(8)
        row.addWidget(self.info, 1)
        row.addWidget(self.consents)
        row.addWidget(self.help)
        self.setFixedHeight(56)
        self.show_cameras([], "")

    def show_cameras(self, cameras: Sequence[CameraEntry], wanted: str) -> None:
        """List these, the demo, and the wanted source where it is none of them."""
        self.combo.clear()
        for camera in cameras:
            self.combo.addItem(camera.name, camera.id)
        self.combo.addItem("Demo", DEMO)
        self.choose(wanted)

    def warn(self, sentence: str) -> None:
        """Mark the camera button where something slows the camera; an empty sentence: nothing."""
        self.camera.setIcon(icon("camera", theme.WARN_TEXT if sentence else theme.TEXT))
        self.camera.setProperty("warned", bool(sentence))
        self.camera.setToolTip(f"{sentence}\n{CAMERA_TIP}" if sentence else CAMERA_TIP)
        self.camera.style().unpolish(self.camera)
        self.camera.style().polish(self.camera)

    def choose(self, wanted: str) -> None:
        """Mark a source as the one in use; a file or URL is added to the list."""
        if not wanted:
            return
        place = self.combo.findData(wanted)
        if place < 0:
            place = self.combo.findText(wanted)
        if place < 0:
            label = wanted if "://" in wanted else Path(wanted).name
            self.combo.addItem(f"Camera {label}" if label.isdigit() else label, wanted)
            place = self.combo.count() - 1
        self.combo.setCurrentIndex(place)

    def show_source(self, info: SourceInfo | None, measured_rate: float, wanted: str) -> None:
        """What the open source gives; an automatic choice is marked once it is known."""
        if info is None:
            self.info.clear()
            self.info.setToolTip("")
            return
        self.info.setText(described(info, measured_rate))
        self.info.setToolTip(info.note)
        if not wanted and not self.combo.view().isVisible():
            place = self.combo.findText(info.name, Qt.MatchFlag.MatchContains)
            fallback = DEMO if shows_demo(info) else self.combo.itemData(0)
            self.combo.setCurrentIndex(place if place >= 0 else self.combo.findData(fallback))


def _tool(name: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("kind", "bare")
    button.setIcon(icon(name, theme.TEXT))
    button.setIconSize(QSize(20, 20))
    button.setFixedSize(36, 36)
    button.setToolTip(tip)
    button.setAccessibleName(tip.partition(" (")[0])
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
