"""Carries out the guard's verdict on the pixels, and keeps what may be held later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.frame import Pixels
from app.stages.privacy import Place, Verdict
from app.stages.sight import Sight
from app.stages.veil import Kept, blur_all, blur_box, keep, lay
from engines.detector import Box, overlap

INNER_SHARE = 0.9  # of a swapped face's box: laid again over a blurred place
APART = 0.05  # overlap (IoU) up to which a region to hide does not reach into a swapped face


class Cover:
    """Hides regions and holds the last swap of each track. Used by one thread."""

    def __init__(self) -> None:
        self._kept: dict[int, Kept] = {}

    def hide(self, pixels: Pixels, sight: Sight, verdict: Verdict) -> None:
        """Blur in place what ``verdict`` and ``sight`` say, then lay held regions over it."""
        bare = [*sight.bare, *(other.box for other in sight.others)]
        behind = verdict.places or sight.wary
        swapped = _inner(pixels, sight.swapped.values(), bare) if behind else []
        if verdict.whole:
            blur_all(pixels)
        for place in verdict.places:
            blur_box(pixels, place.box, place.share)
        for box in sight.wary:
            blur_box(pixels, box, 1.0)
        for box in bare:
            blur_box(pixels, box)
        for place in verdict.places:
            kept = self._kept.get(place.track)
            if place.held and kept is not None:
                lay(pixels, kept)
        if not verdict.whole:
            for region in swapped:
                lay(pixels, region)
            for box in bare:  # a held region may reach over one that must stay hidden
                if verdict.places:
                    blur_box(pixels, box)

    def remember(self, pixels: Pixels, swapped: Mapping[int, Box], places: Iterable[Place]) -> None:
        """Keep each swapped face's region of the finished, still unmarked picture."""
        held = {place.track for place in places}
        self._kept = {track: kept for track, kept in self._kept.items() if track in held}
        for track, box in swapped.items():
            region = keep(pixels, box)
            if region is not None:
                self._kept[track] = region


def _inner(pixels: Pixels, swapped: Iterable[Box], bare: list[Box]) -> list[Kept]:
    """The middle of each swapped face that no region to hide reaches into."""
    apart = (box for box in swapped if all(overlap(box, other) <= APART for other in bare))
    return [kept for box in apart if (kept := keep(pixels, box, INNER_SHARE)) is not None]
