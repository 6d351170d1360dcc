"""Pictures side by side under their titles, as one small PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter

from app.gui import theme

COLUMNS, WIDTH, HEIGHT, TITLE, GAP = 3, 560, 362, 40, 20
COLOURS = 256  # of the file: a fifth of its size


def save_sheet(pictures: Mapping[Path, str], target: Path) -> None:
    """``pictures`` (file -> title) in rows of ``COLUMNS``, each fitted, never enlarged."""
    rows = -(-len(pictures) // COLUMNS)
    cell = HEIGHT + TITLE + GAP
    sheet = QImage(COLUMNS * (WIDTH + GAP) + GAP, rows * cell + GAP, QImage.Format.Format_RGB32)
    sheet.fill(QColor(theme.STAGE))
    painter = QPainter(sheet)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = painter.font()
    font.setPixelSize(17)
    painter.setFont(font)
    painter.setPen(QColor(theme.TEXT))
    for number, (file, title) in enumerate(pictures.items()):
        left = GAP + number % COLUMNS * (WIDTH + GAP)
        top = GAP + number // COLUMNS * cell
        painter.drawText(QRect(left, top, WIDTH, TITLE), Qt.AlignmentFlag.AlignVCenter, title)
        image = QImage(str(file))
        if image.width() > WIDTH or image.height() > HEIGHT:
            how = Qt.TransformationMode.SmoothTransformation
            image = image.scaled(WIDTH, HEIGHT, Qt.AspectRatioMode.KeepAspectRatio, how)
        painter.drawImage(left, top + TITLE, image)
    painter.end()
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(str(target))
    with Image.open(target) as full:
        small = full.convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(target, optimize=True)
