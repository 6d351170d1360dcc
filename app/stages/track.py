"""Finds faces now and then in the whole picture, and follows them in between."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from app.frame import Face, Frame, Pixels, Points
from app.settings import DetectorSettings
from app.stages.narrow import disproved
from app.stages.smoothing import LandmarkFilter
from engines.detector import Box, Detection, overlap

FOLLOWED_SHARE = 0.7  # of the threshold is enough for a face that is already followed
PATIENCE = 3  # frames a followed face may be missed
SAME_FACE = 0.3  # overlap (IoU) from which two boxes are one face
DOUBTFUL = 0.3  # score from which something may be a face and must not be shown
ENTERING = 0.15  # the same for a face of which only a part is in the picture, seen from near
TWINS = 0.5  # overlap from which two tracks are on one face
# The same for a part of a face that comes out from behind another. Over 8 clips, hands in half of
# them, other things beside a face reach it in 4.4 % of the looks, .3 in .2 %; half a face .2 to .6.
BESIDE = 0.2
BESIDE_SIZE, LEAST_BESIDE_PX = 160, 16
WARY_FRAMES = 8  # for which such a place stays hidden after the last sign
STEADY = 0.4  # overlap from one frame to the next below which it may be another face
NEARER = 640  # pixels along the whole picture's long side, where strips are looked at
LEAST_FACE_PX = 3.0  # from the eyes to the mouth


class FaceFinder(Protocol):
    """What tracking needs of ``engines.detector.Detector``."""

    def detect(self, picture: Pixels, threshold: float, *, size: int = 320) -> list[Detection]:
        """All faces, best first."""

    def detect_near(
        self, picture: Pixels, box: Box, threshold: float, *, stretch: float = 1.0
    ) -> Detection | None:
        """The face about where ``box`` was, looked for in a place shown so many times as wide."""


@dataclass(eq=False)
class _Track:
    track_id: int
    seen: Detection
    face: Face
    missed: int = 0
    filter: LandmarkFilter = field(default_factory=LandmarkFilter)


class Tracker:
    """Gives each frame's faces with stable ids and steady landmarks. Used by one thread.

    After ``update``: ``missing`` are the ids of faces that were not seen in this frame,
    ``jumped`` those whose face was found at another place, so that it may be somebody else's, and
    ``doubtful`` the boxes of what the last whole search found too uncertain or too small;
    ``beside`` are places beside faces in which a part of another showed just now, and ``narrow``
    the ids of faces whose points a second look disproved: their boxes hold what both looks saw.
    """

    def __init__(self, detector: FaceFinder) -> None:
        self._detector = detector
        self._ids = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget all faces: the next frame is searched whole."""
        self._tracks: list[_Track] = []
        self._since_search = 0
        self._owing = False  # a search was left to catch_up
        self.missing: frozenset[int] = frozenset()
        self.jumped: frozenset[int] = frozenset()
        self.doubtful: tuple[Box, ...] = ()
        self.beside: tuple[Box, ...] = ()
        self.narrow: frozenset[int] = frozenset()
        self._wary: dict[tuple[int, int], int] = {}  # sides of tracks, and frames left
        self._uncertain: tuple[Box, ...] = ()  # of the last whole search

    def update(
        self,
        frame: Frame,
        settings: DetectorSettings,
        *,
        search: bool = False,
        strips: Sequence[Box] = (),
        stirred: Callable[[Box], bool] | None = None,
        patient: bool = False,
    ) -> list[Face]:
        """Every face known in ``frame``, those just missed included, the longest known first.

        Every followed face is looked for near its place, so that its landmarks always come from
        the same magnification. Whole-picture searches run every ``settings.interval`` frames, and
        in the same frame where nothing is followed or a followed face is missed, so that a cut or
        a quick movement shows no frame unswapped; and where ``search`` says so. ``strips`` of
        the picture are looked at from near for faces that are partly in it, and the places beside
        followed faces in which ``stirred`` says that something moved for parts of faces that come
        out from behind them. With ``patient`` a search that comes for its turn alone is left to
        ``catch_up``, once.
        """
        self._since_search += 1
        self.jumped = frozenset()
        followed = self._follow(frame, settings)
        whole = len(followed) == len(self._tracks) > 0
        due = self._since_search >= settings.interval
        self._owing = patient and due and whole and not search and not self._owing
        if search or not whole or (due and not self._owing):
            self._since_search = 0
            self._search(frame, settings, followed)
        self.doubtful = (*self._uncertain, *self._entering(frame, strips))
        if stirred is None:
            self.beside, self._wary = (), {}
        else:
            self._watch_beside(frame, stirred)
        self._tracks = [t for t in _without_twins(self._tracks) if t.missed <= PATIENCE]
        self.missing = frozenset(t.track_id for t in self._tracks if t.missed)
        self._look_again(frame)
        return [t.face for t in sorted(self._tracks, key=lambda t: t.track_id)]

    def catch_up(self, frame: Frame, settings: DetectorSettings) -> None:
        """The search that ``update`` left out of the same ``frame``, if it did.

        What it finds counts from the next frame on; where it raises, that one is searched.
        """
        if self._owing:
            self._search(frame, settings, list(self._tracks))
            self._owing, self._since_search = False, 0

    @property
    def boxes(self) -> list[Box]:
        """Where the known faces were last seen."""
        return [track.seen.box for track in self._tracks]

    def _look_again(self, frame: Frame) -> None:
        """At what was seen without certainty, in another shape."""
        narrow = set()
        for track in self._tracks:
            around = None if track.missed else disproved(self._detector, frame.pixels, track.seen)
            if around is not None:
                narrow.add(track.track_id)
                track.face = replace(track.face, box=around)
        self.narrow = frozenset(narrow)

    def _follow(self, frame: Frame, settings: DetectorSettings) -> list[_Track]:
        """Look near each known face; the tracks that were found there."""
        low = settings.threshold * FOLLOWED_SHARE
        found = []
        for track in self._tracks:
            near = self._detector.detect_near(frame.pixels, track.seen.box, low)
            if near is not None and _usable(near) and overlap(track.seen.box, near.box) > 0:
                found.append((track, near))
        # A face belongs to the track that saw it last and stands nearest: one that passes before
        # another must not take that one's number.
        found.sort(key=lambda pair: (pair[0].missed, -overlap(pair[0].seen.box, pair[1].box)))
        followed: list[_Track] = []
        for track, near in found:
            if any(overlap(near.box, other.seen.box) >= TWINS for other in followed):
                continue
            if overlap(track.seen.box, near.box) < STEADY:
                self.jumped |= {track.track_id}
            self._see(track, near, frame, settings)
            followed.append(track)
        return followed

    def _search(self, frame: Frame, settings: DetectorSettings, followed: list[_Track]) -> None:
        """Look everywhere for new faces and for those that were not ``followed``."""
        low = settings.threshold * FOLLOWED_SHARE
        free = [track for track in self._tracks if track not in followed]
        new, doubtful = [], []
        for detection in self._detector.detect(frame.pixels, min(low, DOUBTFUL)):
            if _match(followed, detection) is not None:
                continue
            if detection.score < low or not _usable(detection):
                doubtful.append(detection.box)
                continue
            match = _match(free, detection)
            if match is not None:
                free.remove(match)
                self._see(match, self._closer(frame, detection, low), frame, settings)
            elif detection.score >= settings.threshold:
                new.append(self._closer(frame, detection, low))
            else:
                doubtful.append(detection.box)
        self._uncertain = tuple(doubtful)
        for detection in new:
            # A face that appears as another vanishes is that one after a cut or a quick movement.
            moved = min(free, key=lambda t: _distance(t.seen.box, detection.box), default=None)
            if moved is not None:
                free.remove(moved)
                self._see(moved, detection, frame, settings)
                self.jumped |= {moved.track_id}
            else:
                self._start(detection, frame, settings)
        for track in free:
            track.missed += 1

    def _entering(self, frame: Frame, strips: Sequence[Box]) -> tuple[Box, ...]:
        """Boxes of what may be parts of faces in the strips, and is no followed face."""
        found = []
        tall, wide = frame.pixels.shape[:2]
        for x, y, width, height in strips:
            left, top = int(x), int(y)
            part = frame.pixels[top : top + int(height), left : left + int(width)]
            size = round(NEARER * max(part.shape[:2]) / max(tall, wide))
            near = np.ascontiguousarray(part)
            for detection in self._detector.detect(near, ENTERING, size=max(size, 64)):
                box = (detection.box[0] + left, detection.box[1] + top, *detection.box[2:])
                inside = x <= box[0] + box[2] and box[0] + box[2] / 2 <= x + width
                known = any(overlap(box, t.seen.box) >= SAME_FACE for t in self._tracks)
                if inside and not known:
                    found.append(box)
        return tuple(found)

    def _watch_beside(self, frame: Frame, stirred: Callable[[Box], bool]) -> None:
        """Look for parts of faces beside those that are seen: half a face shows badly in a whole
        picture, and well where the face before it is cut off."""
        tall, wide = frame.pixels.shape[:2]
        kept: dict[tuple[int, int], int] = {}
        found = []
        for track in self._tracks:
            for side in (-1, 1):
                region = _beside(track.seen.box, side)
                left, top = max(0, round(region[0])), max(0, round(region[1]))
                right = min(wide, round(region[0] + region[2]))
                bottom = min(tall, round(region[1] + region[3]))
                if min(right - left, bottom - top) < LEAST_BESIDE_PX:
                    continue
                key = (track.track_id, side)
                frames = max(0, self._wary.get(key, 0) - 1)
                if not track.missed and stirred(region):
                    part = np.ascontiguousarray(frame.pixels[top:bottom, left:right])
                    parts = self._detector.detect(part, BESIDE, size=BESIDE_SIZE)
                    boxes = ((d.box[0] + left, d.box[1] + top, *d.box[2:]) for d in parts)
                    if any(
                        _level(box, track.seen.box) and not self._is_known(box) for box in boxes
                    ):
                        frames = WARY_FRAMES
                if frames:
                    kept[key] = frames
                    found.append(
                        (float(left), float(top), float(right - left), float(bottom - top))
                    )
        self._wary = kept
        self.beside = tuple(found)

    def _is_known(self, box: Box) -> bool:
        """Whether the middle of ``box`` lies in a face that is followed."""
        x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
        return any(
            left <= x <= left + width and top <= y <= top + height
            for left, top, width, height in self.boxes
        )

    def _closer(self, frame: Frame, detection: Detection, threshold: float) -> Detection:
        """The same face seen as in following: the two searches place landmarks a little apart."""
        closer = self._detector.detect_near(frame.pixels, detection.box, threshold)
        return detection if closer is None or not _usable(closer) else closer

    def _start(self, detection: Detection, frame: Frame, settings: DetectorSettings) -> None:
        number = next(self._ids)
        track = _Track(number, detection, _face(detection, number, detection.landmarks))
        self._tracks.append(track)
        self._see(track, detection, frame, settings)

    @staticmethod
    def _see(track: _Track, detection: Detection, frame: Frame, settings: DetectorSettings) -> None:
        landmarks = track.filter.step(
            detection.landmarks, detection.box[2], frame.captured_at, settings.smoothing
        )
        track.seen, track.missed = detection, 0
        track.face = _face(detection, track.track_id, landmarks)


