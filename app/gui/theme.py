"""Colours, sizes and the style sheet. Text on every ground has a contrast of at least 4.5 : 1."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QColor, QPalette

from app.gui.icons import ICONS

GROUND = "#14161A"
PANEL = "#1A1D23"
RAISED = "#252932"
HOVER = "#2F3440"
LINE = "#2C313B"
EDGE = "#6B7385"  # outlines of things to operate: 3 : 1 on every ground (WCAG 1.4.11)
TEXT = "#ECEEF2"
MUTED = "#A6ADBB"
ACCENT = "#A9B8FF"
ACCENT_HOVER = "#BFCAFF"
ON_ACCENT = "#12151C"
STAGE = "#0D0F12"
RECORD = "#FF6B6B"
GOOD = "#7FE0A3"
CAUTION = "#FFC46B"
WARN_GROUND = "#33271B"
WARN_LINE = "#6E5330"
WARN_TEXT = "#FFE2BF"

_COLOURS = {
    name.lower(): value
    for name, value in globals().items()
    if name.isupper() and isinstance(value, str) and value.startswith("#")
}


def stylesheet() -> str:
    """The sheet with its colours (``@name``) and icons (``@icons/``) filled in."""
    text = Path(__file__).with_name("style.qss").read_text(encoding="utf-8")
    text = text.replace("@icons", ICONS.as_posix())
    for name in sorted(_COLOURS, key=len, reverse=True):
        text = text.replace(f"@{name}", _COLOURS[name])
    return text


def palette() -> QPalette:
    """A dark palette for what the sheet does not reach (tool tips, file dialogs)."""
    result = QPalette()
    roles = {
        QPalette.ColorRole.Window: GROUND,
        QPalette.ColorRole.WindowText: TEXT,
        QPalette.ColorRole.Base: PANEL,
        QPalette.ColorRole.AlternateBase: RAISED,
        QPalette.ColorRole.Text: TEXT,
        QPalette.ColorRole.Button: RAISED,
        QPalette.ColorRole.ButtonText: TEXT,
        QPalette.ColorRole.ToolTipBase: RAISED,
        QPalette.ColorRole.ToolTipText: TEXT,
        QPalette.ColorRole.PlaceholderText: MUTED,
        QPalette.ColorRole.Highlight: ACCENT,
        QPalette.ColorRole.HighlightedText: ON_ACCENT,
        QPalette.ColorRole.Link: ACCENT,
    }
    for role, colour in roles.items():
        result.setColor(role, QColor(colour))
    disabled = QPalette.ColorGroup.Disabled
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        result.setColor(disabled, role, QColor(EDGE))
    return result
