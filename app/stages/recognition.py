"""Who is who: a face followed by the tracker is told apart by its embedding, a look at a time.

A face is looked at when it is new, after a jump, and now and then, at most ``MOST_LOOKS`` in a
frame, at the picture and at its mirror image by turns. What a track is stays until several looks in
a row say otherwise: one blurred or turned frame decides nothing.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError
from app.frame import Face, Pixels
from app.stages.align import align
from engines.detector import Box, overlap
from engines.recognizer import SAME_PERSON, STRANGER, Embedding, Recognizer

MOST_LOOKS = 2  # embeddings in a frame
FIRST_LOOKS = 4  # in successive frames, for a face that is new
KEPT = 5  # looks that count
AGAIN = 12  # frames between two looks at a known face
MOST_PERSONS = 32  # remembered in a session; then the one seen longest ago is forgotten
LEAST_PX = 24.0  # a smaller face's embedding says nothing

Templates = NDArray[np.float32]  # n x d, each of length 1


class Who(enum.Enum):
    """Whether a face is the performer's."""

    UNKNOWN = "unknown"
    ME = "me"
    OTHER = "other"


@dataclass(eq=False)
class _Person:
    number: int
    total: NDArray[np.float64]
    seen: int  # frame of the last look

    def likeness(self, embedding: Embedding) -> float:
        return float(self.total @ embedding) / max(float(np.linalg.norm(self.total)), 1e-9)


@dataclass(eq=False)
class _Known:
    box: Box
    looks: deque[Embedding] = field(default_factory=lambda: deque(maxlen=KEPT))
    looked: int = 0  # how often
    at: int = -AGAIN  # frame of the last look
    person: _Person | None = None
    who: Who = Who.UNKNOWN
    likeness: float = 0.0


class Recognition:
    """The people of one stream. Used by one thread; without a recogniser it knows nobody."""

    def __init__(self, recognizer: Recognizer | None) -> None:
        self._recognizer = recognizer
        self.reset()

    def reset(self) -> None:
        """Forget everybody (another source)."""
        self._tracks: dict[int, _Known] = {}
        self._people: list[_Person] = []
        self._me: Templates | None = None
        self._frame = 0
        self._numbered = 0
        self._later: list[tuple[Face, _Known]] = []  # looks left to catch_up

    def look(
        self,
        pixels: Pixels,
        faces: Sequence[Face],
        jumped: Collection[int],
        me: Templates | None,
        *,
        patient: bool = False,
    ) -> None:
        """Look at those of ``faces`` whose turn it is; ``jumped`` are tracks to begin anew.

        ``me`` are the enrolled embeddings, or None. With ``patient`` faces that are known are left
        to ``catch_up`` when their turn comes, for one frame.
        """
        self._frame += 1
        self._later = []
        if self._recognizer is None:
            return
        if me is not self._me:  # enrolled, or deleted: everybody is looked at anew
            self._me = me
            self._tracks.clear()
        for track in set(self._tracks) - {face.track_id for face in faces}:
            del self._tracks[track]
        due = []
        for face in faces:
            known = self._tracks.get(face.track_id)
            if known is None or face.track_id in jumped or overlap(known.box, face.box) == 0:
                known = self._tracks[face.track_id] = _Known(face.box)
            known.box = face.box
            if known.looked < FIRST_LOOKS or self._frame - known.at >= AGAIN:
                due.append((known.at, face, known))
        for _, face, known in sorted(due, key=lambda item: item[0])[:MOST_LOOKS]:
            if patient and known.looked >= FIRST_LOOKS and self._frame - known.at == AGAIN:
                self._later.append((face, known))
            else:
                self._look(pixels, face, known, me)

    def catch_up(self, pixels: Pixels, me: Templates | None) -> None:
        """The looks that ``look`` left out of the same ``pixels``."""
        later, self._later = self._later, []
        for face, known in later:
            self._look(pixels, face, known, me)

    @property
    def enrolled(self) -> bool:
        """Whether it knows the performer's face."""
        return self._me is not None

    @property
    def works(self) -> bool:
        """Whether anybody can be recognised at all."""
        return self._recognizer is not None

    def person(self, track: int) -> int | None:
        """The number of the person a track shows, from 0 in order of appearance; None: unknown."""
        known = self._tracks.get(track)
        return None if known is None or known.person is None else known.person.number

    def who(self, track: int) -> Who:
        """Whether a track shows the enrolled face."""
        known = self._tracks.get(track)
        return Who.UNKNOWN if known is None else known.who

    def likeness(self, track: int) -> float:
        """Mean cosine of the last looks to the enrolled face; 0 where there is none."""
        known = self._tracks.get(track)
        return 0.0 if known is None else known.likeness

    def _look(self, pixels: Pixels, face: Face, known: _Known, me: Templates | None) -> None:
        assert self._recognizer is not None
        known.at = self._frame
        known.looked += 1
        if min(face.box[2:]) < LEAST_PX:
            return
        try:
            crop = align(
                pixels, face.landmarks, self._recognizer.template, self._recognizer.crop_size
            )
            known.looks.append(self._recognizer.embed(_by_turns(crop.pixels, known.looked)))
        except (AppError, ValueError):  # a look that fails says nothing: the face stays unknown
            return
        mean = np.mean(np.stack(known.looks), axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        self._settle_person(known, mean)
        if me is None or not len(me) or me.shape[1] != len(mean):
            known.who, known.likeness = Who.UNKNOWN, 0.0
            return
        known.likeness = likeness(mean, me)
        enough = len(known.looks) >= FIRST_LOOKS
        if known.likeness >= SAME_PERSON:
            known.who = Who.ME
        elif enough and known.likeness < STRANGER:
            known.who = Who.OTHER

    def _settle_person(self, known: _Known, mean: Embedding) -> None:
        taken = {id(other.person) for other in self._tracks.values() if other is not known}
        person = known.person
        if person is not None and person.likeness(mean) < STRANGER and len(known.looks) == KEPT:
            person = known.person = None  # somebody else stepped into the track
        if person is None:
            free = [p for p in self._people if id(p) not in taken]
            best = max(free, key=lambda p: p.likeness(mean), default=None)
            if best is not None and best.likeness(mean) >= SAME_PERSON:
                person = best
            elif not free or len(known.looks) >= FIRST_LOOKS:
                person = self._new_person(mean)
            known.person = person
        if person is not None:
            person.total += known.looks[-1]
            person.seen = self._frame

    def _new_person(self, mean: Embedding) -> _Person:
        person = _Person(self._numbered, np.zeros(len(mean)), self._frame)
        self._numbered += 1
        self._people.append(person)
        if len(self._people) > MOST_PERSONS:
            self._people.remove(min(self._people, key=lambda p: p.seen))
        return person


def _by_turns(crop: Pixels, looked: int) -> Pixels:
    """The crop, or every second time its mirror image: several looks' mean knows both."""
    return crop if looked % 2 else np.ascontiguousarray(crop[:, ::-1])


def likeness(embedding: Embedding, templates: Templates) -> float:
    """Cosine of an embedding to the mean direction of ``templates``."""
    mean = templates.mean(axis=0)
    return float(mean @ embedding) / max(float(np.linalg.norm(mean)), 1e-9)
