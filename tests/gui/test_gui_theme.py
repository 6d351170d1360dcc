"""Contrast by the WCAG formula, a whole style sheet, icons that can be drawn."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.gui import theme
from app.gui.icons import ICONS, pixmap

GROUNDS = (theme.GROUND, theme.PANEL, theme.RAISED, theme.HOVER)
READ = [(text, ground) for text in (theme.TEXT, theme.MUTED, theme.ACCENT) for ground in GROUNDS]
READ += [
    (theme.ON_ACCENT, theme.ACCENT),
    (theme.ON_ACCENT, theme.ACCENT_HOVER),
    (theme.WARN_TEXT, theme.WARN_GROUND),
    (theme.WARN_TEXT, theme.WARN_LINE),
    (theme.TEXT, theme.STAGE),
    (theme.MUTED, theme.STAGE),
]
SEEN = [(theme.EDGE, ground) for ground in (theme.GROUND, theme.PANEL, theme.RAISED)]
SEEN += [(theme.ACCENT, theme.HOVER), (theme.RECORD, theme.RAISED)]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = []
    for value in QColor(colour).getRgbF()[:3]:
        channels.append(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("text", "ground"), READ)
def test_words_can_be_read(text: str, ground: str) -> None:
    assert contrast(text, ground) >= 4.5


@pytest.mark.parametrize(("line", "ground"), SEEN)
def test_outlines_can_be_seen(line: str, ground: str) -> None:
    assert contrast(line, ground) >= 3.0


def test_the_sheet_has_no_name_left() -> None:
    assert "@" not in theme.stylesheet()


@pytest.mark.parametrize("name", sorted(path.stem for path in ICONS.glob("*.svg")))
def test_every_icon_draws_something(qtbot: QtBot, name: str) -> None:
    image = pixmap(name, theme.TEXT, 20, 2.0).toImage()
    assert image.width() == 40
    drawn = sum(image.pixelColor(x, y).alpha() > 0 for x in range(40) for y in range(40))
    assert drawn > 20


def test_an_icon_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="nothing"):
        pixmap("nothing", theme.TEXT)
