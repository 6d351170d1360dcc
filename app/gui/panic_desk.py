"""Hiding the picture at once; it is shown again only by a confirmed act."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.gui.problems import Offer, Problem
from app.session import Session

TOPIC = "panic"
HELP = "Nothing of the camera leaves Omokage. Press Esc for this bar."


class PanicDesk(QObject):
    """Tells the session, and asks before it shows anything again."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session

    def panic(self) -> None:
        """Hide the picture."""
        self._session.panic()
        show = Offer("Show it again", self._ask)
        self.problem.emit(Problem("The picture is hidden.", HELP, (show,), topic=TOPIC))

    def resume(self) -> None:
        """Show it again; another program asked, which was let in."""
        self._session.resume()
        self.solved.emit(TOPIC)

    def _ask(self) -> None:
        offers = (Offer("Show the picture", self._session.resume), Offer("Stay hidden", self.panic))
        self.problem.emit(Problem("Show the picture again?", "", offers, topic=TOPIC))