def _face(detection: Detection, track_id: int, landmarks: Points) -> Face:
    return Face(detection.box, landmarks, detection.score, track_id)


def _match(tracks: list[_Track], detection: Detection) -> _Track | None:
    """The track whose face ``detection`` is."""
    best = max(tracks, key=lambda t: overlap(t.seen.box, detection.box), default=None)
    if best is None or overlap(best.seen.box, detection.box) < SAME_FACE:
        return None
    return best


def _usable(detection: Detection) -> bool:
    """Whether the landmarks are finite and span enough pixels to align the face by."""
    points = detection.landmarks
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    tall = math.hypot(*(mouth - eyes))
    return bool(np.isfinite(points).all()) and tall >= LEAST_FACE_PX


def _without_twins(tracks: list[_Track]) -> list[_Track]:
    """Of two tracks on one face the older stays, unless it is the one that was missed."""
    kept: list[_Track] = []
    for track in sorted(tracks, key=lambda t: (t.missed > 0, t.track_id)):
        if all(overlap(track.seen.box, other.seen.box) < TWINS for other in kept):
            kept.append(track)
    return kept


def _beside(box: Box, side: int) -> Box:
    """The place to the left (-1) or right (1) of a face, in which somebody behind it appears."""
    x, y, width, height = box
    left = x + 0.85 * width if side > 0 else x - 1.05 * width
    return (left, y - 0.4 * height, 1.2 * width, 1.7 * height)


def _level(box: Box, beside: Box) -> bool:
    """Whether a part of a face is about as high as the face before it: collars are lower."""
    middle = box[1] + box[3] / 2
    return beside[1] - 0.3 * beside[3] <= middle <= beside[1] + 0.95 * beside[3]


def _distance(a: Box, b: Box) -> float:
    """Pixels between the centres of two boxes."""
    return math.hypot(a[0] - b[0] + (a[2] - b[2]) / 2, a[1] - b[1] + (a[3] - b[3]) / 2)
