"""Choosing, adding and removing source faces: between the gallery, the library and the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from app.errors import AppError
from app.faces import FaceLibrary, SourceFace
from app.gui.background import Background
from app.gui.consent_dialog import Consent, ConsentDialog
from app.gui.gallery import Gallery
from app.gui.intake import PICTURES, Intake, from_files, pattern
from app.gui.problems import Offer, Problem
from app.stages.identity import Identity

_TOPIC = "faces"
_REFUSED = Problem(
    "The face was not added: there is no consent on record for it.",
    "Add it again when one of the four grounds is true.",
    topic=_TOPIC,
    calm=True,
)


class FacesDesk(QObject):
    """All calls into the library go to one thread, in order; the preview never waits for them."""

    chosen = Signal(str, object)  # face id, Identity
    removed = Signal(str)  # face id; the gallery shows it no more
    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(
        self, gallery: Gallery, library: FaceLibrary, background: Background, window: QWidget
    ) -> None:
        super().__init__(window)
        self._gallery = gallery
        self._library = library
        self._background = background
        self._window = window
        self._wanted = ""
        self.take_elsewhere: Callable[[SourceFace], bool] = lambda _: False  # who may want a click
        self.dialog: ConsentDialog | None = None
        self.file_dialog: QFileDialog | None = None
        self.question: QMessageBox | None = None
        gallery.add_wanted.connect(self.ask_for_files)
        gallery.list.chosen.connect(self._clicked)
        gallery.list.removal_wanted.connect(self.ask_to_remove)

    @property
    def busy(self) -> bool:
        """Whether the library works on something."""
        return self._background.busy

    def begin(self, face_id: str) -> None:
        """Show the library and choose ``face_id``, or the first face where it is not there."""
        self._background.run(self._library.list, lambda faces: self._first(faces, face_id))

    def choose(self, face: SourceFace) -> None:
        """Make this the face that is shown; only the last one chosen counts."""
        self._wanted = face.face_id

        def prepare() -> Identity | None:
            return self._library.identity(face) if self._wanted == face.face_id else None

        def prepared(identity: Identity | None) -> None:
            if identity is not None and self._wanted == face.face_id:
                self.solved.emit(_TOPIC)
                self.chosen.emit(face.face_id, identity)

        self._background.run(prepare, prepared, lambda error: self._failed(error, face))

    def _clicked(self, face: SourceFace) -> None:
        if not self.take_elsewhere(face):
            self.choose(face)

    def ask_for_files(self) -> None:
        """Let the user pick pictures."""
        dialog = QFileDialog(self._window, "Pictures of one person")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([f"Pictures ({pattern(PICTURES)})", "All files (*)"])
        dialog.filesSelected.connect(self._take_files)
        dialog.finished.connect(dialog.deleteLater)
        self.file_dialog = dialog
        dialog.open()

    def offer(self, intake: Intake, consent: Consent | None = None) -> None:
        """Ask for the consent to these pictures; then add them as one face."""
        if self._gallery.add.isEnabled():
            dialog = ConsentDialog(intake, self._window)
            if consent is not None:
                dialog.fill(consent)
            dialog.accepted.connect(lambda: self._accepted(dialog))
            dialog.rejected.connect(lambda: self.problem.emit(_REFUSED))
            dialog.destroyed.connect(lambda: self._forget(dialog))
            self.dialog = dialog
            dialog.open()

    def ask_to_remove(self, face: SourceFace) -> None:
        """Removing takes the picture away for good: ask first."""
        question = QMessageBox(
            QMessageBox.Icon.NoIcon,
            "Remove a face",
            f"Remove {face.name}?",
            QMessageBox.StandardButton.Cancel,
            self._window,
        )
        question.setInformativeText("Its picture is deleted; the consent stays on record.")
        remove = question.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        remove.clicked.connect(lambda: self._remove(face))
        question.finished.connect(question.deleteLater)
        self.question = question
        question.open()

    def _take_files(self, names: list[str]) -> None:
        intake = from_files([Path(name) for name in names])
        self.offer(Intake(pictures=intake.pictures + intake.clips + intake.others))

    def _accepted(self, dialog: ConsentDialog) -> None:
        consent, intake = dialog.consent, dialog.intake
        assert consent is not None
        self._gallery.set_busy(True)

        def add() -> tuple[SourceFace, list[SourceFace]]:
            person, words = consent.name, (consent.name, consent.basis)
            given = (*words, person, consent.note)
            scope, expires = consent.scope, consent.expires
            if intake.pasted:
                face = self._library.add_bytes(intake.pasted, *given, scope=scope, expires=expires)
            else:
                face = self._library.add(intake.pictures, *given, scope=scope, expires=expires)
            return face, self._library.list()

        def added(result: tuple[SourceFace, list[SourceFace]]) -> None:
            face, faces = result
            self._gallery.set_busy(False)
            self._gallery.show_faces(faces, face.face_id)
            self._clicked(face)

        def failed(error: AppError) -> None:
            self._gallery.set_busy(False)
            again = Offer("Retry", lambda: self.offer(intake, consent))
            other = Offer("Another picture…", self.ask_for_files)
            self.problem.emit(Problem.of(error, again, other, topic=_TOPIC))

        self._background.run(add, added, failed)

    def _remove(self, face: SourceFace) -> None:
        def remove() -> list[SourceFace]:
            self._library.remove(face.face_id)
            return self._library.list()

        def removed(faces: list[SourceFace]) -> None:
            keep = self._wanted if self._wanted != face.face_id else ""
            self._first(faces, keep)
            self.removed.emit(face.face_id)

        self._background.run(remove, removed, lambda error: self._failed(error, face))

    def _first(self, faces: list[SourceFace], face_id: str) -> None:
        ids = [face.face_id for face in faces]
        by_name = [face.face_id for face in faces if face.name.casefold() == face_id.casefold()]
        if face_id not in ids:
            face_id = (by_name or ids or [""])[0]
        self._gallery.show_faces(faces, face_id)
        for sentence in self._library.problems:
            self.problem.emit(Problem(sentence, topic=sentence))
        if faces and face_id != self._wanted:
            self.choose(faces[ids.index(face_id)])

    def _failed(self, error: AppError, face: SourceFace) -> None:
        retry = Offer("Retry", lambda: self.choose(face))
        self.problem.emit(Problem.of(error, retry, topic=_TOPIC))

    def _forget(self, dialog: ConsentDialog) -> None:
        if self.dialog is dialog:
            self.dialog = None
