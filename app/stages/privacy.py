"""What the output may show while a face is lost: pure timing, no pixels.

The output is LIVE while every face that is to be swapped is. One that is lost is HELD where it was
last swapped, then BLURRED, and given up after ``hold_ms + blur_ms`` where nothing is seen any more:
an empty room is LIVE. A stage that keeps failing for that long makes it a SLATE.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.settings import PrivacySettings
from engines.detector import Box


class Showing(enum.Enum):
    """What a finished frame shows."""

    LIVE = "live"
    HELD = "held"
    BLURRED = "blurred"
    SLATE = "slate"
    BYPASS = "bypass"


@dataclass(frozen=True)
class Sight:
    """What one frame gave.

    ``swapped`` maps the track ids that were replaced to their boxes; ``bare`` are boxes of
    face-like regions that were not; ``failed`` says that a stage raised; ``blind`` that even the
    search did, so that nobody knows where faces are.
    """

    swapped: Mapping[int, Box]
    bare: tuple[Box, ...] = ()
    failed: bool = False
    blind: bool = False


@dataclass(frozen=True)
class Place:
    """Where a swapped face was when it was lost, ``away_s`` ago; ``held`` while its swap stays."""

    box: Box
    away_s: float
    held: bool


@dataclass(frozen=True)
class Verdict:
    """What to show, and the places to hide beside the sight's ``bare`` boxes."""

    showing: Showing
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class _Loss:
    box: Box
    since: float
    newest: int  # the highest track id at the time: a later one may be the same face


class Guard:
    """Remembers whom it saw swapped, and decides frame by frame. Used by one thread."""

    def __init__(self) -> None:
        self._known: dict[int, Box] = {}
        self._lost: dict[int, _Loss] = {}
        self._failing_since: float | None = None

    def step(self, now: float, sight: Sight, settings: PrivacySettings) -> Verdict:
        """The verdict on the frame at ``now`` (seconds, on the frames' clock)."""
        hold_s, blur_s = settings.hold_ms / 1000, settings.blur_ms / 1000
        newest = max([*self._known, *self._lost, *sight.swapped], default=0)
        for track, box in self._known.items():
            if track not in sight.swapped:
                self._lost.setdefault(track, _Loss(box, now, newest))
        self._known = dict(sight.swapped)
        amiss = sight.failed or sight.blind
        self._lost = {
            track: loss if loss.since <= now else replace(loss, since=now)  # the clock jumped
            for track, loss in self._lost.items()
            if not _found(track, loss, sight) and (amiss or now - loss.since < hold_s + blur_s)
        }
        if not amiss:
            self._failing_since = None
        elif self._failing_since is None or self._failing_since > now:
            self._failing_since = now
        elif now - self._failing_since >= hold_s + blur_s:
            return Verdict(Showing.SLATE)
        places = tuple(
            Place(loss.box, now - loss.since, now - loss.since < hold_s)
            for loss in self._lost.values()
        )
        if any(place.held for place in places):
            return Verdict(Showing.HELD, places)
        hidden = bool(places or sight.bare or amiss)
        return Verdict(Showing.BLURRED if hidden else Showing.LIVE, places)


def _found(track: int, loss: _Loss, sight: Sight) -> bool:
    return track in sight.swapped or any(other > loss.newest for other in sight.swapped)
