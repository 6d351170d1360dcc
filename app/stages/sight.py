"""What one frame gave: who is swapped, who is hidden, who is in it at all. No pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.detector import Box


@dataclass(frozen=True)
class Other:
    """A region hidden by choice: somebody who is not swapped.

    ``sure`` where it was followed, then ``track`` is its number.
    """

    box: Box
    sure: bool = True
    track: int = 0


@dataclass(frozen=True)
class Sight:
    """What one frame gave.

    ``swapped`` maps the track ids that were replaced to their boxes; ``bare`` are boxes of
    face-like regions that may be a performer and were not; ``others`` are hidden by choice;
    ``present`` are all tracks that were seen, whatever became of them; ``persons`` maps tracks to
    persons, where that is known; ``jumped`` are tracks that were taken over by a face at another
    place, which may be somebody else's. ``wary`` are regions in which somebody may be about to
    appear, hidden for as long as that lasts and to no further end. ``failed`` says that a stage
    raised, ``blind`` that even the search did, ``cut`` that this is another scene, ``swept`` that
    most of the picture moved.
    """

    swapped: Mapping[int, Box]
    bare: tuple[Box, ...] = ()
    others: tuple[Other, ...] = ()
    present: frozenset[int] = frozenset()
    persons: Mapping[int, int] = field(default_factory=dict)
    jumped: frozenset[int] = frozenset()
    wary: tuple[Box, ...] = ()
    failed: bool = False
    blind: bool = False
    cut: bool = False
    swept: bool = False

    @property
    def tracks(self) -> frozenset[int]:
        """Every track that is in the frame."""
        return self.present | self.followed.keys()

    @property
    def followed(self) -> dict[int, Box]:
        """The tracks that were swapped, or hidden by choice, and their boxes."""
        others = {other.track: other.box for other in self.others if other.track}
        return others | dict(self.swapped)

    @property
    def hidden(self) -> tuple[Box, ...]:
        """Every region that is hidden since something face-like is seen in it."""
        return (*self.bare, *(other.box for other in self.others))
