"""Places where a face was and is not seen any more: each stays hidden until it is accounted for.

Every face that was swapped or hidden is owed to the next frame: it is there again, or its place
becomes a loss. Faces are accounted for one by one, so that one face never stands for two. A loss
ends with its own track, with a track of the same person, or with a newcomer in its place that is
not known to be somebody else. It does not end with

- a track that was in view beside it: that is somebody else, even where it now stands there;
- its own track after a face elsewhere took it over, such as a false one in the hair, unless the
  recogniser says that it is the same person; where it says nothing, a face of the same size counts
  that was followed for ``SETTLED_S``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from app.stages.sight import Sight
from engines.detector import Box, overlap

LINGER_S = 20.0  # a place is watched so long while somebody else is swapped
SAME_PLACE = 0.3  # overlap (IoU) from which a newcomer stands where somebody was lost
SAME_FACE = 0.5  # overlap from which a swapped face is the one that was hidden before
SETTLED_S = 1.0  # so long a face that took a track over is followed before it is taken for its own
SAME_SIZE = 1.6  # ratio of sides up to which it may be


@dataclass(frozen=True)
class Loss:
    """A face that is not seen any more; ``beside`` are the tracks that were in view with it.

    ``track`` is whose, 0 where none may answer for it by its number; ``heir`` is the track that a
    face at another place took over. ``since`` is a time on the clock of ``Losses``.
    """

    box: Box
    since: float
    performer: bool
    linger_s: float
    track: int = 0
    heir: int = 0
    beside: frozenset[int] = frozenset()
    person: int | None = None


@dataclass(frozen=True)
class _Hidden:
    """A region that was hidden last time, and the track it was, if any."""

    box: Box
    sure: bool
    track: int = 0


class Losses:
    """Keeps account of one stream's faces. Used by one thread.

    Times are seconds on a clock that only runs ahead; ``still_s`` says for how long nothing has
    moved in a place.
    """

    def __init__(self) -> None:
        self.all: tuple[Loss, ...] = ()
        self._known: dict[int, Box] = {}
        self._persons: dict[int, int] = {}
        self._hidden: tuple[_Hidden, ...] = ()
        self._present: frozenset[int] = frozenset()
        self._begun: dict[int, float] = {}  # since when a track is followed without a jump

    def clear(self) -> None:
        """Nobody is owed: the room is empty, or it is another one."""
        self.all = ()

    def note(self, sight: Sight, clock: float, unsure_s: float) -> None:
        """Who was there and is not any more becomes a loss; unsure regions for ``unsure_s``."""
        begun = dict.fromkeys(sight.tracks - (self._begun.keys() - sight.jumped), clock)
        self._begun = {t: at for t, at in (self._begun | begun).items() if t in sight.tracks}
        self.all = tuple(
            replace(loss, track=0, heir=loss.track) if loss.track in sight.jumped else loss
            for loss in self.all
        )
        lost = {loss.track for loss in self.all if loss.performer}
        new = []
        for track, box in self._known.items():
            taken = track in sight.jumped and not sight.cut
            if taken or (track not in sight.swapped and track not in lost):
                whose, heir = (0, track) if track in sight.jumped else (track, 0)
                beside = self._present - {track}
                person = self._persons.get(track)
                new.append(Loss(box, clock, True, LINGER_S, whose, heir, beside, person))
        for region in self._hidden:
            loss = Loss(
                region.box,
                clock,
                False,
                LINGER_S if region.sure else unsure_s,
                region.track,
                beside=self._present - {region.track} if region.sure else frozenset(),
            )
            if not self._accounted(loss, sight):
                new.append(loss)
        self.all += tuple(new)

    def release(
        self,
        sight: Sight,
        clock: float,
        resting: Mapping[Box, bool],
        *,
        strict: bool,
    ) -> None:
        """Give up the losses that are accounted for, or need not be feared any more.

        ``resting`` says of each loss's box whether nothing has moved there for long enough.
        """
        if sight.cut and sight.swapped:
            self.clear()  # another scene: the places mean nothing
            return
        kept = []
        for loss in self.all:
            found = self._found(loss, sight, clock) if loss.performer else False
            found = found or (not loss.performer and self._accounted(loss, sight))
            stale = clock - loss.since >= loss.linger_s and not (strict and loss.performer)
            rests = resting[loss.box] and not _overlapping(loss.box, sight.hidden)
            if not (found or (sight.swapped and (stale or rests))):
                kept.append(loss)
        self.all = tuple(kept)

    def remember(self, sight: Sight) -> None:
        """What the next frame owes."""
        self._known = dict(sight.swapped)
        self._persons |= {t: p for t, p in sight.persons.items() if t in sight.tracks}
        self._present = sight.tracks
        bare = (_Hidden(box, False) for box in sight.bare)
        others = (_Hidden(other.box, other.sure, other.track) for other in sight.others)
        self._hidden = (*bare, *others)

    def _accounted(self, loss: Loss, sight: Sight) -> bool:
        """Whether somebody who was hidden by choice is seen, or one who may be it in its place."""
        if loss.track and loss.track in sight.tracks and loss.track not in sight.jumped:
            return True
        new = [box for track, box in sight.swapped.items() if track not in loss.beside]
        others = [other.box for other in sight.others if other.track not in loss.beside]
        at = (*sight.bare, *others)
        return _overlapping(loss.box, new, SAME_FACE) or _overlapping(loss.box, at)

    def _found(self, loss: Loss, sight: Sight, clock: float) -> bool:
        """Whether a performer who was lost is swapped again, or hidden as somebody followed."""
        for track, box in sight.followed.items():
            if track == loss.track and track not in sight.jumped:
                return True
            if track in loss.beside:
                continue
            person = sight.persons.get(track)
            if person is not None and loss.person is not None:
                if person == loss.person:
                    return True
                continue  # somebody else, wherever it stands
            if track not in sight.jumped and overlap(box, loss.box) >= SAME_PLACE:
                return True
            settled = track == loss.heir and clock - self._begun[track] >= SETTLED_S
            if settled and _of_one_size(box, loss.box):
                return True
        return False


def _overlapping(box: Box, others: Iterable[Box], least: float = SAME_PLACE) -> bool:
    return any(overlap(box, other) >= least for other in others)


def _of_one_size(one: Box, two: Box) -> bool:
    ratios = (one[2] / max(two[2], 1e-6), one[3] / max(two[3], 1e-6))
    return all(1 / SAME_SIZE <= ratio <= SAME_SIZE for ratio in ratios)
