"""What the output may show when a face is not swapped: a pure state machine, no pixels.

The rule: a picture is shown only where each face in it is known to be swapped (or is left alone by
choice), or where the room is *proven* empty: nothing like a face was found and nothing moved for
``empty_ms``. That nothing was detected is no proof, however long it lasts. Everything else is
hidden, at first as little as possible, then altogether.

| swapped now | what is known | for how long | shows |
| --- | --- | --- | --- |
| any | a stage fails, or the search does | >= hold + blur | SLATE |
| some | every performer swapped, nothing doubtful | | LIVE |
| some | another performer is lost | < hold | HELD: its last swap stays in its place |
| some | another performer is lost | >= hold | BLURRED: its place, growing to ``MOST_SHARE`` |
| some | a doubtful or failed face | | BLURRED: that region |
| nobody | ``strict`` is set | | SLATE |
| nobody | nothing face-like, nothing moved | >= empty | LIVE: a proven empty room |
| nobody | a performer was lost | < hold | HELD |
| nobody | a performer was lost | < hold + blur | BLURRED: its place, growing without end |
| nobody | a scene cut, or no performer yet | < hold + blur | BLURRED: the whole picture |
| nobody | anything but a proven empty room | >= hold + blur | SLATE |

A lost performer counts as found again when its track, or a track of the same person, is swapped, or
a newcomer that is not known to be somebody else is swapped in its place. Another newcomer ends
nothing. While somebody else is swapped its place is given up when it has rested for ``empty_ms``,
or after ``LINGER_S``, unless ``strict``. Regions hidden by choice (``Other``) follow the same rule,
but do not change what the output is said to show. Times run on a clock of their own, which takes
no step backwards and none longer than ``LONGEST_STEP_S``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.settings import PrivacySettings
from engines.detector import Box, overlap

LINGER_S = 20.0  # a place is watched so long while somebody else is swapped
SAME_PLACE = 0.3  # overlap (IoU) from which a newcomer stands where somebody was lost
SAME_FACE = 0.5  # overlap from which a swapped face is the one that was hidden before
LONGEST_STEP_S = 1.0
FIRST_SHARE = 1.5  # side of a hidden place, in sides of the face's box
SPEED = (
    16.0  # box sides per second by which a lost face's place grows: 8 to each side, a quick walk
)
MOST_SHARE = 4.0  # while somebody else is swapped
MOST_OTHER_SHARE = 2.5  # of a place hidden by choice


class Showing(enum.Enum):
    """What a finished frame shows."""

    LIVE = "live"
    HELD = "held"
    BLURRED = "blurred"
    SLATE = "slate"
    BYPASS = "bypass"


class Reason(enum.Enum):
    """Why a frame is not LIVE, or LIVE without a face."""

    NONE = ""
    EMPTY = "nobody is there"
    NOBODY = "no face in view"
    LOST = "the face is lost"
    DOUBTFUL = "a face is not certain"
    FAILED = "the face cannot be swapped"
    NO_SOURCE = "no source face"
    PAUSED = "the swap is off"
    PANIC = "hidden by you"


class Stillness(Protocol):
    """What ``app.stages.motion.Motion`` knows."""

    def still_s(self, box: Box | None = None) -> float:
        """Seconds for which nothing has moved in ``box``, or in the whole picture."""


@dataclass(frozen=True)
class Other:
    """A region hidden by choice: somebody who is not swapped; ``sure`` where it was followed."""

    box: Box
    sure: bool = True


@dataclass(frozen=True)
class Sight:
    """What one frame gave.

    ``swapped`` maps the track ids that were replaced to their boxes; ``bare`` are boxes of
    face-like regions that may be a performer and were not; ``others`` are hidden by choice;
    ``persons`` maps tracks to persons, where that is known; ``jumped`` are tracks that were taken
    over by a face at another place, which may be somebody else's. ``failed`` says that a stage
    raised, ``blind`` that even the search did, ``cut`` that this is another scene.
    """

    swapped: Mapping[int, Box]
    bare: tuple[Box, ...] = ()
    others: tuple[Other, ...] = ()
    persons: Mapping[int, int] = field(default_factory=dict)
    jumped: frozenset[int] = frozenset()
    failed: bool = False
    blind: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Place:
    """Where an unseen face may be: ``share`` sides of ``box`` around its middle.

    ``track`` is whose; ``held`` says that its last swap may stay there.
    """

    box: Box
    share: float
    track: int = 0
    held: bool = False


@dataclass(frozen=True)
class Verdict:
    """What to show and why; the places to hide beside the sight's own regions, or the ``whole``."""

    showing: Showing
    reason: Reason = Reason.NONE
    places: tuple[Place, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class _Loss:
    box: Box
    since: float  # on the guard's clock
    performer: bool
    linger_s: float
    track: int = 0
    newest: int = 0  # the highest track id at the time: a later one may be the same face
    person: int | None = None


class _Lasting:
    """For how long something has been so."""

    def __init__(self) -> None:
        self.since: float | None = None

    def step(self, clock: float, *, so: bool) -> float:
        """Seconds on ``clock``; 0 where it is not so, or only now."""
        if not so:
            self.since = None
        elif self.since is None:
            self.since = clock
        return 0.0 if self.since is None else clock - self.since


class Guard:
    """Remembers whom it saw, and decides frame by frame. Used by one thread."""

    def __init__(self) -> None:
        self._clock = 0.0
        self._at: float | None = None
        self._known: dict[int, Box] = {}
        self._persons: dict[int, int] = {}
        self._watched: tuple[tuple[Box, bool], ...] = ()  # regions hidden last time, and how sure
        self._newest = 0
        self._lost: list[_Loss] = []
        self._alone = _Lasting()  # nobody is swapped, and the room is not proven empty
        self._failing = _Lasting()
        self._adrift = True  # whoever may be there can be anywhere

    def step(self, at: float, sight: Sight, settings: PrivacySettings, still: Stillness) -> Verdict:
        """The verdict on the frame of time ``at`` (seconds)."""
        hold_s = settings.hold_ms / 1000
        limit_s = hold_s + settings.blur_ms / 1000
        empty_s = settings.empty_ms / 1000
        if self._at is not None:
            self._clock += min(max(at - self._at, 0.0), LONGEST_STEP_S)
        self._at = at
        amiss = sight.failed or sight.blind
        self._note(sight, limit_s)
        self._release(sight, empty_s, still, strict=settings.strict)
        self._remember(sight)
        failing_s = self._failing.step(self._clock, so=amiss)
        alone_s = self._alone.step(self._clock, so=not sight.swapped)
        if amiss and failing_s >= limit_s:
            return Verdict(Showing.SLATE, Reason.FAILED)
        if sight.swapped:
            self._adrift = False
            return self._in_company(sight, hold_s, amiss=amiss)
        self._adrift |= sight.cut
        if settings.strict:
            return Verdict(Showing.SLATE, self._why(sight))
        if not (amiss or sight.bare or sight.others or sight.cut) and still.still_s() >= empty_s:
            self._lost, self._adrift = [], True
            self._alone.since = self._clock
            return Verdict(Showing.LIVE, Reason.EMPTY)
        if alone_s >= limit_s:
            return Verdict(Showing.SLATE, self._why(sight))
        return self._deserted(sight, hold_s)

    def _in_company(self, sight: Sight, hold_s: float, *, amiss: bool) -> Verdict:
        """Somebody is swapped; what else may be there is hidden."""
        places = tuple(
            self._place(loss, hold_s, MOST_SHARE if loss.performer else MOST_OTHER_SHARE)
            for loss in self._lost
        )
        if amiss or sight.bare:
            reason = Reason.FAILED if amiss else Reason.DOUBTFUL
            return Verdict(Showing.BLURRED, reason, places, sight.blind)
        if any(place.held for place in places):
            return Verdict(Showing.HELD, Reason.LOST, places)
        if any(loss.performer for loss in self._lost):
            return Verdict(Showing.BLURRED, Reason.LOST, places)
        return Verdict(Showing.LIVE, Reason.NONE, places)

    def _deserted(self, sight: Sight, hold_s: float) -> Verdict:
        """Nobody is swapped, for a short while."""
        if self._adrift or sight.blind:
            return Verdict(Showing.BLURRED, self._why(sight), whole=True)
        places = tuple(self._place(loss, hold_s, float("inf")) for loss in self._lost)
        held = any(place.held for place in places)
        return Verdict(Showing.HELD if held else Showing.BLURRED, self._why(sight), places)

    def _why(self, sight: Sight) -> Reason:
        if sight.failed or sight.blind:
            return Reason.FAILED
        if any(loss.performer for loss in self._lost):
            return Reason.LOST
        return Reason.DOUBTFUL if sight.bare else Reason.NOBODY

    def _note(self, sight: Sight, limit_s: float) -> None:
        """Who was there and is not any more becomes a loss."""
        lost = {loss.track for loss in self._lost if loss.performer}
        for track, box in self._known.items():
            gone = track not in sight.swapped and track not in lost
            taken = track in sight.jumped and not sight.cut
            if gone or taken:
                whose = (
                    0 if taken else track
                )  # only the same person ends a loss whose track is taken
                person = self._persons.get(track)
                self._lost.append(
                    _Loss(box, self._clock, True, LINGER_S, whose, self._newest, person)
                )
        for box, sure in self._watched:
            if not _covered(box, sight):
                linger_s = LINGER_S if sure else limit_s
                self._lost.append(_Loss(box, self._clock, False, linger_s))

    def _release(self, sight: Sight, empty_s: float, still: Stillness, *, strict: bool) -> None:
        """Give up the losses that were found again, or need not be feared any more."""
        if sight.cut and sight.swapped:
            self._lost = []  # another scene: the places mean nothing
            return
        company = bool(sight.swapped)
        kept = []
        for loss in self._lost:
            found = _found(loss, sight) if loss.performer else _covered(loss.box, sight)
            stale = self._clock - loss.since >= loss.linger_s and not (strict and loss.performer)
            rests = still.still_s(grown(loss.box, FIRST_SHARE)) >= empty_s
            gone = company and (stale or (rests and not _hidden_at(loss.box, sight)))
            if not (found or gone):
                kept.append(loss)
        self._lost = kept

    def _remember(self, sight: Sight) -> None:
        self._known = dict(sight.swapped)
        self._persons |= {t: p for t, p in sight.persons.items() if t in sight.swapped}
        self._newest = max([self._newest, *sight.swapped])
        bare = ((box, False) for box in sight.bare)
        self._watched = (*bare, *((other.box, other.sure) for other in sight.others))

    def _place(self, loss: _Loss, hold_s: float, most: float) -> Place:
        away_s = self._clock - loss.since
        share = min(FIRST_SHARE + SPEED * away_s, most)
        return Place(loss.box, share, loss.track, loss.performer and away_s < hold_s)


def grown(box: Box, share: float) -> Box:
    """``share`` sides of ``box`` around its middle."""
    x, y, width, height = box
    across, down = share * width, share * height
    return (x + width / 2 - across / 2, y + height / 2 - down / 2, across, down)


def _covered(box: Box, sight: Sight) -> bool:
    """Whether what is seen now is what was seen at ``box`` before."""
    swapped = any(overlap(box, other) >= SAME_FACE for other in sight.swapped.values())
    return swapped or _hidden_at(box, sight)


def _hidden_at(box: Box, sight: Sight) -> bool:
    """Whether something face-like that is not swapped is at ``box``."""
    regions = (*sight.bare, *(other.box for other in sight.others))
    return any(overlap(box, other) >= SAME_PLACE for other in regions)


def _found(loss: _Loss, sight: Sight) -> bool:
    for track, box in sight.swapped.items():
        person = sight.persons.get(track)
        if track == loss.track or (person is not None and person == loss.person):
            return True
        stranger = person is not None and loss.person is not None  # two persons that differ
        if track > loss.newest and not stranger and overlap(box, loss.box) >= SAME_PLACE:
            return True
    return False
