"""A first look at a picture for a dialog; whether it can be used is decided elsewhere."""

from __future__ import annotations

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QImageReader, QPainter, QPainterPath, QPixmap

from app.gui.intake import Intake

_MAX_SIDE = 8192  # larger files are not decoded for a thumbnail


def peek(intake: Intake, side: int, ratio: float) -> QPixmap | None:
    """The first picture as a rounded square of ``side`` logical pixels; None where it has none."""
    image = _read(intake, round(side * ratio))
    if image.isNull():
        return None
    length = min(image.width(), image.height())
    square = QRect((image.width() - length) // 2, (image.height() - length) // 2, length, length)
    pixels = round(side * ratio)
    result = QPixmap(pixels, pixels)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    path = QPainterPath()
    path.addRoundedRect(QRectF(result.rect()), 12 * ratio, 12 * ratio)
    painter.setClipPath(path)
    painter.drawImage(result.rect(), image, square)
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result


def _read(intake: Intake, pixels: int) -> QImage:
    buffer = QBuffer()
    if intake.pasted:
        buffer.setData(QByteArray(intake.pasted))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        reader = QImageReader(buffer)
    elif intake.pictures:
        reader = QImageReader(str(intake.pictures[0]))
        reader.setDecideFormatFromContent(True)
    else:
        return QImage()
    reader.setAutoTransform(True)
    whole = reader.size()
    if not whole.isValid() or max(whole.width(), whole.height()) > _MAX_SIDE:
        return QImage()
    room = QSize(2 * pixels, 2 * pixels)
    reader.setScaledSize(whole.scaled(room, Qt.AspectRatioMode.KeepAspectRatioByExpanding))
    return reader.read()
