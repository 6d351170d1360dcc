"""Sorts what was not swapped in a frame: what may be a performer, and what is hidden by choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.frame import Face
from app.settings import Settings
from app.stages.choice import Choice, tracks_of
from app.stages.motion import Motion
from app.stages.recognition import Recognition
from app.stages.sight import Other, Sight
from app.stages.track import Tracker
from engines.detector import Box


@dataclass(frozen=True)
class Found:
    """What became of the faces of a frame.

    ``swapped`` maps the tracks that were replaced to their boxes, ``bare`` are boxes of those that
    should have been; ``failed`` and ``blind`` as ``Sight`` has them.
    """

    faces: tuple[Face, ...]
    swapped: Mapping[int, Box]
    bare: tuple[Box, ...]
    choice: Choice
    failed: bool
    blind: bool


class Sorter:
    """Remembers who was swapped: they are never shown bare. Used by one thread."""

    def __init__(self, tracker: Tracker, recognition: Recognition, motion: Motion) -> None:
        self._tracker, self._recognition, self._motion = tracker, recognition, motion
        self._performers: set[int] = set()  # tracks that were swapped
        self._performing: set[int] = set()  # the persons they showed

    def sight(self, found: Found, settings: Settings, *, owes: bool) -> Sight:
        """What the guard judges by; ``owes``: a performer is lost and may come back anywhere."""
        hide = settings.privacy.others == "blurred"
        hidden: list[Other] = []
        missing = self._tracker.missing
        pending = found.choice.pending
        bare = [*found.bare, *(face.box for face in pending if face.track_id not in missing)]
        for face in found.choice.others:
            if face.track_id in missing:
                continue
            me_alone = settings.detector.faces == "me"
            if not me_alone and self._performs(face.track_id, hide=hide, owes=owes):
                bare.append(face.box)
            elif hide:
                hidden.append(Other(face.box, track=face.track_id))
        if not found.blind:
            if settings.detector.faces in ("all", "each") or not found.swapped:
                bare += self._tracker.doubtful
            elif hide:
                hidden += [Other(box, sure=False) for box in self._tracker.doubtful]
        present = tracks_of(found.faces) - missing
        known = {track: self._recognition.person(track) for track in present}
        persons = {track: person for track, person in known.items() if person is not None}
        self._performers |= set(found.swapped)
        self._performing |= {persons[track] for track in found.swapped if track in persons}
        return Sight(
            found.swapped,
            tuple(bare),
            tuple(hidden),
            frozenset(present),
            persons,
            self._tracker.jumped,
            () if found.blind else self._tracker.beside,
            failed=found.failed,
            blind=found.blind,
            cut=self._motion.cut,
            swept=self._motion.swept,
        )

    def _performs(self, track: int, *, hide: bool, owes: bool) -> bool:
        """Whether a track, or the person it shows, was swapped before.

        Where others are not hidden (``hide``) it is enough that it may have been.
        """
        if track in self._performers:
            return True
        person = self._recognition.person(track)
        if person is None:  # not known yet: it may be the performer who is lost
            return not hide and self._recognition.works and owes
        return person in self._performing
