"""Which of the faces in sight are swapped, to whom, and what becomes of the rest."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.frame import Face
from app.settings import DetectorSettings
from app.stages.recognition import Recognition, Who
from engines.detector import Box

TAKE_OVER = 1.5  # how much larger, or nearer to the middle, another face must be to be chosen


@dataclass(frozen=True)
class Choice:
    """What becomes of each face.

    ``swap`` are the faces to replace, the main one first, each with the number of its source (0:
    the chosen one); ``pending`` may be a performer and must be hidden; ``others`` are somebody
    else.
    """

    swap: tuple[tuple[Face, int], ...] = ()
    pending: tuple[Face, ...] = ()
    others: tuple[Face, ...] = ()


class Chooser:
    """Chooses, frame after frame, without jumping to and fro. Used by one thread."""

    def __init__(self) -> None:
        self._main: int | None = None
        self._mine: int | None = None  # the enrolled person's number
        self._person: int | None = None  # whom the main track shows, where that is known
        self._swapped: frozenset[int] = frozenset()

    def choose(
        self,
        faces: Sequence[Face],
        size: tuple[int, int],
        settings: DetectorSettings,
        recognition: Recognition,
    ) -> Choice:
        """The choice among ``faces`` of a picture of ``size`` (width, height)."""
        how = settings.faces
        if how == "me":
            choice = self._me(faces, settings, recognition)
        elif how in ("all", "each"):
            choice = self._everybody(faces, settings, recognition)
        else:
            choice = self._one(faces, size, recognition, middle=how == "centre")
        self._swapped = frozenset(face.track_id for face, _ in choice.swap)
        return choice

    def _one(
        self,
        faces: Sequence[Face],
        size: tuple[int, int],
        recognition: Recognition,
        *,
        middle: bool,
    ) -> Choice:
        """The main face stays the main one; who comes back takes the swap from a passer-by."""
        if not faces:
            self._main = None
            return Choice()

        def rank(face: Face) -> float:  # the more, the better; TAKE_OVER times as much wins
            return 1 / (1 + _off_centre(face.box, size)) if middle else area(face.box)

        best = max(faces, key=rank)
        persons = {face.track_id: recognition.person(face.track_id) for face in faces}
        same = [face for face in faces if self._person == persons[face.track_id] is not None]
        last = [face for face in faces if face.track_id == self._main]
        main = next(iter((*same, *last)), best)
        taken = rank(best) > TAKE_OVER * rank(main)
        if taken:
            main = best
        if taken or self._person is None:
            self._person = persons[main.track_id]
        self._main = main.track_id
        return Choice(((main, 0),), (), tuple(face for face in faces if face is not main))

    def _everybody(
        self, faces: Sequence[Face], settings: DetectorSettings, recognition: Recognition
    ) -> Choice:
        ordered = self._steady(faces)
        if settings.faces == "all":
            chosen = [(face, 0) for face in ordered]
            pending = []
        else:
            numbered = [(face, self._number(face.track_id, recognition)) for face in ordered]
            chosen = [(face, number) for face, number in numbered if number is not None]
            pending = [face for face, number in numbered if number is None]
        kept, rest = chosen[: settings.max_faces], chosen[settings.max_faces :]
        return Choice(tuple(kept), (*pending, *(face for face, _ in rest)), ())

    def _number(self, track: int, recognition: Recognition) -> int | None:
        """The number of a person's source: in order of appearance, the enrolled one always first.

        None where it is not known who that is.
        """
        person = recognition.person(track)
        if person is None or not recognition.enrolled:
            return person
        if recognition.who(track) is Who.ME:
            self._mine = person
            return 0
        return person + 1 if self._mine is None or person < self._mine else person

    def _me(
        self, faces: Sequence[Face], settings: DetectorSettings, recognition: Recognition
    ) -> Choice:
        mine = [face for face in faces if recognition.who(face.track_id) is Who.ME]
        mine.sort(key=lambda face: -recognition.likeness(face.track_id))
        kept, rest = mine[: settings.max_faces], mine[settings.max_faces :]
        unknown = [face for face in faces if recognition.who(face.track_id) is Who.UNKNOWN]
        others = [face for face in faces if recognition.who(face.track_id) is Who.OTHER]
        return Choice(tuple((face, 0) for face in kept), (*unknown, *rest), tuple(others))

    def _steady(self, faces: Sequence[Face]) -> list[Face]:
        """Those that are swapped already first, each part by size."""
        return sorted(faces, key=lambda f: (f.track_id not in self._swapped, -area(f.box)))


def tracks_of(faces: Collection[Face]) -> set[int]:
    """The track ids of faces."""
    return {face.track_id for face in faces}


def area(box: Box) -> float:
    """Square pixels of (x, y, width, height)."""
    return box[2] * box[3]


def _off_centre(box: Box, size: tuple[int, int]) -> float:
    """How far a box's middle is from the picture's, in tenths of its diagonal."""
    x, y = box[0] + box[2] / 2 - size[0] / 2, box[1] + box[3] / 2 - size[1] / 2
    return 10 * math.hypot(x, y) / math.hypot(*size)
