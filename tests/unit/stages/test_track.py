"""Tracking: when to search, stable ids, hysteresis, patience, smoothing, choice of face."""

from __future__ import annotations

import numpy as np
import pytest

from app.frame import Frame
from app.settings import DetectorSettings
from app.stages.smoothing import LandmarkFilter
from app.stages.track import PATIENCE, Tracker
from engines.detector import Detection
from tests.helpers.fake_engines import FakeDetector, detection

PIXELS = np.zeros((480, 640, 3), np.uint8)
RAW = DetectorSettings(smoothing=0.0)


def _frame(index: int) -> Frame:
    return Frame(PIXELS, index, 100 + index / 30)


def _run(tracker: Tracker, frames: range, settings: DetectorSettings = RAW) -> list[list[int]]:
    return [[f.track_id for f in tracker.update(_frame(n), settings)] for n in frames]


def test_searches_now_and_then_and_follows_between() -> None:
    detector = FakeDetector([detection(100, 100, 80)])
    tracker = Tracker(detector)
    assert _run(tracker, range(8), DetectorSettings(interval=4)) == [[1]] * 8
    assert detector.calls == ["search", *["near"] * 5, "search", *["near"] * 3]


def test_searches_every_frame_while_nothing_is_there() -> None:
    detector = FakeDetector()
    assert _run(Tracker(detector), range(3)) == [[]] * 3
    assert detector.calls == ["search"] * 3


def test_a_missed_face_is_held_for_a_moment_then_dropped() -> None:
    detector = FakeDetector([detection(100, 100, 80)])
    tracker = Tracker(detector)
    _run(tracker, range(2))
    detector.faces = []
    ids = _run(tracker, range(2, 4 + PATIENCE))
    assert ids == [[1]] * PATIENCE + [[]] * 2
    detector.faces = [detection(100, 100, 80)]
    assert _run(tracker, range(20, 21)) == [[2]]


def test_a_followed_face_may_score_lower_but_a_new_one_may_not() -> None:
    detector = FakeDetector([detection(100, 100, 80, 0.5)])
    tracker = Tracker(detector)
    assert _run(tracker, range(1)) == [[]]
    detector.faces = [detection(100, 100, 80, 0.7)]
    assert _run(tracker, range(1, 2)) == [[1]]
    detector.faces = [detection(100, 100, 80, 0.5)]
    assert _run(tracker, range(2, 30)) == [[1]] * 28


def test_ids_stay_with_their_faces() -> None:
    detector = FakeDetector()
    tracker = Tracker(detector)
    settings = DetectorSettings(faces="all", interval=1, smoothing=0.0)
    for n in range(40):
        detector.faces = [
            detection(10 + 4 * n, 50, 90, 0.8 + 0.1 * (n % 2)),
            detection(400, 60 + 3 * n, 80, 0.9 - 0.1 * (n % 2)),
        ]
        faces = {f.track_id: f.box for f in tracker.update(_frame(n), settings)}
        assert faces[min(faces)][0] in (10 + 4 * n, 400)
        assert len(faces) == 2
        assert set(faces) == {1, 2}


def test_a_search_may_be_asked_for() -> None:
    detector = FakeDetector([detection(100, 100, 80)])
    tracker = Tracker(detector)
    _run(tracker, range(2))
    detector.faces.append(detection(400, 100, 80))
    assert len(tracker.update(_frame(2), RAW)) == 1
    assert len(tracker.update(_frame(3), RAW, search=True)) == 2


def test_a_patient_search_comes_after_the_frame_or_with_the_next_one() -> None:
    """Of the same frame, and no later than one frame late where nobody calls for it."""
    detector, settings = FakeDetector([detection(100, 100, 80)]), DetectorSettings(interval=4)
    for called in (True, False):
        tracker = Tracker(detector)
        detector.faces = [detection(100, 100, 80)]
        for n in range(4):
            tracker.update(_frame(n), settings, patient=True)
        detector.faces.append(detection(400, 100, 80))
        detector.calls.clear()
        assert len(tracker.update(_frame(4), settings, patient=True)) == 1
        assert detector.calls == ["near"]
        if called:
            tracker.catch_up(_frame(4), settings)
            assert detector.calls[:2] == ["near", "search"]
            tracker.catch_up(_frame(4), settings)
            assert detector.calls.count("search") == 1
        assert len(tracker.update(_frame(5), settings, patient=True)) == 2
        assert detector.calls.count("search") == 1


