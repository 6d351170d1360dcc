"""The strip of source faces: built-in personas, the user's own faces, and the way to add one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QListView, QMenu, QToolButton, QWidget

from app.faces import SourceFace
from app.gui import theme
from app.gui.face_tile import PEOPLE, TILE, FaceTile, rounded_thumbnail
from app.gui.icons import icon
from app.provenance.consent import Basis

BASES = {
    Basis.OWN_FACE: "own face",
    Basis.WRITTEN: "written consent",
    Basis.SYNTHETIC: "synthetic",
    Basis.LICENSED: "licensed",
}
_Index = QModelIndex | QPersistentModelIndex


class FaceModel(QAbstractListModel):
    """The faces of the library, in its order."""

    FACE = Qt.ItemDataRole.UserRole

    def __init__(self) -> None:
        super().__init__()
        self.faces: list[SourceFace] = []
        self._people: dict[str, str] = {}

    def set_faces(self, faces: Sequence[SourceFace]) -> None:
        """Show these."""
        self.beginResetModel()
        self.faces = list(faces)
        self.endResetModel()

    def set_people(self, people: Mapping[str, str]) -> None:
        """Show on the faces of these ids who has them."""
        if people != self._people:
            self._people = dict(people)
            self.dataChanged.emit(self.index(0), self.index(self.rowCount() - 1))

    def row_of(self, face_id: str) -> int:
        """The row of a face, or -1."""
        ids = [face.face_id for face in self.faces]
        return ids.index(face_id) if face_id in ids else -1

    def rowCount(self, parent: _Index | None = None) -> int:
        """How many faces."""
        return 0 if parent is not None and parent.isValid() else len(self.faces)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name, thumbnail, tool tip, what a screen reader says, the face itself, who has it."""
        face = self.faces[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return face.name
        if role == Qt.ItemDataRole.DecorationRole:
            return rounded_thumbnail(face.face_id, face.thumbnail)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return _origin(face)
        if role == self.FACE:
            return face
        if role == PEOPLE:
            return self._people.get(face.face_id, "")
        return None


class FaceList(QListView):
    """One row of tiles; the current tile is the chosen face."""

    chosen = Signal(object)  # SourceFace
    removal_wanted = Signal(object)  # SourceFace

    def __init__(self) -> None:
        super().__init__()
        self.setModel(FaceModel())
        self.setItemDelegate(FaceTile(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setGridSize(TILE)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.setAccessibleName("Source faces")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)

    @property
    def faces(self) -> FaceModel:
        """The model."""
        model = self.model()
        assert isinstance(model, FaceModel)
        return model

    def choose(self, face_id: str) -> None:
        """Mark a face as chosen, without saying so."""
        row = self.faces.row_of(face_id)
        self.selectionModel().blockSignals(True)
        index = self.faces.index(row) if row >= 0 else QModelIndex()
        self.setCurrentIndex(index)
        self.selectionModel().blockSignals(False)
        self.scrollTo(index)
        self.viewport().update()

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """Say which face was chosen."""
        super().currentChanged(current, previous)
        if current.isValid() and not self.selectionModel().signalsBlocked():
            self.chosen.emit(current.data(FaceModel.FACE))

    def selectionCommand(
        self, index: _Index, event: Any = None
    ) -> QItemSelectionModel.SelectionFlag:
        """A click on empty ground or Space takes nothing away: there is always one chosen."""
        if not index.isValid():
            return QItemSelectionModel.SelectionFlag.NoUpdate
        return QItemSelectionModel.SelectionFlag.ClearAndSelect

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete removes an own face; Space is left to the window."""
        face = self.currentIndex().data(FaceModel.FACE)
        if event.key() == Qt.Key.Key_Space:
            event.ignore()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and face and not face.builtin:
            self.removal_wanted.emit(face)
        else:
            super().keyPressEvent(event)

    def _open_menu(self, point: QPoint) -> None:
        face = self.indexAt(point).data(FaceModel.FACE)
        if face is None or face.builtin:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        remove = QAction(f"Remove {face.name}…", menu)
        remove.triggered.connect(lambda: self.removal_wanted.emit(face))
        menu.addAction(remove)
        menu.popup(self.viewport().mapToGlobal(point))


class Gallery(QWidget):
    """The add button and the row of faces."""

    add_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("gallery")
        self.add = QToolButton()
        self.add.setObjectName("addFace")
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.add.setIcon(icon("plus", theme.TEXT))
        self.add.setIconSize(QSize(24, 24))
        self.add.setFixedSize(TILE.width() + 8, TILE.height() - 4)
        self.add.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.add.setToolTip("Add a face from a picture (or drop one on the window, or paste it)")
        self.add.clicked.connect(self.add_wanted)
        self.list = FaceList()
        self.list.setFixedHeight(TILE.height() + 14)  # the scroll bar
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.add, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.list, 1)
        self.set_busy(False)

    def set_busy(self, busy: bool) -> None:
        """While a face is being read no second one can be added."""
        self.add.setEnabled(not busy)
        self.add.setText("Adding…" if busy else "Add a face")

    def show_faces(self, faces: Sequence[SourceFace], chosen: str) -> None:
        """Show these faces with one of them chosen."""
        selection = self.list.selectionModel()
        selection.blockSignals(True)
        self.list.faces.set_faces(faces)
        selection.blockSignals(False)
        self.list.choose(chosen)


def _origin(face: SourceFace) -> str:
    if face.builtin:
        return f"{face.name}: built in, shows no real person"
    return f"{face.name}: {BASES[face.consent.basis]}, recorded {face.consent.recorded_at[:10]}"
