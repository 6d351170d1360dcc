"""The page about the camera: what was asked, given and measured, what slows it, and its size."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.capture.diagnosis import SMALLER, CameraFacts, CameraFinding, Fix
from app.capture.listing import CameraEntry
from app.settings import CaptureSettings

SIZES = ((1920, 1080), *SMALLER)
RATES = (15, 24, 25, 30, 50, 60)
_FIXES = {Fix.KEEP_RATE: "Keep the rate", Fix.SMALLER: "Use {0} × {1}"}
_USB = {12: "USB 1", 480: "USB 2"}


def connection_text(entry: CameraEntry) -> str:
    """``USB 2 · port 1-2 · 046d:082d``; a dash where nothing is known."""
    parts = []
    if entry.usb_mbit:
        parts.append(_USB.get(entry.usb_mbit, "USB 3"))
    if entry.port and len(entry.port) < 24:
        parts.append(f"port {entry.port.partition(':')[0]}")
    if entry.model.startswith("usb:"):
        parts.append(":".join(entry.model.split(":")[1:3]))
    return " · ".join(parts) or "–"


def given_text(size: tuple[int, int], rate: float, code: str = "") -> str:
    """``1280 × 720 · 30 fps · MJPG``."""
    parts = [f"{size[0]} × {size[1]}"]
    parts += [f"{rate:g} fps"] if rate else []
    return " · ".join([*parts, *([code] if code else [])])


class FindingCard(QFrame):
    """A sentence, what to do, and a button where Omokage can do it."""

    def __init__(self, finding: CameraFinding) -> None:
        super().__init__()
        self.setProperty("kind", "finding")
        words = QVBoxLayout()
        words.setSpacing(2)
        for text, kind in ((finding.what, "problem"), (finding.remedy, "details")):
            if text:
                label = QLabel(text)
                label.setProperty("kind", kind)
                label.setWordWrap(True)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                words.addWidget(label)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        row.addLayout(words, 1)
        self.button: QPushButton | None = None
        if finding.fix is not None:
            self.button = QPushButton(_FIXES[finding.fix].format(*(finding.size or ())))
            row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)


class CameraPage(QWidget):
    """Shows what is known of the camera in use; ``asked`` a size and a rate of it."""

    size_wanted = Signal(int, int)
    rate_wanted = Signal(int)
    fix_wanted = Signal(object)  # CameraFinding

    def __init__(self) -> None:
        super().__init__()
        self.name = QLabel()
        self.name.setProperty("kind", "title")
        self.name.setWordWrap(True)
        self.facts: dict[str, QLabel] = {}
        self._of_cameras: list[QLabel] = []  # what a clip or the demo does not have
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, name in enumerate(("Asked", "Given", "Measured", "Connection")):
            title = QLabel(name)
            title.setProperty("kind", "details")
            self.facts[name] = QLabel("–")
            self.facts[name].setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(title, row, 0)
            grid.addWidget(self.facts[name], row, 1)
            self._of_cameras += [title, self.facts[name]] if name != "Measured" else []
        self.size_choice, self.rate_choice = QComboBox(), QComboBox()
        self.size_choice.setAccessibleName("Size asked of the camera")
        self.rate_choice.setAccessibleName("Rate asked of the camera")
        self.size_choice.activated.connect(
            lambda _: self.size_wanted.emit(*self.size_choice.currentData())
        )
        self.rate_choice.activated.connect(
            lambda _: self.rate_wanted.emit(self.rate_choice.currentData())
        )
        choices = QHBoxLayout()
        choices.setSpacing(8)
        for label, combo in (("Size", self.size_choice), ("Rate", self.rate_choice)):
            choices.addWidget(QLabel(label))
            choices.addWidget(combo, 1)
        self._cards = QVBoxLayout()
        self._cards.setSpacing(8)
        self.cards: list[FindingCard] = []
        self._shown: list[CameraFinding] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        column.addWidget(self.name)
        column.addLayout(grid)
        column.addLayout(self._cards)
        column.addLayout(choices)

    def show_settings(self, settings: CaptureSettings) -> None:
        """Mark the size and rate that are asked for."""
        _offer(self.size_choice, SIZES, (settings.width, settings.height), "{0[0]} × {0[1]}")
        _offer(self.rate_choice, RATES, settings.rate, "{0} fps")

    def show_camera(self, name: str, facts: CameraFacts | None, measured: float) -> None:
        """Show the facts; a clip or the demo has none."""
        self.name.setText(name or "No camera is open")
        texts = dict.fromkeys(self.facts, "–")
        if facts is not None:
            texts["Asked"] = given_text(facts.asked_size, facts.asked_rate)
            texts["Given"] = given_text(facts.given_size, facts.given_rate, facts.given_format)
            texts["Connection"] = connection_text(facts.entry)
        if measured:
            texts["Measured"] = f"{measured:.1f} fps"
        for key, text in texts.items():
            self.facts[key].setText(text)
        self.facts["Connection"].setToolTip(facts.entry.identity if facts else "")
        for label in self._of_cameras:
            label.setVisible(facts is not None)
        self.size_choice.setEnabled(facts is not None)
        self.rate_choice.setEnabled(facts is not None)

    def show_findings(self, findings: list[CameraFinding]) -> None:
        """Show what is wrong; the cards stay as they are while it stays the same."""
        if findings == self._shown:
            return
        self._shown = findings
        for card in self.cards:
            self._cards.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = [FindingCard(finding) for finding in findings]
        for card, finding in zip(self.cards, findings, strict=True):
            self._cards.addWidget(card)
            if card.button is not None:
                card.button.clicked.connect(lambda _=False, f=finding: self.fix_wanted.emit(f))


def _offer(combo: QComboBox, offered: tuple[object, ...], value: object, form: str) -> None:
    values = [*offered] if value in offered else [value, *offered]
    combo.blockSignals(True)
    combo.clear()
    for one in values:
        combo.addItem(form.format(one), one)
    combo.setCurrentIndex(values.index(value))
    combo.blockSignals(False)
