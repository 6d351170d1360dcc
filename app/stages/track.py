"""Finds faces now and then in the whole picture, and follows them in between."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Protocol

from app.frame import Face, Frame, Pixels, Points
from app.settings import DetectorSettings
from app.stages.smoothing import LandmarkFilter
from engines.detector import Box, Detection, overlap

FOLLOWED_SHARE = 0.7  # of the threshold is enough for a face that is already followed
PATIENCE = 3  # frames a followed face may be missed
SAME_FACE = 0.3  # overlap (IoU) from which two boxes are one face
TAKE_OVER = 1.5  # how much larger another face must be to become the largest


class FaceFinder(Protocol):
    """What tracking needs of ``engines.detector.Detector``."""

    def detect(self, picture: Pixels, threshold: float) -> list[Detection]:
        """All faces, best first."""

    def detect_near(self, picture: Pixels, box: Box, threshold: float) -> Detection | None:
        """The face about where ``box`` was."""


@dataclass
class _Track:
    track_id: int
    seen: Detection
    face: Face
    missed: int = 0
    filter: LandmarkFilter = field(default_factory=LandmarkFilter)


class Tracker:
    """Gives each frame's faces with stable ids and steady landmarks. Used by one thread."""

    def __init__(self, detector: FaceFinder) -> None:
        self._detector = detector
        self._ids = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget all faces: the next frame is searched whole."""
        self._tracks: list[_Track] = []
        self._since_search: int | None = None
        self._main: int | None = None

    def update(self, frame: Frame, settings: DetectorSettings) -> list[Face]:
        """The faces to swap in ``frame``, the main one first.

        Whole-picture searches run every ``settings.interval`` frames, at once while nothing is
        followed, and after a followed face was missed.
        """
        lost = any(track.missed for track in self._tracks)
        due = self._since_search is None or self._since_search + 1 >= settings.interval
        if due or lost or not self._tracks:
            self._since_search = 0
            self._search(frame, settings)
        else:
            self._since_search = (self._since_search or 0) + 1
            self._follow(frame, settings)
        self._tracks = [t for t in _without_twins(self._tracks) if t.missed <= PATIENCE]
        return self._chosen(settings)

    def _search(self, frame: Frame, settings: DetectorSettings) -> None:
        low = settings.threshold * FOLLOWED_SHARE
        found = self._detector.detect(frame.pixels, low)
        free = list(self._tracks)
        for detection in found:
            match = max(free, key=lambda t: overlap(t.seen.box, detection.box), default=None)
            if match is not None and overlap(match.seen.box, detection.box) >= SAME_FACE:
                free.remove(match)
                self._see(match, self._closer(frame, detection, low), frame, settings)
            elif detection.score >= settings.threshold:
                self._start(self._closer(frame, detection, low), frame, settings)
        for track in free:
            track.missed += 1

    def _closer(self, frame: Frame, detection: Detection, threshold: float) -> Detection:
        """The same face seen as in following: the two searches place landmarks a little apart."""
        closer = self._detector.detect_near(frame.pixels, detection.box, threshold)
        return detection if closer is None else closer

    def _follow(self, frame: Frame, settings: DetectorSettings) -> None:
        low = settings.threshold * FOLLOWED_SHARE
        for track in self._tracks:
            detection = self._detector.detect_near(frame.pixels, track.seen.box, low)
            if detection is None or overlap(track.seen.box, detection.box) <= 0:
                track.missed += 1
            else:
                self._see(track, detection, frame, settings)

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

    def _chosen(self, settings: DetectorSettings) -> list[Face]:
        by_size = sorted(self._tracks, key=lambda t: -area(t.seen.box))
        if not by_size:
            self._main = None
            return []
        main = next((t for t in by_size if t.track_id == self._main), by_size[0])
        if area(by_size[0].seen.box) > TAKE_OVER * area(main.seen.box):
            main = by_size[0]
        self._main = main.track_id
        if settings.faces == "largest":
            return [main.face]
        rest = [t.face for t in by_size if t is not main]
        return [main.face, *rest][: settings.max_faces]


def _face(detection: Detection, track_id: int, landmarks: Points) -> Face:
    return Face(detection.box, landmarks, detection.score, track_id)


def _without_twins(tracks: list[_Track]) -> list[_Track]:
    """Of two tracks on one face the older stays, unless it is the one that was missed."""
    kept: list[_Track] = []
    for track in sorted(tracks, key=lambda t: (t.missed > 0, t.track_id)):
        if all(overlap(track.seen.box, other.seen.box) < 0.5 for other in kept):
            kept.append(track)
    return kept


def area(box: Box) -> float:
    """Square pixels of (x, y, width, height)."""
    return box[2] * box[3]
