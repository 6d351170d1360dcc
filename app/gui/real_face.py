"""Switching the swap off hides the picture; showing the real face takes a second, confirmed act."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.gui.problems import Offer, Problem
from app.session import Session

TOPIC = "real face"


class RealFaceDesk(QObject):
    """Asks, and tells the session."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic
    swap_wanted = Signal()

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session = session

    def swap_changed(self, on: bool) -> None:
        """The swap was switched: back on ends everything here, off hides the picture."""
        if on:
            self._session.wish(real_face=False)
            self.solved.emit(TOPIC)
        else:
            self._say_paused()

    def _say_paused(self) -> None:
        back = Offer("Swap again", self.swap_wanted.emit)
        real = Offer("Show my real face…", self._ask)
        self.problem.emit(
            Problem(
                "The swap is off, and the picture is hidden.",
                "Whoever watches sees a slate.",
                (back, real),
                topic=TOPIC,
                calm=True,
            )
        )

    def _ask(self) -> None:
        show = Offer("Show my real face", self._show)
        stay = Offer("Stay hidden", self._say_paused)
        self.problem.emit(
            Problem(
                "Show your real face to everybody who watches?",
                "It ends when you swap again, change the camera or press Esc.",
                (stay, show),
                topic=TOPIC,
            )
        )

    def _show(self) -> None:
        self._session.wish(real_face=True)
        back = Offer("Swap again", self.swap_wanted.emit)
        self.problem.emit(
            Problem("Your real face is shown.", "Nothing is swapped or marked.", (back,), TOPIC)
        )
