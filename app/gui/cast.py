"""Who gets whose face: a chip for each person, and the way to give another one their own."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QWidget

from app.gui import theme
from app.gui.icons import icon

MOST_LETTERS = 16  # of a name on a chip


class CastStrip(QWidget):
    """Says for whom the next face is chosen; shows who has which."""

    person_chosen = Signal(int)  # 0: the first
    added = Signal()
    removed = Signal()  # the last one

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("People")
        self.chips: list[QPushButton] = []
        self.add = QPushButton()
        self.add.setProperty("kind", "ghost")
        self.add.setIcon(icon("plus", theme.MUTED))
        self.add.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.add.clicked.connect(self.added)
        self.remove = QToolButton()
        self.remove.setProperty("kind", "tiny")
        self.remove.setIcon(icon("close", theme.MUTED))
        self.remove.setIconSize(QSize(14, 14))
        self.remove.setFixedSize(24, 24)
        self.remove.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.remove.clicked.connect(self.removed)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)
        self._row.addWidget(self.remove)
        self._row.addWidget(self.add)
        self.show_cast([], 0, full=False)

    def show_cast(self, names: Sequence[str], active: int, *, full: bool) -> None:
        """Show a chip for each of ``names``, the ``active`` one down; none where all are alike."""
        while len(self.chips) > len(names):
            chip = self.chips.pop()
            self._row.removeWidget(chip)
            chip.deleteLater()
        while len(self.chips) < len(names):
            self._row.insertWidget(len(self.chips), self._new_chip(len(self.chips)))
        for number, (chip, name) in enumerate(zip(self.chips, names, strict=True)):
            short = name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
            chip.setText(f"{number + 1}  {short.replace('&', '&&')}")
            chip.setAccessibleName(f"Person {number + 1}: {name}")
            chip.setToolTip(f"Choose the face of person {number + 1} below. Now: {name}")
            chip.setChecked(number == active)
        last = len(names)
        self.remove.setVisible(last > 1)
        self.remove.setToolTip(f"Person {last} gets no face of their own")
        self.remove.setAccessibleName(f"Remove person {last}")
        self.add.setText(" Second person" if last < 2 else " Another")
        self.add.setAccessibleName("Second person" if last < 2 else "Another person")
        self.add.setToolTip("Give the next person in the picture a face of their own")
        self.add.setVisible(not full)

    def _new_chip(self, number: int) -> QPushButton:
        chip = QPushButton()
        chip.setProperty("kind", "chip")
        chip.setCheckable(True)
        chip.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        chip.clicked.connect(lambda: self.person_chosen.emit(number))
        self.chips.append(chip)
        return chip
