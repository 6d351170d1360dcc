"""Building engines from the window: the offer, and the dialog that shows how far it is."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.automatic_build import AutomaticBuild, Stage
from app.engine_builder import BuildEnd, BuildStep, EngineBuild
from app.errors import AppError
from app.gui.background import Background
from app.gui.build_chip import BuildChip, stage_text, time_text
from app.gui.builder_process import WatchedBuilder
from app.gui.problems import Offer, Problem

ENGINES = "engines"
_WIDTH, _EDGE = 480, 24  # px
_STEPS = 1000
OFFER = "Engines are built for it once, and you can go on meanwhile."
WHY = (
    "Each network is built for this graphics card and compared with the original; only those that "
    "give the same answers are used. You can go on meanwhile."
)


class BuildDialog(QDialog):
    """Shows a build; closing it cancels one under way."""

    def __init__(self, gpu: str, builder: WatchedBuilder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("building")
        self.setWindowTitle("Build engines")
        self.setFixedWidth(_WIDTH)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._builder = builder
        self.title = _label(f"Engines for {gpu}", "title")
        self.why = _label(WHY, "details")
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.stage = _label("Starting")
        self.time = _label("", "details")
        self.time.setWordWrap(False)
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.lines = _label("", "details")
        self.lines.hide()
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self.close)
        self._lay_out()
        builder.stepped.connect(self._show_step)
        builder.silent.connect(self._show_silence)
        builder.ended.connect(self._show_end)

    def closeEvent(self, event: QCloseEvent) -> None:
        """A build under way is cancelled first; the dialog closes when it has ended."""
        if self._builder.running:
            self.button.setEnabled(False)
            self.stage.setText("Cancelling")
            self.time.setText("")
            self._builder.cancel()
            event.ignore()
            return
        event.accept()

    def reject(self) -> None:
        """Esc does what closing does."""
        self.close()

    def _show_step(self, step: BuildStep) -> None:
        if not self.button.isEnabled():
            return  # it is being cancelled
        self.bar.setValue(round(step.share * _STEPS))
        self.stage.setText(stage_text(step))
        self.time.setText(time_text(step))

    def _show_silence(self) -> None:
        self.stage.setText("No word from the builder for a minute. It may have hung.")

    def _show_end(self, end: BuildEnd) -> None:
        self.bar.setValue(_STEPS if end.ok else self.bar.value())
        self.stage.setText(end.sentence)
        self.time.hide()
        self.lines.setText("\n".join(end.lines))
        self.lines.setVisible(bool(end.lines))
        self.button.setText("Close")
        self.button.setEnabled(True)
        self.adjustSize()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.stage, 1)
        row.addWidget(self.time)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(_EDGE, _EDGE, _EDGE, _EDGE)
        column.setSpacing(12)
        for label in (self.why, self.lines):
            label.setFixedWidth(_WIDTH - 2 * _EDGE)  # so that its height is known
        for widget in (self.title, self.why, self.bar):
            column.addWidget(widget)
        column.addLayout(row)
        column.addWidget(self.lines)
        column.addSpacing(4)
        column.addLayout(foot)


class BuildDesk(QObject):
    """Shows the build that goes on by itself, or offers one in the bar and runs it."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    edited = Signal(str, object)  # dotted path, new value

    def __init__(
        self,
        offer: EngineBuild | None,
        automatic: AutomaticBuild | None,
        chip: BuildChip,
        background: Background,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._offer, self._background, self._window = offer, background, parent
        self._automatic, self._chip = automatic, chip
        self._stage = Stage.WAITING
        self._builder: WatchedBuilder | None = None
        self.dialog: BuildDialog | None = None
        chip.cancelled.connect(self._cancel)

    def begin(self) -> None:
        """Say that engines can be built, where that is so and they are not built by themselves."""
        if self._automatic is None or not self._automatic.wanted:
            self._make_offer(OFFER)

    def refresh(self) -> None:
        """Show how far the build is that goes on by itself, and once how it ended."""
        if self._automatic is None:
            return
        status = self._automatic.status
        self._chip.show_status(status)
        before, self._stage = self._stage, status.stage
        if status.stage is before:
            return
        if status.stage is Stage.FAILED:
            retry = (Offer("Try again", self.build),)
            self.problem.emit(Problem(status.sentence, "", retry, topic=ENGINES, calm=True))
        elif status.stage is Stage.DONE:
            self.solved.emit(ENGINES)

    def _cancel(self) -> None:
        """No build by itself, now or at another start, until one is asked for."""
        if self._automatic is not None:
            self._automatic.cancel()
            self.refresh()
            self.edited.emit("engines.build_automatically", False)
            self._make_offer("They are not built unasked any more.")

    def _make_offer(self, details: str) -> None:
        if self._offer is None:
            return
        self.problem.emit(
            Problem(
                f"{self._offer.gpu} can run the networks faster.",
                details,
                (Offer("Build engines", self.build),),
                topic=ENGINES,
                calm=True,
            )
        )

    def build(self) -> None:
        """Start the builder and show how far it is."""
        if self._offer is None or (self._builder is not None and self._builder.running):
            return
        if self._stage is Stage.BUILDING:
            return
        self.edited.emit("engines.build_automatically", True)
        self._builder = WatchedBuilder(self._offer.command, self)
        self._builder.ended.connect(self._ended)
        self.dialog = BuildDialog(self._offer.gpu, self._builder, self._window)
        self.dialog.destroyed.connect(self._forget)
        self.dialog.show()
        self._builder.start()

    def close(self) -> None:
        """End a build under way: the window closes."""
        if self._builder is not None:
            self._builder.close()

    def _forget(self) -> None:
        self.dialog = None

    def _ended(self, end: BuildEnd) -> None:
        offer = self._offer
        if end.ended and self._builder is not None and self._builder.cancelled:
            self.edited.emit("engines.build_automatically", False)
        if end.ok and offer is not None:
            self._background.run(offer.adopt, self._adopted, self._not_adopted)
        elif not end.ok and self.dialog is None:
            self.problem.emit(Problem(end.sentence, topic=ENGINES))

    def _adopted(self, moved: list[str]) -> None:
        if moved:
            self.solved.emit(ENGINES)

    def _not_adopted(self, error: AppError) -> None:
        self.problem.emit(Problem.of(error, topic=ENGINES))


def _label(text: str, kind: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    if kind:
        label.setProperty("kind", kind)
    return label