def test_a_patient_search_does_not_wait_where_a_face_is_missed() -> None:
    detector = FakeDetector([detection(100, 100, 80)])
    tracker = Tracker(detector)
    for n in range(4):
        tracker.update(_frame(n), DetectorSettings(interval=4), patient=True)
    detector.faces = []
    detector.calls.clear()
    tracker.update(_frame(4), DetectorSettings(interval=4), patient=True)
    assert detector.calls == ["near", "search"]


def test_a_part_of_a_face_at_the_edge_is_doubtful() -> None:
    detector = FakeDetector([detection(-40, 100, 80, 0.2)])
    tracker = Tracker(detector)
    tracker.update(_frame(0), RAW)
    assert tracker.doubtful == ()
    detector.partly = True
    tracker.update(_frame(1), RAW, strips=[(0.0, 0.0, 160.0, 480.0)])
    assert tracker.doubtful == ((-40, 100, 80, 80),)
    tracker.update(_frame(2), RAW)
    assert tracker.doubtful == ()


def test_a_part_of_a_face_that_comes_out_beside_another_is_watched() -> None:
    detector = FakeDetector([detection(200, 100, 100)])
    detector.partly = True
    tracker = Tracker(detector)
    tracker.update(_frame(0), RAW)
    part = detection(30, 50, 40, 0.25)  # in pixels of the place that is looked at
    detector.faces.append(part)
    tracker.update(_frame(1), RAW, stirred=lambda box: False)
    assert tracker.beside == ()
    tracker.update(_frame(2), RAW, stirred=lambda box: box[0] > 250)
    ((left, top, width, height),) = tracker.beside
    assert left <= 300 <= left + 30 < left + width
    assert top <= 100 < 200 <= top + height
    detector.faces.remove(part)
    for n in range(3, 10):
        tracker.update(_frame(n), RAW, stirred=lambda box: True)
        assert len(tracker.beside) == 1
    tracker.update(_frame(10), RAW, stirred=lambda box: True)
    assert tracker.beside == ()
    detector.faces.append(part)
    tracker.update(_frame(10), RAW, stirred=lambda box: True)
    assert tracker.beside
    tracker.update(_frame(10), RAW)  # others are left alone from now on
    assert tracker.beside == ()
    detector.faces.remove(part)
    detector.faces.append(detection(30, 230, 20, 0.25))  # a collar, not a face beside a face
    tracker.update(_frame(11), RAW, stirred=lambda box: True)
    assert tracker.beside == ()


def test_two_tracks_on_one_face_become_one() -> None:
    detector = FakeDetector([detection(50, 50, 100), detection(200, 50, 100)])
    tracker = Tracker(detector)
    settings = DetectorSettings(faces="all", interval=30, smoothing=0.0)
    assert _run(tracker, range(1), settings) == [[1, 2]]
    detector.faces = [detection(140, 50, 100)]
    assert len(_run(tracker, range(1, 6), settings)[-1]) == 1


def test_who_passes_before_another_keeps_its_number() -> None:
    """Two faces cross; the one that is covered is missed, not found again on the other."""
    detector = FakeDetector([detection(200, 50, 100), detection(0, 50, 100)])
    tracker = Tracker(detector)
    settings = DetectorSettings(faces="all", interval=30, smoothing=0.0)
    _run(tracker, range(1), settings)
    passing = next(track for track in tracker.boxes if track[0] == 0)
    number = next(f.track_id for f in tracker.update(_frame(1), settings) if f.box == passing)
    for n, x in enumerate(range(20, 300, 20)):
        covered = abs(x - 200) < 60
        detector.faces = [detection(x, 50, 100)] + ([] if covered else [detection(200, 50, 100)])
        faces = tracker.update(_frame(2 + n), settings)
        front = next(f for f in faces if f.box == detector.faces[0].box)
        assert front.track_id == number


