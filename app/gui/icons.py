"""The window's own line icons, drawn in any colour and sharp on any screen."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

ICONS = Path(__file__).resolve().parents[2] / "assets" / "icons"
_DRAWN_IN = "#ECEEF2"  # the stroke colour in the files


def pixmap(name: str, colour: str, side: int = 20, ratio: float = 1.0) -> QPixmap:
    """Icon ``name`` in ``colour``, ``side`` logical pixels wide; ``KeyError`` if there is none."""
    file = ICONS / f"{name}.svg"
    if not file.is_file():
        raise KeyError(f"no icon {name!r} in {ICONS}")
    svg = file.read_text(encoding="utf-8").replace(_DRAWN_IN, colour)
    result = QPixmap(QSize(round(side * ratio), round(side * ratio)))
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(result.rect()))
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result


@cache
def icon(name: str, colour: str, off: str | None = None) -> QIcon:
    """A button's icon in ``colour``; dimmed to ``off`` (default: half seen) while disabled."""
    result = QIcon()
    for ratio in (1.0, 2.0):
        result.addPixmap(pixmap(name, colour, 20, ratio))
        result.addPixmap(pixmap(name, off or "#6B7385", 20, ratio), QIcon.Mode.Disabled)
    return result
