"""Saving, showing and removing scenes: between the strip, the book and the commander."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from app.control.commands import ShowScene
from app.errors import AppError, SettingsError
from app.gui.commander import Commander
from app.gui.hotkeys import RESERVED, wishes
from app.gui.problems import Problem
from app.gui.scenes import SceneDialog, SceneStrip
from app.hotkeys.chord import parse
from app.hotkeys.plan import Wish, plan_keys
from app.scenes import Scene, SceneBook, scene_of
from app.session import Session

TOPIC = "scenes"


class ScenesDesk(QObject):
    """The book is on disk before the strip shows it."""

    changed = Signal()  # the scenes, or their keys
    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(
        self,
        strip: SceneStrip,
        book: SceneBook,
        session: Session,
        commander: Commander,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._strip, self._book, self._session = strip, book, session
        self._commander, self._window = commander, window
        self.dialog: SceneDialog | None = None
        self.question: QMessageBox | None = None
        strip.wanted.connect(self._wanted)
        strip.save_wanted.connect(self.ask_for_name)
        strip.updated.connect(self.replace)
        strip.edited.connect(self.ask_for_change)
        strip.removed.connect(self.ask_to_remove)
        strip.show_scenes(book.scenes)

    def show_current(self) -> None:
        """Mark the scene that is shown, if any."""
        shown = self._book.shown(self._session.settings, self._commander.face_id)
        self._strip.show_current(shown)

    def ask_for_name(self) -> None:
        """Save the look that is shown as a new scene."""
        if not self._commander.face_id:
            self.problem.emit(Problem("Choose a face first, then save the scene.", topic=TOPIC))
            return

        def keep(name: str, key: str) -> None:
            self._put(self._present(name, key))

        self._open(SceneDialog("Save as scene", "", "", keep, self._window))

    def ask_for_change(self, name: str) -> None:
        """Another name or key."""
        old = self._book.get(name)

        def keep(new: str, key: str) -> None:
            fresh = scene_of(new, self._session.settings, old.faces, key)
            self._put(dataclasses.replace(old, name=fresh.name, key=fresh.key), instead_of=name)

        self._open(SceneDialog(f"Change {name}", name, old.key, keep, self._window))

    def replace(self, name: str) -> None:
        """The scene is from now on what is shown now."""
        key = self._book.get(name).key
        self._try(lambda: self._put(self._present(name, key), instead_of=name))

    def ask_to_remove(self, name: str) -> None:
        """It cannot be had back: ask first."""
        question = QMessageBox(
            QMessageBox.Icon.NoIcon,
            "Remove a scene",
            f"Remove scene {name}?",
            QMessageBox.StandardButton.Cancel,
            self._window,
        )
        question.setInformativeText("Its face stays in your gallery.")
        remove = question.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        remove.clicked.connect(lambda: self._try(lambda: self._remove(name)))
        question.finished.connect(question.deleteLater)
        self.question = question
        question.open()

    def _wanted(self, name: str) -> None:
        self.show_current()  # a button is down only while its scene is shown
        self._commander.do(ShowScene(name))

    def _present(self, name: str, key: str) -> Scene:
        faces = self._commander.face_id.split("+")
        return scene_of(name, self._session.settings, faces, key)

    def _put(self, scene: Scene, *, instead_of: str | None = None) -> None:
        others = [other for other in self._book.scenes if other.name != instead_of]
        if scene.key:
            taken = plan_keys(wishes(self._session.settings.keys, others), RESERVED).bound
            holder = taken.get(parse(scene.key))
            label = holder.label if isinstance(holder, Wish) else RESERVED.get(parse(scene.key))
            if label is not None:
                raise SettingsError(f"{scene.key} already means {label}.", "Choose another key.")
        self._book.put(scene, instead_of=instead_of)
        self._refresh()

    def _remove(self, name: str) -> None:
        self._book.remove(name)
        self._refresh()

    def _refresh(self) -> None:
        self.solved.emit(TOPIC)
        self._strip.show_scenes(self._book.scenes)
        self.show_current()
        self.changed.emit()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except AppError as error:
            self.problem.emit(Problem.of(error, topic=TOPIC))

    def _open(self, dialog: SceneDialog) -> None:
        dialog.destroyed.connect(self._forget)
        self.dialog = dialog
        dialog.open()

    def _forget(self) -> None:
        self.dialog = None
