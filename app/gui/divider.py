"""The line between before and after, its grip and its labels."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.gui import theme
from app.gui.drawing import pill

_ROOM = 88  # a side narrower than this, in logical pixels, has no label


def paint_divider(painter: QPainter, rect: QRect, x: int) -> None:
    """Draw it at ``x`` over the picture in ``rect``."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(QRectF(x - 1, rect.top(), 2, rect.height()), QColor(theme.TEXT))
    middle = QPointF(x, rect.center().y())
    painter.setPen(QPen(QColor(theme.STAGE), 1))
    painter.setBrush(QColor(theme.TEXT))
    painter.drawEllipse(middle, 14, 14)
    painter.setPen(QPen(QColor(theme.STAGE), 2, c=Qt.PenCapStyle.RoundCap))
    for side in (-1, 1):
        tip = middle + QPointF(side * 8, 0)
        painter.drawLine(tip, tip + QPointF(-side * 4, -4))
        painter.drawLine(tip, tip + QPointF(-side * 4, 4))
    base = rect.bottom() - 28
    if x - rect.left() > _ROOM:
        pill(painter, QPointF(rect.left() + 48, base), "Before")
    if rect.right() - x > _ROOM:
        pill(painter, QPointF(x + 48, base), "After")
    painter.restore()
