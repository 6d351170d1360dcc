"""What the output shows now, in a word and a colour, over the picture's corner."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QLabel

from app.gui import theme
from app.gui.preview import Preview
from app.session import SessionStatus, State
from app.stages.privacy import Reason, Showing


@dataclass(frozen=True)
class Look:
    """A state's word, its colour and what it means."""

    word: str
    colour: str
    meaning: str


LOOKS = {
    Showing.LIVE: Look("LIVE", theme.GOOD, "Every face that is to be swapped is."),
    Showing.HELD: Look("HELD", theme.CAUTION, "The last swap stays in its place for a moment."),
    Showing.BLURRED: Look("BLURRED", theme.CAUTION, "What may be a face is blurred."),
    Showing.SLATE: Look("HIDDEN", theme.MUTED, "Nothing of the camera is shown."),
    Showing.BYPASS: Look("REAL FACE", theme.RECORD, "The output is the raw camera."),
}
WHY = {
    Reason.EMPTY: "empty room",
    Reason.NOBODY: "no face in view",
    Reason.LOST: "face lost",
    Reason.DOUBTFUL: "face not clear",
    Reason.FAILED: "the swap fails",
    Reason.NO_SOURCE: "no face chosen",
    Reason.PAUSED: "swap is off",
    Reason.CONSENT: "consent has ended",
    Reason.PANIC: "by you",
    Reason.AWAY: "camera away",
}
_MARGIN, _HEIGHT = 12, 28


def words_for(status: SessionStatus) -> tuple[Look, str] | None:
    """The look and the text for a status; None where nothing runs."""
    showing = Showing.SLATE if status.panicked else status.showing
    if showing is None or status.state is not State.RUNNING:
        return None
    reason = Reason.PANIC if status.panicked else status.reason
    look, why = LOOKS[showing], WHY.get(reason, "")
    return look, f"{look.word} · {why}" if why else look.word


class StateChip(QLabel):
    """Always in the picture's corner while something runs; mouse clicks go through it."""

    def __init__(self, preview: Preview) -> None:
        super().__init__(preview)
        self._preview = preview
        self.setObjectName("stateChip")
        self.setAccessibleName("What the output shows")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFixedHeight(_HEIGHT)
        self.hide()
        preview.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the picture's corner when the preview changes its size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def show_status(self, status: SessionStatus) -> None:
        """Take over the state of ``status``."""
        words = words_for(status)
        self.setVisible(words is not None)
        self._place()
        if words is None:
            return
        look, text = words
        if text == self.property("words"):
            return
        self.setProperty("words", text)
        self.setText(f"● {text}")
        self.setToolTip(look.meaning)
        self.setAccessibleDescription(f"{text}. {look.meaning}")
        loud = look is LOOKS[Showing.BYPASS]
        ground, ink = (look.colour, theme.STAGE) if loud else ("rgba(13, 15, 18, 215)", look.colour)
        self.setStyleSheet(f"background: {ground}; color: {ink}; border-radius: 14px;")
        self.adjustSize()

    def _place(self) -> None:
        corner = self._preview.picture_rect().topLeft()
        self.move(corner.x() + _MARGIN, corner.y() + _MARGIN)
