"""The bar above the preview: one sentence, what can be done about it, and its details."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from app.errors import AppError
from app.gui import theme
from app.gui.icons import pixmap

NARROW = 640  # px, below which buttons stand under the words


@dataclass(frozen=True)
class Offer:
    """A button in the bar."""

    label: str
    act: Callable[[], object]


@dataclass(frozen=True)
class Problem:
    """What the bar says. ``topic`` keeps one problem of a kind; ``calm`` is a hint, no failure."""

    sentence: str
    details: str = ""
    offers: tuple[Offer, ...] = ()
    topic: str = ""
    calm: bool = False

    @staticmethod
    def of(error: AppError, *offers: Offer, topic: str = "") -> Problem:
        """What failed as the sentence, what to do about it as the details."""
        return Problem(error.what, error.remedy, offers, topic)


class ProblemBar(QFrame):
    """Shows one problem at a time; the others wait behind it. Never modal, can be dismissed."""

    emptied = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("problems")
        self.setAccessibleName("Problem")
        self._queue: list[Problem] = []
        self._sign = QLabel()
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.details = QLabel()
        self.details.setProperty("kind", "details")
        self.details.setWordWrap(True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.buttons: list[QPushButton] = []
        self._buttons_row = QHBoxLayout()
        self._buttons_row.setSpacing(8)
        self._buttons_row.addStretch()
        self.dismiss_button = QToolButton()
        self.dismiss_button.setProperty("kind", "bare")
        self.dismiss_button.setIconSize(QSize(16, 16))
        self.dismiss_button.setToolTip("Dismiss (Ctrl+D)")
        self.dismiss_button.setAccessibleName("Dismiss")
        self.dismiss_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.dismiss_button.clicked.connect(self.dismiss)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.sentence)
        words.addWidget(self.details)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(12)
        row.addWidget(self._sign)
        self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._body.setSpacing(8)
        self._body.addLayout(words, 1)
        self._body.addLayout(self._buttons_row)
        row.addLayout(self._body, 1)
        row.addWidget(self.dismiss_button)
        self.hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words their width in a narrow window."""
        super().resizeEvent(event)
        self._place_buttons()

    @property
    def current(self) -> Problem | None:
        """What is shown."""
        return self._queue[0] if self._queue else None

    def add(self, problem: Problem) -> None:
        """Show a problem now; one of the same topic, or the same sentence, is replaced."""
        self._queue = [
            other
            for other in self._queue
            if other.sentence != problem.sentence
            and not (problem.topic and other.topic == problem.topic)
        ]
        place = len(self._queue) if problem.calm else 0
        self._queue.insert(place, problem)
        self._refresh()

    def add_all(self, sentences: Iterable[str]) -> None:
        """Show each as a problem of its own."""
        for sentence in sentences:
            self.add(Problem(sentence, topic=sentence))

    def settle(self, topic: str) -> None:
        """Take away the problem of this topic: it is solved."""
        if any(problem.topic == topic for problem in self._queue):
            self._queue = [problem for problem in self._queue if problem.topic != topic]
            self._refresh()

    def dismiss(self) -> None:
        """Take away what is shown."""
        if self._queue:
            self._queue.pop(0)
            self._refresh()

    def _take(self, problem: Problem, offer: Offer) -> None:
        self._queue = [other for other in self._queue if other is not problem]
        self._refresh()
        offer.act()

    def _place_buttons(self) -> None:
        beside, below = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._body.setDirection(below if self.buttons and self.width() < NARROW else beside)

    def _refresh(self) -> None:
        for button in self.buttons:
            self._buttons_row.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        problem = self.current
        if problem is None:
            self.hide()
            self.emptied.emit()
            return
        tint = theme.ACCENT if problem.calm else theme.WARN_TEXT
        self.setProperty("calm", problem.calm)
        for widget in (self, self.sentence, self.details):  # the sheet asks the bar's property
            widget.style().unpolish(widget)
            widget.style().polish(widget)
        name = "info" if problem.calm else "warning"
        self._sign.setPixmap(pixmap(name, tint, 20, self.devicePixelRatioF()))
        self.dismiss_button.setIcon(pixmap("close", tint, 16, self.devicePixelRatioF()))
        self.sentence.setText(problem.sentence)
        self.details.setText(problem.details)
        self.details.setVisible(bool(problem.details))
        self.setAccessibleDescription(f"{problem.sentence} {problem.details}".strip())
        for offer in problem.offers:
            button = QPushButton(offer.label)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, o=offer, p=problem: self._take(p, o))
            self._buttons_row.insertWidget(len(self.buttons), button)
            self.buttons.append(button)
        self._place_buttons()
        self.show()
