"""The panel at the right, built from the settings' own metadata: one line per setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.gui import theme
from app.gui.icons import icon
from app.gui.switch import Switch
from app.settings import SettingField, Settings, fields_of, get_value

GROUPS = {
    "detector": "Faces",
    "privacy": "Privacy",
    "mask": "Mask",
    "color": "Light",
    "badge": "Badge",
}
_TICKS = 1000  # positions of a slider without a step


def shown_value(spec: SettingField, value: Any) -> str:
    """A number as the user reads it: shares up to 1 as per cent."""
    if spec.kind is float and spec.limits is not None and spec.limits[1] <= 1:
        digits = 1 if spec.step is not None and spec.step < 0.01 else 0
        return f"{value * 100:.{digits}f} %"
    return f"{value:g}" if spec.kind is float else str(value)


class _Label(QLabel):
    """Says when it was double-clicked."""

    double_clicked = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Pass it on."""
        self.double_clicked.emit()


class _Slider(QSlider):
    """Leaves the wheel to the scroll area, so that scrolling past it changes nothing."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Not taken."""
        event.ignore()


class _Combo(QComboBox):
    """Leaves the wheel to the scroll area, as ``_Slider``."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Not taken."""
        event.ignore()


class SettingRow(QObject):
    """Label, editor, value and reset button of one setting, laid into a row of a grid."""

    edited = Signal(str, object)  # dotted path, new value

    def __init__(self, spec: SettingField, grid: QGridLayout, row: int) -> None:
        super().__init__()
        self.spec = spec
        self.label = _Label(spec.label)
        self.label.setToolTip(spec.help)
        self.label.double_clicked.connect(self.restore)
        self.value = _Label()
        self.value.setProperty("kind", "value")
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.value.double_clicked.connect(self.restore)
        self.editor, self._show = self._build_editor()
        self.editor.setToolTip(f"{spec.help} Double click the name to reset it.")
        self.editor.setAccessibleName(f"{GROUPS.get(spec.path.split('.')[0], '')} {spec.label}")
        self.editor.setAccessibleDescription(spec.help)
        self.label.setBuddy(self.editor)
        self.reset = QToolButton()
        self.reset.setProperty("kind", "tiny")
        self.reset.setIcon(icon("reset", theme.MUTED))
        self.reset.setIconSize(QSize(14, 14))
        self.reset.setFixedSize(20, 20)
        self.reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.reset.setToolTip(f"Reset {spec.label} to {shown_value(spec, spec.default)}")
        self.reset.setAccessibleName(f"Reset {spec.label}")
        self.reset.clicked.connect(self.restore)
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(policy)
        grid.addWidget(self.label, row, 0)
        if isinstance(self.editor, QSlider):
            grid.addWidget(self.editor, row, 1)
            grid.addWidget(self.value, row, 2)
        elif isinstance(self.editor, Switch):
            grid.addWidget(self.editor, row, 1, 1, 2, Qt.AlignmentFlag.AlignRight)
        else:
            grid.addWidget(self.editor, row, 1, 1, 2)
        grid.addWidget(self.reset, row, 3)

    def show_value(self, value: Any) -> None:
        """Show ``value`` without saying that it was edited."""
        self.editor.blockSignals(True)
        self._show(value)
        self.editor.blockSignals(False)
        self.value.setText(shown_value(self.spec, value))
        self.reset.setVisible(value != self.spec.default)

    def disable(self, reason: str) -> None:
        """Take no more edits; the tool tip says why."""
        for widget in (self.label, self.editor, self.value, self.reset):
            widget.setEnabled(False)
            widget.setToolTip(reason)

    def restore(self) -> None:
        """Back to the default."""
        self.show_value(self.spec.default)
        self.edited.emit(self.spec.path, self.spec.default)

    def _edit(self, value: Any) -> None:
        self.value.setText(shown_value(self.spec, value))
        self.reset.setVisible(value != self.spec.default)
        self.edited.emit(self.spec.path, value)

    def _build_editor(self) -> tuple[QWidget, Callable[[Any], None]]:
        if self.spec.choices is not None:
            return self._build_choice(self.spec.choices)
        if self.spec.kind is bool:
            switch = Switch()
            switch.toggled.connect(self._edit)
            return switch, switch.setChecked
        if self.spec.limits is not None:
            return self._build_slider(*self.spec.limits)
        raise ValueError(f"setting {self.spec.path} has neither choices nor limits")

    def _build_choice(self, choices: tuple[str, ...]) -> tuple[QWidget, Callable[[Any], None]]:
        combo = _Combo()
        combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for choice in choices:
            combo.addItem(choice.capitalize(), choice)
        combo.currentIndexChanged.connect(lambda _: self._edit(combo.currentData()))
        return combo, lambda value: combo.setCurrentIndex(combo.findData(value))

    def _build_slider(self, low: float, high: float) -> tuple[QWidget, Callable[[Any], None]]:
        whole = self.spec.kind is int
        step = self.spec.step or (1 if whole else (high - low) / _TICKS)
        ticks = round((high - low) / step)
        slider = _Slider(Qt.Orientation.Horizontal)
        slider.setRange(0, ticks)
        slider.setPageStep(max(1, ticks // 10))
        slider.setMinimumWidth(72)

        def value_at(tick: int) -> float | int:
            value = low + tick * step
            return round(value) if whole else round(min(value, high), 6)

        slider.valueChanged.connect(lambda tick: self._edit(value_at(tick)))
        return slider, lambda value: slider.setValue(round((value - low) / step))


class Controls(QWidget):
    """All settings of the groups Mask, Light, Faces, Privacy and Badge."""

    edited = Signal(str, object)  # dotted path, new value

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.rows: dict[str, SettingRow] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 0, 8, 16)
        column.setSpacing(6)
        for section, title in GROUPS.items():
            heading = QLabel(title)
            heading.setProperty("kind", "heading")
            heading.setIndent(0)
            column.addWidget(heading)
            column.addLayout(self._build_group(settings, section))
        column.addStretch(1)
        self.show_settings(settings)

    def show_settings(self, settings: Settings) -> None:
        """Show these values."""
        for path, row in self.rows.items():
            row.show_value(get_value(settings, path))

    def _build_group(self, settings: Settings, section: str) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(2)
        grid.setColumnMinimumWidth(0, 92)
        grid.setColumnMinimumWidth(2, 48)
        grid.setColumnStretch(1, 1)
        for number, spec in enumerate(fields_of(getattr(settings, section), f"{section}.")):
            row = SettingRow(spec, grid, number)
            row.edited.connect(self.edited)
            self.rows[spec.path] = row
        return grid
