"""The page about the delay: its figures, the target that is held, and the report."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.governor import GovernorStatus
from app.gui.controls import SettingRow
from app.session import SessionStatus
from app.settings import LatencySettings, Settings, fields_of, get_value

FIGURES = (("p50", "half take less"), ("p95", "95 % take less"), ("p99", "99 % take less"))


def governor_text(status: GovernorStatus | None) -> str:
    """What is spared now, in one sentence."""
    if status is None or not status.p95_ms:
        return "Nothing was measured yet."
    if not status.enabled:
        return "The delay is measured and left as it is."
    if status.holds:
        full = status.step == 0 and not status.fresh_only
        how = "with full quality" if full else f"by {_doing(status)}"
        return f"The target of {status.target_ms:g} ms is held {how}."
    if status.step == status.steps:
        return (
            f"Even {_doing(status)} does not bring the delay under {status.target_ms:g} ms. "
            "Close other programs, or ask the camera for a smaller picture."
        )
    return f"The delay is over {status.target_ms:g} ms: now trying {_doing(status)}."


def chip_text(status: GovernorStatus | None) -> str:
    """For the line below the picture: ``Target 50 ms · every 2nd frame``."""
    if status is None or not status.enabled:
        return ""
    text = f"Target {status.target_ms:g} ms"
    if status.step:
        return f"{text} · {status.says}"
    if status.fresh_only:
        return f"{text} · fresh frames only"
    return text if status.holds else f"{text} · exceeded"


def _doing(status: GovernorStatus) -> str:
    doing = f"showing {status.says}" if "frame" in status.says else status.says
    fresh = "leaving out frames that had to wait"
    if not status.step:
        return fresh
    return f"{doing} and {fresh}" if status.fresh_only else doing


class DelayPage(QWidget):
    """Figures, the two settings, what the governor does, and a button that saves a report."""

    edited = Signal(str, object)  # dotted path, new value

    def __init__(self) -> None:
        super().__init__()
        title = QLabel("Delay")
        title.setProperty("kind", "title")
        figures = QHBoxLayout()
        figures.setSpacing(24)
        self.figures: dict[str, QLabel] = {}
        for name, meaning in FIGURES:
            value, words = QLabel("–"), QLabel(meaning)
            value.setProperty("kind", "title")
            words.setProperty("kind", "details")
            pair = QVBoxLayout()
            pair.setSpacing(0)
            pair.addWidget(value)
            pair.addWidget(words)
            figures.addLayout(pair)
            self.figures[name] = value
        figures.addStretch(1)
        self.says = QLabel()
        self.says.setWordWrap(True)
        self.says.setProperty("kind", "details")
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(2)
        grid.setColumnMinimumWidth(0, 120)
        grid.setColumnMinimumWidth(2, 48)
        grid.setColumnStretch(1, 1)
        self.rows: dict[str, SettingRow] = {}
        for number, spec in enumerate(fields_of(LatencySettings(), "latency.")):
            row = SettingRow(spec, grid, number)
            row.edited.connect(self.edited)
            self.rows[spec.path] = row
        self.save = QPushButton("Save report")
        self.save.setToolTip("A page with plots of the delay, beside your recordings")
        self.saved = QLabel()
        self.saved.setProperty("kind", "details")
        self.saved.setOpenExternalLinks(True)
        bottom = QHBoxLayout()
        bottom.setSpacing(12)
        bottom.addWidget(self.save)
        bottom.addWidget(self.saved, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        column.addWidget(title)
        column.addLayout(figures)
        column.addWidget(self.says)
        column.addLayout(grid)
        column.addLayout(bottom)

    def show_settings(self, settings: Settings) -> None:
        """Show these values."""
        for path, row in self.rows.items():
            row.show_value(get_value(settings, path))

    def show_status(self, status: SessionStatus) -> None:
        """Show the figures and what is spared."""
        latency, measured = status.timing.latency_ms, status.timing.frames > 1
        for name, label in self.figures.items():
            label.setText(f"{getattr(latency, name):.0f} ms" if measured else "–")
        self.says.setText(governor_text(status.governor))
        self.save.setEnabled(measured)
