"""The words in the middle of the preview: starting, nothing chosen, ended, failed."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.gui import theme

_TURN_MS = 40
_WIDTH = 440.0


@dataclass(frozen=True)
class Message:
    """A title and one sentence; ``busy`` turns a ring above it, ``button`` offers what to do."""

    title: str
    text: str = ""
    busy: bool = False
    button: str = ""


class MessagePainter:
    """Draws one message centred in a rectangle, and repaints its widget while the ring turns."""

    def __init__(self, owner: QWidget) -> None:
        self.message: Message | None = None
        self._owner = owner
        self._angle = 0
        self._timer = QTimer(owner)
        self._timer.setInterval(_TURN_MS)
        self._timer.timeout.connect(self._turn)

    def show(self, message: Message | None) -> None:
        """Take on a message, or none."""
        self.message = message
        if message is not None and message.busy:
            self._timer.start()
        else:
            self._timer.stop()

    def bottom(self, room: QRectF) -> float:
        """The y below the words, where a button may stand."""
        title, text = self._boxes(room)
        return max(title.bottom(), text.bottom())

    def paint(self, painter: QPainter, room: QRectF, over_picture: bool) -> None:
        """Draw it; a picture below is dimmed first."""
        if self.message is None:
            return
        if over_picture:
            painter.fillRect(room, QColor(13, 15, 18, 205))
        title, text = self._boxes(room)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
        painter.setFont(_font(self._owner, 18, QFont.Weight.DemiBold))
        painter.setPen(QColor(theme.TEXT))
        painter.drawText(title, flags, self.message.title)
        painter.setFont(_font(self._owner, 13, QFont.Weight.Normal))
        painter.setPen(QColor(theme.MUTED))
        painter.drawText(text, flags, self.message.text)
        if self.message.busy:
            ring = QRectF(room.center().x() - 14, title.top() - 48, 28, 28)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.HOVER), 3))
            painter.drawEllipse(ring)
            painter.setPen(QPen(QColor(theme.ACCENT), 3, c=Qt.PenCapStyle.RoundCap))
            painter.drawArc(ring, -self._angle * 16, 90 * 16)

    def _boxes(self, room: QRectF) -> tuple[QRectF, QRectF]:
        message = self.message or Message("")
        width = min(_WIDTH, room.width() - 48)
        flags = int(Qt.TextFlag.TextWordWrap)
        endless = QRectF(0, 0, width, 1e4)
        title = QFontMetricsF(_font(self._owner, 18, QFont.Weight.DemiBold))
        text = QFontMetricsF(_font(self._owner, 13, QFont.Weight.Normal))
        title_height = title.boundingRect(endless, flags, message.title).height()
        text_height = text.boundingRect(endless, flags, message.text).height()
        extra = 52.0 if message.button else 0.0
        lead = 48.0 if message.busy else 0.0
        whole = lead + title_height + 8 + text_height + extra
        left = room.center().x() - width / 2
        top = room.center().y() - whole / 2 + lead
        return (
            QRectF(left, top, width, title_height),
            QRectF(left, top + title_height + 8, width, text_height),
        )

    def _turn(self) -> None:
        self._angle = (self._angle + 12) % 360
        self._owner.update()


def _font(owner: QWidget, pixels: int, weight: QFont.Weight) -> QFont:
    font = QFont(owner.font())
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font
