"""Where the parts of the window stand."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.gui.cast import CastStrip
from app.gui.controls import Controls
from app.gui.enrolment import EnrolmentPanel
from app.gui.gallery import Gallery
from app.gui.output_panel import OutputPanel
from app.gui.preview import Preview
from app.gui.problems import ProblemBar
from app.gui.scenes import SceneStrip
from app.gui.source_bar import SourceBar
from app.gui.state_chip import StateChip
from app.gui.status import StatusLine
from app.gui.transport import Transport
from app.settings import Settings
from app.sinks.outputs import kinds

_PANEL_WIDTH = 304


class Shell(QWidget):
    """The bar above; preview, transport and faces; the panel at the right; the line below."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("whole")
        self.source_bar = SourceBar()
        self.problems = ProblemBar()
        self.preview = Preview()
        self.state_chip = StateChip(self.preview)
        self.transport = Transport()
        self.scenes = SceneStrip()
        self.cast = CastStrip()
        self.gallery = Gallery()
        self.swap_button = QPushButton()
        self.output_panel = OutputPanel(kinds())
        self.enrolment = EnrolmentPanel()
        self.controls = Controls(settings)
        self.status_line = StatusLine()
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addLayout(self._build_middle(), 1)
        body.addWidget(self._build_panel())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.source_bar)
        column.addLayout(body, 1)
        column.addWidget(self.status_line)

    def _build_middle(self) -> QVBoxLayout:
        middle = QVBoxLayout()
        middle.setContentsMargins(16, 0, 16, 8)
        middle.setSpacing(12)
        middle.addWidget(self.problems)
        middle.addWidget(self.preview, 1)
        middle.addWidget(self.transport)
        looks = QHBoxLayout()
        looks.setSpacing(16)
        looks.addWidget(self.scenes, 1)
        looks.addWidget(self.cast)
        middle.addLayout(looks)
        middle.addWidget(self.gallery)
        return middle

    def _build_panel(self) -> QFrame:
        self.swap_button.setObjectName("swapButton")
        self.swap_button.setCheckable(True)
        self.swap_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.swap_button.setToolTip("Swap on or off (Space)")
        panel = QFrame()
        panel.setObjectName("side")
        panel.setFixedWidth(_PANEL_WIDTH)
        row = QHBoxLayout()
        row.setContentsMargins(16, 0, 16, 0)
        row.addWidget(self.swap_button)
        column = QVBoxLayout(panel)
        column.setContentsMargins(0, 16, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self._build_scrolled(), 1)
        return panel

    def _build_scrolled(self) -> QScrollArea:
        """All below the swap button, as one: so nothing is squeezed in a low window."""
        body = QWidget()
        body.setObjectName("scrolledBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        enrolment = QHBoxLayout()
        enrolment.setContentsMargins(16, 0, 12, 0)  # the bar stands beside it
        enrolment.addWidget(self.enrolment)
        column.addLayout(enrolment)
        column.addWidget(self.output_panel)
        column.addWidget(self.controls, 1)
        scrolled = QScrollArea()
        scrolled.setObjectName("scrolled")
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QFrame.Shape.NoFrame)
        scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setWidget(body)
        return scrolled