def test_reset_forgets() -> None:
    tracker = Tracker(FakeDetector([detection(100, 100, 80)]))
    _run(tracker, range(2))
    tracker.reset()
    assert _run(tracker, range(2, 3)) == [[2]]


def test_smoothing_calms_noise_and_keeps_up() -> None:
    rng = np.random.default_rng(0)
    base = detection(100, 100, 100).landmarks
    calm = LandmarkFilter()
    out = [
        calm.step(base + rng.normal(0, 1, (5, 2)).astype(np.float32), 100, n / 30, 0.8)
        for n in range(90)
    ]
    assert np.std(out[30:], axis=0).mean() < 0.5
    moving = LandmarkFilter()
    for n in range(60):
        last = base + np.float32(4 * n)  # 1.2 face widths a second
        result = moving.step(last, 100, n / 30, 0.5)
    assert float(np.abs(result - last).max()) < 6


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
def test_a_jump_is_taken_at_once(smoothing: float) -> None:
    points = detection(100, 100, 100).landmarks
    smooth = LandmarkFilter()
    smooth.step(points, 100, 0.0, smoothing)
    assert np.array_equal(smooth.step(points + 50, 100, 0.03, smoothing), points + 50)


def test_time_that_stands_or_runs_back_is_survived() -> None:
    points = detection(100, 100, 100).landmarks
    smooth = LandmarkFilter()
    for at in (5.0, 5.0, 4.0, 400.0):
        assert np.isfinite(smooth.step(points, 100, at, 0.5)).all()


def test_a_cut_is_followed_in_the_same_frame_and_leaves_no_ghost() -> None:
    detector = FakeDetector([detection(20, 20, 80)])
    tracker = Tracker(detector)
    settings = DetectorSettings(interval=30, smoothing=0.9)
    _run(tracker, range(3), settings)
    detector.faces = [detection(400, 250, 120)]
    faces = tracker.update(_frame(3), settings)
    assert [face.track_id for face in faces] == [1]
    assert np.array_equal(faces[0].landmarks, detector.faces[0].landmarks)
    assert detector.calls == ["search", *["near"] * 4, "search", "near"]


def test_a_newcomer_does_not_take_a_followed_faces_id() -> None:
    detector = FakeDetector([detection(20, 20, 80)])
    tracker = Tracker(detector)
    settings = DetectorSettings(faces="all", interval=1, smoothing=0.0)
    _run(tracker, range(2), settings)
    detector.faces = [detection(22, 20, 80), detection(400, 250, 120)]
    faces = {f.track_id: f.box[0] for f in tracker.update(_frame(2), settings)}
    assert faces == {1: 22, 2: 400}


def test_landmarks_that_are_no_face_are_left_out() -> None:
    good = detection(20, 20, 80)
    broken = [
        Detection(good.box, np.full((5, 2), np.nan, np.float32), 0.9),
        Detection((300, 20, 80, 80), np.full((5, 2), 330, np.float32), 0.9),
        detection(500, 400, 4),
    ]
    detector = FakeDetector(broken)
    tracker = Tracker(detector)
    settings = DetectorSettings(faces="all", interval=30)
    assert _run(tracker, range(1), settings) == [[]]
    detector.faces = [*broken, good]
    assert _run(tracker, range(1, 3), settings) == [[1]] * 2
    detector.faces = broken
    assert _run(tracker, range(3, 4), settings) == [[1]]


def test_a_face_only_seen_from_near_is_kept() -> None:
    class NearOnly(FakeDetector):
        def detect(
            self, picture: np.ndarray, threshold: float, *, size: int = 320, max_faces: int = 16
        ) -> list[Detection]:
            found = super().detect(picture, threshold)
            return found if self.calls == ["search"] else []

    tracker = Tracker(NearOnly([detection(20, 20, 40)]))
    assert _run(tracker, range(20), DetectorSettings(interval=2)) == [[1]] * 20
