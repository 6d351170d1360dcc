"""Each person their own face: between the chips, the gallery, the settings and the session."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.cast import further_identities
from app.errors import AppError
from app.faces import FaceLibrary, SourceFace
from app.gui.background import Background
from app.gui.cast import CastStrip
from app.gui.gallery import FaceList
from app.gui.problems import Problem
from app.scenes import MOST_PEOPLE, further_of, joined
from app.session import Session
from app.settings import Settings, with_value
from app.stages.identity import Identity

TOPIC = "cast"


class CastDesk(QObject):
    """A click on a chip says whose face is chosen in the gallery from then on.

    ``use(settings)`` changes the settings. The faces of further people are prepared in the
    library's thread; until they are there these people have the first one's.
    """

    problem = Signal(object)  # Problem
    solved = Signal(str)  # topic

    def __init__(
        self,
        strip: CastStrip,
        gallery: FaceList,
        session: Session,
        library: FaceLibrary,
        faces_work: Background,
        use: Callable[[Settings], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._strip, self._gallery = strip, gallery
        self._session, self._library, self._faces_work = session, library, faces_work
        self._use = use
        self._active = 0
        self._asked: tuple[str, ...] = ()  # what was last asked of the library
        strip.person_chosen.connect(self.choose_person)
        strip.added.connect(self.add)
        strip.removed.connect(self.remove)

    def choose_person(self, number: int) -> None:
        """The next face chosen is for this person, from 0 on."""
        self._active = number
        self.show_settings(self._session.settings)
        self._gallery.choose(self._faces()[number].partition("+")[0])

    def add(self) -> None:
        """One person more gets their own face, at first one that nobody has yet."""
        settings = self._session.settings
        further = list(further_of(settings))
        if settings.detector.faces == "each" or not further:
            further.append(self._unused())
        self._change(further)
        self.choose_person(len(further))

    def remove(self) -> None:
        """The last person gets no face of their own any more."""
        further = further_of(self._session.settings)[:-1]
        self._change(further)
        self.choose_person(0)

    def take(self, face: SourceFace) -> bool:
        """Give a chosen face to the person whose turn it is; False where that is the first."""
        further = list(further_of(self._session.settings))
        if not 0 < self._active <= len(further):
            return False
        further[self._active - 1] = face.face_id
        self._change(further)
        return True

    def drop(self, face_id: str) -> None:
        """A face was removed: who had it gets the first person's, and everybody keeps their number.

        Of several that were joined the others stay. Until the new faces are prepared the removed
        one's own permit hides everything.
        """
        first, *further = self._faces()
        if all(face_id not in face.split("+") for face in further):
            return
        if face_id in first.split("+"):  # its successor is being prepared
            first = self._gallery.faces.faces[0].face_id
        kept = ("+".join(o for o in face.split("+") if o != face_id) for face in further)
        settings = self._session.settings
        self._use(with_value(settings, "further_faces", joined([face or first for face in kept])))

    def first_shown(self, face_id: str) -> None:
        """The first person's face was set by somebody else: mark it."""
        self._active = 0
        self._gallery.choose(face_id)
        self.show_settings(self._session.settings)

    def show_settings(self, settings: Settings) -> None:
        """Show who has which face, and prepare those that are new."""
        faces = self._faces() if settings.detector.faces == "each" else []
        self._active = min(self._active, max(len(faces) - 1, 0))
        self._strip.show_cast(
            [self._name(face) for face in faces], self._active, full=len(faces) >= MOST_PEOPLE
        )
        people: dict[str, str] = {}
        for number, face in enumerate(faces, 1):
            for one in face.split("+"):
                people[one] = f"{people[one]} {number}" if one in people else str(number)
        self._gallery.faces.set_people(people)
        wanted = tuple(faces[1:])
        ready = tuple(identity.face_id for identity in self._session.wishes.further)
        if wanted == ready:
            self._asked = wanted
        elif wanted != self._asked:
            self._asked = wanted
            self._prepare(settings, wanted)

    def _prepare(self, settings: Settings, wanted: tuple[str, ...]) -> None:
        def prepared(further: tuple[Identity, ...]) -> None:
            if self._asked == wanted:
                self._session.wish(further=further)
                self.solved.emit(TOPIC)

        def failed(error: AppError) -> None:
            if self._asked == wanted:
                self._session.wish(further=())
                self.problem.emit(Problem.of(error, topic=TOPIC))

        self._faces_work.run(lambda: further_identities(self._library, settings), prepared, failed)

    def _change(self, further: list[str] | tuple[str, ...]) -> None:
        settings = with_value(self._session.settings, "further_faces", joined(further))
        faces = "each" if further else settings.faces_before
        self._use(with_value(settings, "detector.faces", faces))

    def _faces(self) -> list[str]:
        """Of everybody, the first person's first."""
        identity, settings = self._session.identity, self._session.settings
        first = identity.face_id if identity is not None else settings.source_face
        return [first, *further_of(settings)]

    def _unused(self) -> str:
        ids = [face.face_id for face in self._gallery.faces.faces]
        taken = self._faces()
        return next((face for face in ids if face not in taken), taken[0])

    def _name(self, face: str) -> str:
        names = {known.face_id: known.name for known in self._gallery.faces.faces}
        return " + ".join(names.get(one, one) for one in face.split("+"))
