"""Taking in what was dropped or pasted: pictures become faces, clips the source."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from app.gui.faces_desk import FacesDesk
from app.gui.intake import Intake, from_mime
from app.gui.problems import Problem
from app.gui.source_desk import SourceDesk

TOPIC = "intake"


class IntakeDesk(QObject):
    """Hands on what can be used; anything else gets a sentence."""

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(self, faces: FacesDesk, sources: SourceDesk, parent: QObject) -> None:
        super().__init__(parent)
        self._faces, self._sources = faces, sources

    def take_in(self, intake: Intake) -> None:
        """Pictures before clips."""
        if intake.pasted or intake.pictures:
            self._faces.offer(intake)
        elif intake.clips:
            self._sources.open(str(intake.clips[0]))
        elif intake.others:
            self.problem.emit(
                Problem(
                    f"{intake.others[0].name} is neither a picture nor a video.",
                    "Pictures become faces, videos are played in the preview.",
                    topic=TOPIC,
                )
            )

    def paste(self) -> None:
        """Take in the clipboard."""
        intake = from_mime(QGuiApplication.clipboard().mimeData())
        if intake:
            self.take_in(intake)
        else:
            self.problem.emit(
                Problem("There is no picture in the clipboard.", topic=TOPIC, calm=True)
            )
