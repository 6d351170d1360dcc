"""Where the picture goes beside the window: a switch, its state and what to copy, per output."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QToolButton

from app.gui import theme
from app.gui.background import Background
from app.gui.icons import icon
from app.gui.switch import Switch
from app.session import Session, SessionStatus
from app.settings import OutputSettings, fields_of
from app.sinks.live_output import OutputState, OutputStatus
from app.sinks.outputs import PIPEWIRE, VIRTUAL_CAMERA, WEB_PAGE

SWITCHES = {VIRTUAL_CAMERA: "virtual_camera", WEB_PAGE: "web_page", PIPEWIRE: "pipewire"}
COMMAND = "Run: "  # how a remedy begins that can be pasted into a terminal
_HELP = {spec.path: spec.help for spec in fields_of(OutputSettings())}
_STATES = {
    OutputState.OPENING: "Opening",
    OutputState.LIVE: "Live",
    OutputState.SLATE: "Shows the slate",
    OutputState.WAITING: "Waiting",
    OutputState.CLOSED: "Stopped",
}


def state_text(status: OutputStatus) -> str:
    """``Live · 30 fps · 2 watch``; what is wrong where it waits."""
    if status.problem is not None:
        return status.problem.what
    parts = [_STATES[status.state]]
    if status.state is OutputState.LIVE:
        parts.append(f"{status.fps:.0f} fps")
    if status.viewers:
        parts.append("1 watches" if status.viewers == 1 else f"{status.viewers} watch")
    return " · ".join(parts)


def copied_text(status: OutputStatus) -> str:
    """The command that mends it, else the address, else nothing."""
    if status.problem is not None:
        remedy = status.problem.remedy
        return remedy.removeprefix(COMMAND) if remedy.startswith(COMMAND) else ""
    return status.address


class OutputRow(QObject):
    """Name and switch of one kind; below them, while it is on, its state and a copy button."""

    def __init__(self, kind: str, grid: QGridLayout, row: int) -> None:
        super().__init__()
        self.kind = kind
        self._copied = ""
        path = SWITCHES[kind]
        self.switch = Switch()
        self.switch.setAccessibleName(kind)
        self.switch.setToolTip(_HELP[path])
        label = QLabel(kind)
        label.setToolTip(_HELP[path])
        label.setBuddy(self.switch)
        self.state = QLabel()
        self.state.setProperty("kind", "details")
        self.state.setWordWrap(True)
        self.state.setContentsMargins(0, 0, 0, 6)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.copy = QToolButton()
        self.copy.setProperty("kind", "tiny")
        self.copy.setIcon(icon("copy", theme.MUTED))
        self.copy.setIconSize(QSize(16, 16))
        self.copy.setFixedSize(24, 24)
        self.copy.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._copied))
        grid.addWidget(label, row, 0)
        grid.addWidget(self.switch, row, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.state, row + 1, 0)
        corner = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
        grid.addWidget(self.copy, row + 1, 1, corner)
        self.show_status(None)

    def show_status(self, status: OutputStatus | None) -> None:
        """Show how it stands; nothing while it is off."""
        self.state.setVisible(status is not None)
        self._copied = "" if status is None else copied_text(status)
        self.copy.setVisible(bool(self._copied))
        if status is None:
            return
        self.state.setText(state_text(status))
        self.state.setToolTip(str(status.problem or status.name))
        tip = "Copy the command that mends it" if status.problem else "Copy the address, for OBS"
        self.copy.setToolTip(tip)
        self.copy.setAccessibleName(tip)
        kind = "details" if status.problem is None else "problem"
        if self.state.property("kind") != kind:
            self.state.setProperty("kind", kind)
            self.state.style().unpolish(self.state)
            self.state.style().polish(self.state)


class OutputPanel(QFrame):
    """Says which outputs are wanted, and shows what became of them."""

    edited = Signal(str, object)  # dotted path of the setting, on or off

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__()
        self.setAccessibleName("Outputs")
        heading = QLabel("Outputs")
        heading.setProperty("kind", "heading")
        heading.setIndent(0)
        grid = QGridLayout(self)
        grid.setContentsMargins(16, 0, 32, 0)  # in line with the controls below, without reset
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        grid.addWidget(heading, 0, 0, 1, 2)
        self.rows = {kind: OutputRow(kind, grid, 1 + 2 * n) for n, kind in enumerate(kinds)}
        for kind, row in self.rows.items():
            path = f"outputs.{SWITCHES[kind]}"
            row.switch.toggled.connect(lambda on, path=path: self.edited.emit(path, on))
        self.mirror = Switch()
        self.mirror.setAccessibleName("Mirrored")
        label = QLabel("Mirrored")
        label.setBuddy(self.mirror)
        for widget in (label, self.mirror):
            widget.setToolTip(_HELP["mirror"])
        below = 1 + 2 * len(self.rows)
        grid.addWidget(label, below, 0)
        grid.addWidget(self.mirror, below, 1, Qt.AlignmentFlag.AlignRight)
        self.mirror.toggled.connect(lambda on: self.edited.emit("outputs.mirror", on))

    def show_settings(self, settings: OutputSettings) -> None:
        """Show which are wanted."""
        for kind, row in self.rows.items():
            _show(row.switch, on=getattr(settings, SWITCHES[kind]))
        _show(self.mirror, on=settings.mirror)

    def show_status(self, status: SessionStatus) -> None:
        """Show how those that are on stand."""
        there = {output.kind: output for output in status.outputs}
        for kind, row in self.rows.items():
            row.show_status(there.get(kind))


def _show(switch: Switch, *, on: bool) -> None:
    switch.blockSignals(True)
    switch.setChecked(on)
    switch.blockSignals(False)


class OutputDesk(QObject):
    """Brings the session's outputs in line with the settings, off the window's thread."""

    def __init__(self, panel: OutputPanel, session: Session, background: Background) -> None:
        super().__init__(panel)
        self._panel, self._session, self._background = panel, session, background
        self._applied: OutputSettings | None = None

    def show_settings(self, settings: OutputSettings) -> None:
        """Show the settings, and have them carried out where they changed."""
        self._panel.show_settings(settings)
        if settings != self._applied:
            self._applied = settings
            self._background.run(lambda: self._session.outputs.apply(settings))
