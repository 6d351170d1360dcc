"""The pixel work between finding faces and showing the frame, behind one contract.

It exists twice: ``on_host``, with NumPy and OpenCV, and ``on_device``, on a GPU. Both give the same
picture to a grey level. What decides (which faces, when to hide) is the pipeline's and shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.frame import Face, Pixels
from app.settings import BadgeSettings, Settings
from app.stages.identity import Identity
from app.stages.track import FaceFinder

HOST = "CPU"  # the name of the place that is no card


class Canvas(Protocol):
    """One frame on its way to the output; used once."""

    def swap(
        self, face: Face, settings: Settings, identity: Identity, *, guarded: bool = False
    ) -> None:
        """Put ``identity`` on ``face``; ``AppError`` where that fails, and the face stays bare.

        Every face is taken from the frame as it came, not from what was pasted before. A
        ``guarded`` swap that leaves the face to be seen is an error as well, here or, on a card,
        when the picture is fetched.
        """

    def send(self, badge: BadgeSettings | None) -> bool:
        """No more swaps: start bringing the picture here, with badge and mark or (None) without.

        Whether that goes on beside the next frame; ``pixels`` and ``finished`` do it where it was
        not done, and wait for it. ``AppError`` where it cannot begin.
        """

    def pixels(self) -> Pixels:
        """What was painted so far, to be drawn on in place; ``AppError`` where a swap failed."""

    def finished(self, badge: BadgeSettings) -> Pixels:
        """The frame with badge and invisible mark, nobody else's; ``AppError`` likewise."""


@dataclass(frozen=True)
class Place:
    """Where the pixel work is done (``CPU``, or the card's name), and why not elsewhere or faster.

    ``engine`` names the runtime of networks that run there too, beside those of the host.
    """

    name: str
    why: str = ""
    engine: str = ""

    def as_dict(self) -> dict[str, str]:
        """As in the JSON of ``bench`` and ``run``."""
        return {"place": self.name, "engine": self.engine, "why": self.why}


class PixelWork(Protocol):
    """The pixel work of one stream; remembers each face's light. Used by one thread."""

    @property
    def place(self) -> Place:
        """Where it is done now."""

    @property
    def finder(self) -> FaceFinder:
        """Finds faces in the frame that was opened last, or in any other picture."""

    def open(self, seen: Pixels) -> Canvas:
        """Start on a frame (read-only).

        A canvas before it that was not sent is given up, and so is one that was sent before that:
        two frames at most are under way.
        """

    def keep(self, track_ids: set[int]) -> None:
        """Forget the light of all other faces."""

    def reset(self) -> None:
        """Forget all faces."""

    def close(self) -> None:
        """Free what it holds, but for the networks; may be called twice."""
