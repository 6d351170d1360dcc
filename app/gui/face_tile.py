"""How one source face looks: a rounded picture, its name, a ring around the chosen one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.frame import Pixels
from app.gui import theme
from app.gui.drawing import image_of

TILE = QSize(80, 100)
PEOPLE = Qt.ItemDataRole.UserRole + 1  # role of the numbers of those who have a face: "1 3"
_SIDE = 64
_RADIUS = 16


def rounded_thumbnail(face_id: str, pixels: Pixels) -> QPixmap:
    """The square picture at twice the tile's size (sharp on dense screens), kept for repaints."""
    return _thumbnail(face_id, pixels.shape, np.ascontiguousarray(pixels).tobytes())


@lru_cache(maxsize=256)
def _thumbnail(_face_id: str, shape: tuple[int, ...], data: bytes) -> QPixmap:
    pixels = np.frombuffer(data, np.uint8).reshape(shape)
    picture = QPixmap.fromImage(image_of(pixels, 2 * _SIDE, 2 * _SIDE))
    result = QPixmap(picture.size())
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    path = QPainterPath()
    path.addRoundedRect(QRectF(result.rect()), 2 * _RADIUS, 2 * _RADIUS)
    painter.setClipPath(path)
    painter.drawPixmap(0, 0, picture)
    painter.end()
    result.setDevicePixelRatio(2.0)
    return result


def _paint_people(painter: QPainter, picture: QRectF, people: str) -> None:
    """The numbers of those who have this face, in a pill over its corner."""
    font = painter.font()
    font.setPixelSize(12)
    font.setBold(True)
    painter.setFont(font)
    width = max(20.0, QFontMetrics(font).horizontalAdvance(people) + 12.0)
    pill = QRectF(picture.right() - width + 4, picture.top() - 4, width, 20)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.ACCENT))
    painter.drawRoundedRect(pill, 10, 10)
    painter.setPen(QColor(theme.ON_ACCENT))
    painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, people)


class FaceTile(QStyledItemDelegate):
    """Paints a tile of a ``FaceList``."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """All tiles are alike."""
        return TILE

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Picture, name, ring."""
        state = option.state
        room = QRectF(option.rect)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        focused = chosen and bool(state & QStyle.StateFlag.State_HasFocus)
        picture = QRectF(room.center().x() - _SIDE / 2, room.top() + 6, _SIDE, _SIDE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        pixmap: QPixmap = index.data(Qt.ItemDataRole.DecorationRole)
        painter.drawPixmap(picture, pixmap, QRectF(pixmap.rect()))
        if chosen or hovered:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.ACCENT if chosen else theme.EDGE), 2.5))
            painter.drawRoundedRect(picture.adjusted(-3.5, -3.5, 3.5, 3.5), 19, 19)
        if focused:
            painter.setPen(QPen(QColor(theme.TEXT), 1.5))
            painter.drawRoundedRect(picture.adjusted(-1, -1, 1, 1), 17, 17)
        people = str(index.data(PEOPLE) or "")
        if people:
            _paint_people(painter, picture, people)
        font = painter.font()
        font.setPixelSize(12)
        font.setBold(chosen)
        painter.setFont(font)
        painter.setPen(QColor(theme.TEXT if chosen else theme.MUTED))
        line = QRectF(room.left() + 2, picture.bottom() + 6, room.width() - 4, 18)
        text = QFontMetrics(font).elidedText(
            str(index.data(Qt.ItemDataRole.DisplayRole)),
            Qt.TextElideMode.ElideRight,
            int(line.width()),
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, text)
        painter.restore()
