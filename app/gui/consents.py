"""The page of consent records: who, why, until when; exporting and revoking them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.consent_export import export
from app.consents import Consent, Consents, ConsentState
from app.errors import AppError
from app.gui.background import Background
from app.gui.consent_choices import CHOICES
from app.gui.problems import Offer, Problem
from app.session import SessionStatus

TOPIC = "consent"
COLUMNS = ("Who", "Ground", "Recorded", "Until", "State")
EMPTY = (
    "No face was added yet. The built-in faces show nobody and need no consent; every other face "
    "gets a record here before it is used."
)
INTRO = "All of this stays on this computer. A revoked face is hidden from the next frame on."
REVOKE = (
    "The face is not used any more, at once, in this window and everywhere else on this computer. "
    "The record stays, with the day of the withdrawal. This cannot be taken back: to use the face "
    "again, add it with a new consent."
)


@dataclass(frozen=True)
class Records:
    """What the page shows."""

    consents: tuple[Consent, ...]
    problems: tuple[str, ...]


class ConsentsPage(QDialog):
    """One row a record, newest first; below it everything about the chosen one."""

    export_wanted = Signal()
    revoke_wanted = Signal(object)  # Consent

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("consents")
        self.setWindowTitle("Consent records")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 520)
        self._records = Records((), ())
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setAccessibleName("Consent records")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._show_chosen)
        self.details = QLabel()
        self.details.setProperty("kind", "details")
        self.details.setWordWrap(True)
        self.details.setTextFormat(Qt.TextFormat.PlainText)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details.setMinimumHeight(96)
        self.details.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.problems = QLabel()
        self.problems.setProperty("kind", "problem")
        self.problems.setWordWrap(True)
        self.revoke = QPushButton("Revoke…")
        self.revoke.clicked.connect(lambda: self.revoke_wanted.emit(self.chosen))
        self.export = QPushButton("Export…")
        self.export.clicked.connect(self.export_wanted)
        close = QPushButton("Close")
        close.setProperty("kind", "primary")
        close.setDefault(True)
        close.clicked.connect(self.reject)
        for button in (self.revoke, self.export):
            button.setAutoDefault(False)
        title = QLabel("Consent records")
        title.setProperty("kind", "title")
        intro = QLabel(INTRO)
        intro.setProperty("kind", "details")
        intro.setWordWrap(True)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.revoke)
        foot.addWidget(self.export)
        foot.addStretch(1)
        foot.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(12)
        for widget in (title, intro, self.table, self.details, self.problems):
            column.addWidget(widget, 1 if widget is self.table else 0)
        column.addLayout(foot)
        self.show_records(self._records)

    @property
    def chosen(self) -> Consent | None:
        """The record of the chosen row."""
        rows = self.table.selectionModel().selectedRows()
        return self._records.consents[rows[0].row()] if rows else None

    def show_records(self, records: Records) -> None:
        """Show these; the row that was chosen stays chosen."""
        kept = self.chosen.consent_id if self.chosen else ""
        self._records = records
        self.table.setRowCount(len(records.consents))
        for row, consent in enumerate(records.consents):
            for place, text in enumerate(_cells(consent)):
                self.table.setItem(row, place, QTableWidgetItem(text))
        ids = [consent.consent_id for consent in records.consents]
        if ids:
            self.table.selectRow(ids.index(kept) if kept in ids else 0)
        self.problems.setText("\n".join(records.problems))
        self.problems.setVisible(bool(records.problems))
        self.export.setEnabled(bool(ids))
        self._show_chosen()

    def _show_chosen(self) -> None:
        chosen = self.chosen
        self.details.setText(_described(chosen) if chosen else EMPTY)
        self.revoke.setEnabled(
            chosen is not None and chosen.state in (ConsentState.IN_FORCE, ConsentState.EXPIRED)
        )


class ConsentDesk(QObject):
    """Between the page, the records and the session's refusals."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(self, consents: Consents, background: Background, window: QWidget) -> None:
        super().__init__(window)
        self._consents = consents
        self._background = background
        self._window = window
        self._refusal = ""
        self.page: ConsentsPage | None = None
        self.question: QMessageBox | None = None
        self.file_dialog: QFileDialog | None = None

    def open(self) -> None:
        """Show the page."""
        if self.page is None:
            self.page = ConsentsPage(self._window)
            self.page.export_wanted.connect(self._ask_where)
            self.page.revoke_wanted.connect(self._ask_to_revoke)
            self.page.destroyed.connect(self._forget)
            self.page.show()
        self.page.activateWindow()
        self._background.run(self._read, self._show, self._failed)

    def show_status(self, status: SessionStatus) -> None:
        """Say why the chosen face is hidden, until it is not."""
        if status.refusal == self._refusal:
            return
        self._refusal = status.refusal
        if status.refusal:
            see = Offer("Consent records", self.open)
            self.problem.emit(Problem(status.refusal, "", (see,), topic=TOPIC))
        else:
            self.solved.emit(TOPIC)

    def revoke(self, consent: Consent) -> None:
        """Withdraw a consent."""

        def work() -> Records:
            self._consents.revoke(consent.consent_id)
            return self._read()

        self._background.run(work, self._show, self._failed)

    def export_to(self, path: Path) -> None:
        """Write all records to a file."""

        def work() -> None:
            records = self._read()
            export(records.consents, records.problems, path)

        def done(_: None) -> None:
            said = Problem(f"The consent records are in {path.name}.", topic=TOPIC, calm=True)
            self.problem.emit(said)

        self._background.run(work, done, self._failed)

    def _read(self) -> Records:
        return Records(tuple(self._consents.list()), self._consents.problems())

    def _show(self, records: Records) -> None:
        if self.page is not None:
            self.page.show_records(records)

    def _failed(self, error: AppError) -> None:
        self.problem.emit(Problem.of(error, topic=TOPIC))

    def _ask_to_revoke(self, consent: Consent) -> None:
        question = QMessageBox(
            QMessageBox.Icon.NoIcon,
            "Revoke a consent",
            f"Revoke the consent for {consent.record.person}?",
            QMessageBox.StandardButton.Cancel,
            self.page,
        )
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setInformativeText(REVOKE)
        revoke = question.addButton("Revoke", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        revoke.clicked.connect(lambda: self.revoke(consent))
        question.finished.connect(question.deleteLater)
        self.question = question
        question.open()

    def _ask_where(self) -> None:
        dialog = QFileDialog(self.page, "Export the consent records")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["Table (*.csv)", "JSON (*.json)"])
        dialog.setDefaultSuffix("csv")
        dialog.selectFile("Omokage consents.csv")
        dialog.fileSelected.connect(lambda name: self.export_to(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        self.file_dialog = dialog
        dialog.open()

    def _forget(self) -> None:
        self.page = None


def _cells(consent: Consent) -> Sequence[str]:
    record = consent.record
    return (
        record.person,
        CHOICES[record.basis].title,
        record.recorded_at[:10],
        record.expires or "—",
        consent.state.value.capitalize(),
    )


def _described(consent: Consent) -> str:
    record = consent.record
    pictures = record.picture_sha256.split()
    lines = [f"Covers: {record.scope or 'any use in Omokage'}"]
    if record.note:
        lines.append(f"Note: {record.note}")
    shown = ", ".join(f"{sha256[:12]}…" for sha256 in pictures[:3])
    lines.append(f"{'Pictures' if len(pictures) > 1 else 'Picture'} (SHA-256): {shown}")
    events = (
        f"{event.what.value} {event.at[:10]}{f' ({event.note})' if event.note else ''}"
        for event in consent.history
    )
    lines.append(f"Record {consent.consent_id}: {', '.join(events) or 'from an earlier version'}")
    return "\n".join(lines)
