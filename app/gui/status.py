"""The line at the bottom: rate, latency, drops, device."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel

from app.gui.build_chip import BuildChip
from app.gui.delay_page import chip_text, governor_text
from app.gui.services import EngineLine
from app.session import SessionStatus, State
from app.stages.privacy import Showing

_STATES = {
    State.IDLE: "Idle",
    State.STARTING: "Starting",
    State.RUNNING: "Live",
    State.ENDED: "Ended",
    State.FAILED: "Stopped",
}

_SHOWING = {
    Showing.LIVE: "Live",
    Showing.HELD: "Held",
    Showing.BLURRED: "Blurred",
    Showing.SLATE: "Hidden",
    Showing.BYPASS: "Real face",
}


ENGINE_TIP = "What runs the networks"
GOVERNOR_TIP = "The delay that is held, and what is spared for it; C opens its settings"


class StatusLine(QFrame):
    """Shows what was measured; dashes where nothing was."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAccessibleName("Status")
        self.state = self._label("state", "What the session is doing")
        self.rate = self._label("value", "Frames per second that leave the pipeline")
        self.latency = self._label(
            "value", "Time from camera to screen: half of the frames, and 95 % of them, take less"
        )
        self.governor = self._label("value", GOVERNOR_TIP)
        self.dropped = self._label("value", "Frames replaced by newer ones before they were used")
        self.device = self._label("value", ENGINE_TIP)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(24)
        for label in (self.state, self.rate, self.latency, self.governor, self.dropped):
            row.addWidget(label)
        self.building = BuildChip()
        row.addStretch(1)
        row.addWidget(self.building)
        row.addWidget(self.device)
        self.setFixedHeight(32)

    def show_status(self, status: SessionStatus) -> None:
        """Take over the figures of ``status``."""
        running = status.state is State.RUNNING
        showing = Showing.SLATE if status.panicked else status.showing
        text = _SHOWING[showing] if running and showing is not None else _STATES[status.state]
        if running and status.away is not None and not status.panicked:
            text = "Camera is away"
        self.state.setText(f"● {text}")
        live = running and showing in (None, Showing.LIVE) and status.away is None
        self.state.setProperty("state", "live" if live else "idle")
        self.state.style().unpolish(self.state)
        self.state.style().polish(self.state)
        timing = status.timing
        measured = running and timing.frames > 1
        self.rate.setText(f"{timing.fps:.1f} fps" if measured else "– fps")
        latency = timing.latency_ms
        figures = f"{latency.p50:.0f} / {latency.p95:.0f}" if measured else "– / –"
        self.latency.setText(f"Latency {figures} ms")
        self.governor.setText(chip_text(status.governor) if measured else "")
        self.governor.setToolTip(f"{governor_text(status.governor)}\n{GOVERNOR_TIP}")
        self.dropped.setText(f"Dropped {status.dropped}")

    def show_engine(self, line: EngineLine) -> None:
        """Name what runs the networks; the others, and why not they, are in its tip."""
        self.device.setText(line.engine)
        self.device.setToolTip("\n".join((ENGINE_TIP, *line.others)))

    def _label(self, kind: str, tip: str) -> QLabel:
        label = QLabel()
        label.setProperty("kind", kind)
        label.setToolTip(tip)
        return label
