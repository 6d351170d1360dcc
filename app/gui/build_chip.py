"""In the line at the bottom: how far the building of engines is, and its end."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton

from app.automatic_build import BuildStatus, Stage
from app.engine_builder import BuildStep
from app.gui import theme
from app.gui.icons import icon

TIP = (
    "Engines for your graphics card are built once, beside the picture, and used as soon as they "
    "gave the right answers."
)
CANCEL_TIP = "Cancel, and do not build unasked any more"
_STAGES = {
    "reading": "Reading",
    "casting": "Preparing",
    "building": "Building",
    "checking": "Comparing",
}


class BuildChip(QFrame):
    """Seen while engines are built by themselves, and nothing of it else."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Building engines")
        self.text = QLabel()
        self.text.setProperty("kind", "value")
        self.button = QToolButton()
        self.button.setProperty("kind", "bare")
        self.button.setIcon(icon("close", theme.MUTED))
        self.button.setIconSize(QSize(12, 12))
        self.button.setToolTip(CANCEL_TIP)
        self.button.setAccessibleName(CANCEL_TIP)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self.cancelled)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.text)
        row.addWidget(self.button)
        self.hide()

    def show_status(self, status: BuildStatus) -> None:
        """Take over how it stands."""
        self.setVisible(status.stage is Stage.BUILDING)
        step = status.step
        if step is None:
            self.text.setText("Building engines")
            self.setToolTip(TIP)
        else:
            left = step.remaining_s
            wait = _seconds(step.elapsed_s) if left is None else f"{_seconds(left)} left"
            self.text.setText(f"Building engines {100 * step.share:.0f} %, {wait}")
            self.setToolTip(f"{stage_text(step)}; {time_text(step)}\n{TIP}")


def stage_text(step: BuildStep) -> str:
    """What is being done, to which network."""
    verb = _STAGES.get(step.stage, step.stage.capitalize())
    return f"{verb} {step.model.replace('_', ' ')}, {step.number} of {step.count}"


def time_text(step: BuildStep) -> str:
    """How long it took and, where that is known, may still take."""
    left = step.remaining_s
    wait = "" if left is None else f", about {_seconds(left)} left"
    return f"{_seconds(step.elapsed_s)}{wait}"


def _seconds(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
