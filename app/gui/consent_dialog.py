"""Asks, before a face is added, why it may be used; nothing is chosen beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.gui import theme
from app.gui.consent_choices import CHOICES, Card, Choice
from app.gui.icons import pixmap
from app.gui.intake import Intake
from app.gui.picture_peek import peek
from app.provenance.consent import Basis

_WIDTH = 560
WHY = (
    "Omokage keeps a short record with every face: whose it is and why you may use it. "
    "The record and the picture stay on this computer."
)
HOLDS = (
    ("Until I revoke it", None),
    ("Today only", 0),
    ("30 days", 30),
    ("One year", 365),
)
REFUSAL = (
    "If none of these is true, the face cannot be added. Showing somebody's face without their "
    "agreement can hurt them, and in many places it is against the law."
)


@dataclass(frozen=True)
class Consent:
    """What was answered; ``days`` is how long it holds, None until it is revoked."""

    name: str
    basis: Basis
    note: str
    scope: str = ""
    days: int | None = None

    @property
    def expires(self) -> str | None:
        """The last day, as an ISO date."""
        return None if self.days is None else (date.today() + timedelta(self.days)).isoformat()


class ConsentDialog(QDialog):
    """Its OK stays off until a basis is chosen and what that basis needs is filled in."""

    def __init__(self, intake: Intake, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.intake = intake
        self.setObjectName("consent")
        self.setWindowTitle("Add a face")
        self.setFixedWidth(_WIDTH)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.basis_buttons: dict[Basis, QRadioButton] = {}
        self._group = QButtonGroup(self)
        self.name = QLineEdit(intake.suggested_name)
        self.name.setMaxLength(40)
        self.name.setPlaceholderText("As it appears in the gallery")
        self.name.setAccessibleName("Name")
        self.note = QLineEdit()
        self.note.setMaxLength(200)
        self.note.setPlaceholderText("Optional")
        self.note.setAccessibleName("Note")
        self.scope = QLineEdit()
        self.scope.setMaxLength(200)
        self.scope.setPlaceholderText("Optional, e.g. calls with friends")
        self.scope.setAccessibleName("Covers")
        self.holds = QComboBox()
        self.holds.setAccessibleName("Holds")
        for text, days in HOLDS:
            self.holds.addItem(text, days)
        self.missing = QLabel()
        self.missing.setProperty("kind", "details")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = QPushButton("Add face")
        self.accept_button.setProperty("kind", "primary")
        self.buttons.addButton(self.accept_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.accept_button.setDefault(True)
        self._lay_out()
        self._group.buttonToggled.connect(lambda *_: self._check())
        self.name.textChanged.connect(self._check)
        self.note.textChanged.connect(self._check)
        self._check()
        self.setFocus()  # no choice looks preferred; the first Tab leads to them

    @property
    def consent(self) -> Consent | None:
        """The answer so far; None while something is missing."""
        basis = self._basis()
        if basis is None or self._missing():
            return None
        name, note, scope = (field.text().strip() for field in (self.name, self.note, self.scope))
        return Consent(name, basis, note, scope, self.holds.currentData())

    def fill(self, consent: Consent) -> None:
        """Show an answer given before."""
        self.basis_buttons[consent.basis].setChecked(True)
        self.name.setText(consent.name)
        self.note.setText(consent.note)
        self.scope.setText(consent.scope)
        self.holds.setCurrentIndex(self.holds.findData(consent.days))

    def accept(self) -> None:
        """Closes only with a whole answer (Enter in a field comes here too)."""
        if self.consent is not None:
            super().accept()

    def _basis(self) -> Basis | None:
        chosen = [basis for basis, button in self.basis_buttons.items() if button.isChecked()]
        return chosen[0] if chosen else None

    def _missing(self) -> str:
        basis = self._basis()
        if basis is None:
            return "Choose one of the four to go on."
        if not self.name.text().strip():
            return "Give the face a name."
        choice = CHOICES[basis]
        if choice.note_needed and not self.note.text().strip():
            return "This ground needs a note."
        return ""

    def _check(self) -> None:
        basis = self._basis()
        self.note.setPlaceholderText(CHOICES[basis].note if basis else "Optional")
        missing = self._missing()
        self.missing.setText(missing)
        self.accept_button.setEnabled(not missing)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(self._build_picture(), 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(8)
        title = QLabel("Whose face is this?")
        title.setProperty("kind", "title")
        why = QLabel(WHY)
        why.setProperty("kind", "details")
        why.setWordWrap(True)
        why.setFixedWidth(_WIDTH - 2 * 24 - 96 - 16)  # so that its height is known beforehand
        words.addWidget(title)
        words.addWidget(why)
        words.addStretch(1)
        head.addLayout(words, 1)
        choices = QVBoxLayout()
        choices.setSpacing(8)
        for basis, choice in CHOICES.items():
            choices.addWidget(self._build_choice(basis, choice))
        form = QGridLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        fields: tuple[tuple[str, QWidget], ...] = (
            *(("&Name", self.name), ("N&ote", self.note)),
            *(("&Covers", self.scope), ("&Holds", self.holds)),
        )
        for row, (text, field) in enumerate(fields):
            label = QLabel(text)
            label.setBuddy(field)
            form.addWidget(label, row, 0)
            form.addWidget(field, row, 1)
        refusal = QLabel(REFUSAL)
        refusal.setProperty("kind", "details")
        refusal.setWordWrap(True)
        refusal.setFixedWidth(_WIDTH - 2 * 24)
        foot = QHBoxLayout()
        foot.addWidget(self.missing, 1)
        foot.addWidget(self.buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(16)
        column.addLayout(head)
        column.addLayout(choices)
        column.addLayout(form)
        column.addWidget(refusal)
        column.addLayout(foot)

    def _build_choice(self, basis: Basis, choice: Choice) -> QFrame:
        card = Card(choice)
        self._group.addButton(card.button)
        self.basis_buttons[basis] = card.button
        return card

    def _build_picture(self) -> QLabel:
        label = QLabel()
        label.setObjectName("consentPicture")
        label.setFixedSize(96, 96)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        picture = peek(self.intake, 96, self.devicePixelRatioF())
        if picture is None:
            picture = QPixmap(pixmap("face", theme.MUTED, 40, self.devicePixelRatioF()))
        label.setPixmap(picture)
        count = len(self.intake.pictures)
        label.setToolTip(f"{count} pictures of one person" if count > 1 else "")
        return label
