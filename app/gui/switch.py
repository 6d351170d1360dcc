"""A check box drawn as a sliding switch."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox

from app.gui import theme


class Switch(QCheckBox):
    """On is the accent colour with the knob at the right, so that colour is not the only sign."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """Track and focus ring."""
        return QSize(40, 24)

    def minimumSizeHint(self) -> QSize:
        """It does not shrink."""
        return self.sizeHint()

    def hitButton(self, _position: object) -> bool:
        """All of it can be pressed."""
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        """Ring, track, knob."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(2, 2, 36, 20)
        on = self.isChecked()
        painter.setBrush(QColor(theme.ACCENT if on else theme.RAISED))
        painter.setPen(QPen(QColor(theme.ACCENT if on else theme.EDGE), 1.5))
        painter.drawRoundedRect(track.adjusted(1, 1, -1, -1), 9, 9)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.ON_ACCENT if on else theme.MUTED))
        painter.drawEllipse(QPointF(28 if on else 12, 12), 6, 6)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.TEXT), 1.5))
            painter.drawRoundedRect(track.adjusted(-1, -1, 1, 1), 11, 11)
