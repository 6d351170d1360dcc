"""The four grounds on which a face may be used, and the card that shows one of them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QLabel, QRadioButton, QVBoxLayout

from app.provenance.consent import Basis


@dataclass(frozen=True)
class Choice:
    """One ground, in words."""

    title: str
    text: str
    note: str  # what the note field asks for
    note_needed: bool


CHOICES = {
    Basis.OWN_FACE: Choice("My own face", "I am the person in the picture.", "Optional", False),
    Basis.WRITTEN: Choice(
        "Written consent",
        "The person agreed to this use in writing.",
        "Where the agreement is kept, and its date",
        True,
    ),
    Basis.SYNTHETIC: Choice(
        "Synthetic", "Drawn or generated: this person does not exist.", "Optional", False
    ),
    Basis.LICENSED: Choice(
        "Licensed", "A model release or licence covers this use.", "Which licence", True
    ),
}


class Card(QFrame):
    """A radio button with a line of explanation; all of it can be pressed."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.setProperty("kind", "card")
        self.button = QRadioButton(choice.title)
        self.button.setAccessibleDescription(choice.text)
        self.button.toggled.connect(self._mark)
        text = QLabel(choice.text)
        text.setIndent(30)
        text.setMinimumHeight(18)
        self.button.setMinimumHeight(22)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(0)
        column.addWidget(self.button)
        column.addWidget(text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose it."""
        self.button.setChecked(True)

    def _mark(self, chosen: bool) -> None:
        self.setProperty("chosen", chosen)
        self.style().unpolish(self)
        self.style().polish(self)
