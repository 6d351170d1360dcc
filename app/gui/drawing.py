"""Small pieces of drawing that several widgets share: pictures at their size, pills, fitting."""

from __future__ import annotations

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from app.frame import Pixels
from app.gui import theme
from app.provenance.badge import place_badge
from app.settings import BadgeSettings


def fitted(size: QSize, room: QRect) -> QRect:
    """The largest rectangle of ``size``'s shape inside ``room``, centred."""
    inner = size.scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
    inner = inner.expandedTo(QSize(1, 1))
    x = room.x() + (room.width() - inner.width()) // 2
    y = room.y() + (room.height() - inner.height()) // 2
    return QRect(x, y, inner.width(), inner.height())


def image_of(pixels: Pixels, width: int, height: int) -> QImage:
    """``pixels`` (BGR) as an image of ``width`` x ``height`` device pixels that owns its memory.

    OpenCV scales several times faster than Qt's smooth transformation, and drawing RGB32 without
    scaling is a copy.
    """
    width, height = max(width, 1), max(height, 1)
    shrinks = width * 2 < pixels.shape[1]
    if (height, width) != pixels.shape[:2]:
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.bits(), np.uint8).reshape(height, image.bytesPerLine() // 4, 4)
    cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA, dst=rows[:, :width])
    return image


def mirrored(pixels: Pixels, badge: BadgeSettings | None) -> Pixels:
    """``pixels`` as in a mirror, but for the letters of the ``badge`` that is drawn in them."""
    flipped = np.asarray(cv2.flip(pixels, 1), np.uint8)
    placed = None if badge is None else place_badge(pixels.shape[0], pixels.shape[1], badge)
    if placed is not None:
        patch, _, (left, top) = placed
        rows, width = slice(top, top + patch.shape[0]), pixels.shape[1]
        right = left + patch.shape[1]
        flipped[rows, width - right : width - left] = pixels[rows, left:right]
    return flipped


def pill(painter: QPainter, centre: QPointF, text: str, dot: str = "") -> QRectF:
    """A short text on a rounded dark ground around ``centre``; with a coloured dot before it."""
    font = painter.font()
    font.setPixelSize(13)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    lead = 16.0 if dot else 0.0
    width = metrics.horizontalAdvance(text) + lead + 24
    box = QRectF(centre.x() - width / 2, centre.y() - 14, width, 28)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(13, 15, 18, 214))
    painter.drawRoundedRect(box, 14, 14)
    if dot:
        painter.setBrush(QColor(dot))
        painter.drawEllipse(QPointF(box.left() + 17, box.center().y()), 4, 4)
    painter.setPen(QColor(theme.TEXT))
    inner = box.adjusted(12 + lead, 0, -12, 0)
    painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
    return box
