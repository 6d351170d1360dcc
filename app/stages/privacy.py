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
| some | another performer is lost | >= hold | BLURRED: its place, to ``MOST_SHARE``; its trail |
| some | a doubtful or failed face | | BLURRED: that region |
| nobody | ``strict`` is set | | SLATE |
| nobody | nothing face-like, nothing moved | >= empty | LIVE: a proven empty room |
| nobody | a performer was lost | < hold | HELD |
| nobody | a performer was lost | < hold + blur | BLURRED: its place, growing without end |
| nobody | a cut, a moved camera, or no performer yet | < hold + blur | BLURRED: the whole picture |
| nobody | anything but a proven empty room | >= hold + blur | SLATE |

``app.stages.losses`` says who is lost and when that ends. While somebody else is swapped a place is
also given up when it has rested for ``empty_ms``, or after ``LINGER_S``, unless ``strict``. Regions
hidden by choice (``Other``) follow the same rule, but neither they nor ``Sight.wary`` change what
the output is said to show. Times run on a clock of their own, which takes no step backwards and
none longer than ``LONGEST_STEP_S``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from app.settings import PrivacySettings
from app.stages.losses import LINGER_S, Loss, Losses
from app.stages.sight import Sight
from engines.detector import Box

LONGEST_STEP_S = 1.0
FIRST_SHARE = 1.5  # side of a hidden place, in sides of the face's box
SPEED = (
    16.0  # box sides per second by which a lost face's place grows: 8 to each side, a quick walk
)
MOST_SHARE = 4.0  # while somebody else is swapped
MOST_OTHER_SHARE = 2.5  # of a place hidden by choice
TRAIL_S = 0.1  # somebody had begun to move so long before they were lost


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
    CONSENT = "the consent has ended"
    PANIC = "hidden by you"
    AWAY = "the camera is away"


class Stillness(Protocol):
    """What ``app.stages.motion.Motion`` knows."""

    def still_s(self, box: Box | None = None) -> float:
        """Seconds for which nothing has moved in ``box``, or in the whole picture."""

    def trail(self, box: Box, since_s: float) -> Box:
        """The extent of what moved in the last ``since_s`` and hangs together with ``box``."""


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
        self._losses = Losses()
        self._alone = _Lasting()  # nobody is swapped, and the room is not proven empty
        self._failing = _Lasting()
        self._adrift = True  # whoever may be there can be anywhere

    @property
    def owes(self) -> bool:
        """Whether a performer is lost and may come back anywhere."""
        return any(loss.performer for loss in self._losses.all)

    def step(self, at: float, sight: Sight, settings: PrivacySettings, still: Stillness) -> Verdict:
        """The verdict on the frame of time ``at`` (seconds)."""
        hold_s = settings.hold_ms / 1000
        limit_s = hold_s + settings.blur_ms / 1000
        empty_s = settings.empty_ms / 1000
        if self._at is not None:
            self._clock += min(max(at - self._at, 0.0), LONGEST_STEP_S)
        self._at = at
        amiss = sight.failed or sight.blind
        self._losses.note(sight, self._clock, limit_s)
        resting = {
            loss.box: still.still_s(grown(loss.box, FIRST_SHARE)) >= empty_s
            for loss in self._losses.all
        }
        self._losses.release(sight, self._clock, resting, strict=settings.strict)
        self._losses.remember(sight)
        failing_s = self._failing.step(self._clock, so=amiss)
        alone_s = self._alone.step(self._clock, so=not sight.swapped)
        if amiss and failing_s >= limit_s:
            return Verdict(Showing.SLATE, Reason.FAILED)
        if sight.swapped:
            self._adrift = False
            return self._in_company(sight, hold_s, limit_s, still, amiss=amiss)
        self._adrift |= sight.cut or sight.swept
        if settings.strict:
            return Verdict(Showing.SLATE, self._why(sight))
        if not (amiss or sight.bare or sight.others or sight.cut) and still.still_s() >= empty_s:
            self._losses.clear()
            self._adrift = True
            self._alone.since = self._clock
            return Verdict(Showing.LIVE, Reason.EMPTY)
        if alone_s >= limit_s:
            return Verdict(Showing.SLATE, self._why(sight))
        return self._deserted(sight, hold_s)

    def _in_company(
        self, sight: Sight, hold_s: float, limit_s: float, moved: Stillness, *, amiss: bool
    ) -> Verdict:
        """Somebody is swapped; what else may be there is hidden."""
        places = tuple(
            self._place(loss, hold_s, MOST_SHARE if loss.performer else MOST_OTHER_SHARE)
            for loss in self._losses.all
        )
        places += tuple(self._trails(limit_s, moved))
        if amiss or sight.bare:
            reason = Reason.FAILED if amiss else Reason.DOUBTFUL
            return Verdict(Showing.BLURRED, reason, places, sight.blind)
        if any(place.held for place in places):
            return Verdict(Showing.HELD, Reason.LOST, places)
        if any(loss.performer for loss in self._losses.all):
            return Verdict(Showing.BLURRED, Reason.LOST, places)
        return Verdict(Showing.LIVE, Reason.NONE, places)

    def _deserted(self, sight: Sight, hold_s: float) -> Verdict:
        """Nobody is swapped, for a short while."""
        if self._adrift or sight.blind:
            return Verdict(Showing.BLURRED, self._why(sight), whole=True)
        places = tuple(self._place(loss, hold_s, float("inf")) for loss in self._losses.all)
        held = any(place.held for place in places)
        return Verdict(Showing.HELD if held else Showing.BLURRED, self._why(sight), places)

    def _why(self, sight: Sight) -> Reason:
        if sight.failed or sight.blind:
            return Reason.FAILED
        if any(loss.performer for loss in self._losses.all):
            return Reason.LOST
        return Reason.DOUBTFUL if sight.bare else Reason.NOBODY

    def _trails(self, limit_s: float, moved: Stillness) -> Iterator[Place]:
        """Where somebody who was followed may have gone from a place that does not grow further."""
        for loss in self._losses.all:
            away_s = self._clock - loss.since
            if loss.linger_s == LINGER_S and away_s < limit_s:
                box = moved.trail(grown(loss.box, FIRST_SHARE), away_s + TRAIL_S)
                yield Place(box, 1.0)

    def _place(self, loss: Loss, hold_s: float, most: float) -> Place:
        away_s = self._clock - loss.since
        share = min(FIRST_SHARE + SPEED * away_s, most)
        return Place(loss.box, share, loss.track, loss.performer and away_s < hold_s)


def grown(box: Box, share: float) -> Box:
    """``share`` sides of ``box`` around its middle."""
    x, y, width, height = box
    across, down = share * width, share * height
    return (x + width / 2 - across / 2, y + height / 2 - down / 2, across, down)
