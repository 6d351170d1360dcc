"""While the swap is on the raw face is never in the output: lost, doubtful, failed, gone."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Pipeline, Processed
from app.provenance.mark_search import find_mark
from app.provenance.watermark import MOST
from app.settings import BadgeSettings, DetectorSettings, PrivacySettings, Settings, with_value
from app.stages.identity import Identity, Wishes
from app.stages.privacy import Reason, Showing
from app.timing import Timing
from engines.detector import Detection
from engines.swapper import SwapResult
from tests.helpers.fake_engines import FakeRecognizer, detection, fake_engines

SETTINGS = Settings(mirror=False, badge=BadgeSettings(enabled=False))
FACE = detection(200, 100, 120)


class Stage:
    """A pipeline on fake engines, fed with noise at 30 frames/s."""

    def __init__(
        self, settings: Settings = SETTINGS, recognizer: FakeRecognizer | None = None
    ) -> None:
        self.engines = replace(fake_engines([FACE]), recognizer=recognizer)  # type: ignore[arg-type]
        self.pipeline = Pipeline(self.engines, Timing())
        vector = np.eye(1, 128, dtype=np.float32)[0]
        self.identity = Identity("id", "Name", vector, self.engines.swapper.prepare(vector))
        self.settings = settings
        self.wishes = Wishes()
        self.index = 0
        self.noise = 64  # grey levels from frame to frame: parts of the picture never rest
        self.put: tuple[int, int] | None = None  # where a bright thing stands
        self.even = False  # the room's left is as its right

    def show(self, *faces: Detection) -> Processed:
        self.engines.detector.faces = list(faces)  # type: ignore[attr-defined]
        pixels = _noise(self.noise, self.index % 97).copy()
        if self.even:
            pixels[:, 320:] = pixels[:, 319::-1]
        if self.put is not None:
            pixels[self.put[1] :, self.put[0] : self.put[0] + 90] = 255
        frame = Frame(pixels, self.index, self.index / 30)
        self.index += 1
        return self.pipeline.process(frame, self.settings, self.identity, self.wishes)


@lru_cache(maxsize=128)
def _noise(levels: int, number: int) -> np.ndarray:
    """A fixed random room of 360 x 640 with ``levels`` of noise on it."""
    room = np.random.default_rng(0).integers(0, 257 - levels, (360, 640, 3), np.uint16)
    fine = np.random.default_rng(number).integers(0, max(levels, 1), room.shape, np.uint16)
    return (room + fine).astype(np.uint8)


def raw(done: Processed, face: Detection = FACE) -> float:
    """Share of the pixels in the middle of the face that are those of the input."""
    x, y, w, h = (round(value) for value in face.box)
    inside = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    same = (done.frame.pixels[inside] == done.before.pixels[inside]).all(axis=2)
    return float(same.mean())


def test_a_lost_face_is_held_then_blurred_then_hidden() -> None:
    stage = Stage()
    first = stage.show(FACE)
    assert first.showing is Showing.LIVE
    seen = [stage.show() for _ in range(300)]
    order = [done.showing for done in seen]
    assert set(order[:12]) == {Showing.HELD}
    assert set(order[13:100]) == {Showing.BLURRED}
    assert set(order[105:]) == {Showing.SLATE}  # noise moves: nothing proves that the face left
    assert max(raw(done) for done in seen) < 0.01
    held = seen[0].frame.pixels[150:180, 240:280].astype(int)
    assert np.abs(held - first.frame.pixels[150:180, 240:280]).max() == 0  # marked once, as it was


def test_a_room_that_rests_is_shown_and_hidden_again_when_something_moves() -> None:
    stage = Stage()
    stage.noise = 2
    stage.show(FACE)
    order = [stage.show().showing for _ in range(200)]
    assert order[0] is Showing.HELD
    assert order[-1] is Showing.LIVE
    assert order.index(Showing.LIVE) >= 29 * SETTINGS.privacy.empty_ms // 1000
    stage.put = (300, 100)  # something comes in that the detector does not see
    assert stage.show().showing is Showing.BLURRED
    strict = Stage(replace(SETTINGS, privacy=PrivacySettings(strict=True)))
    strict.noise = 2
    assert {strict.show().showing for _ in range(200)} == {Showing.SLATE}


def test_a_frozen_camera_proves_nothing() -> None:
    stage = Stage()
    stage.noise = 0
    assert [stage.show().showing for _ in range(300)][-1] is Showing.SLATE


def test_a_lost_face_that_moves_stays_hidden() -> None:
    stage = Stage()
    stage.show(FACE)
    for step in range(1, 60):
        done = stage.show()  # the detector sees nothing while the face walks a box in a second
        assert raw(done, detection(200 + 4 * step, 100, 120)) < 0.01


@pytest.mark.parametrize("score", [0.32, 0.41])
def test_a_doubtful_face_is_blurred(score: float) -> None:
    stage, doubtful = Stage(), detection(200, 100, 120, score)
    seen = [stage.show(doubtful) for _ in range(150)]
    assert [seen[0].showing, seen[-1].showing] == [Showing.BLURRED, Showing.SLATE]
    assert max(raw(done, doubtful) for done in seen) < 0.01


def test_a_face_whose_points_lie_beside_it_is_hidden_whole() -> None:
    """As in a far turn: the swap would be painted on forehead and nose, and leave the mouth."""
    stage = Stage()
    stage.show(FACE)
    real = detection(200, 100, 240)  # what a stretched look sees of it
    stage.engines.detector.stretched = real  # type: ignore[attr-defined]
    seen = [stage.show(FACE) for _ in range(40)]
    assert Showing.LIVE not in {done.showing for done in seen}
    assert max(raw(done, real) for done in seen) < 0.01
    assert max(done.swapped for done in seen) == 0
    stage.engines.detector.stretched = None  # type: ignore[attr-defined]
    assert [stage.show(FACE).swapped for _ in range(2)] == [1, 1]


def test_a_face_too_small_to_align_is_blurred() -> None:
    stage, tiny = Stage(), detection(300, 100, 6)
    done = stage.show(tiny)
    assert done.showing is Showing.BLURRED
    assert raw(done, tiny) < 0.2


@pytest.mark.parametrize("before", [0, 3])
def test_a_failing_swapper_never_shows_the_face(before: int) -> None:
    stage = Stage()
    for _ in range(before):
        stage.show(FACE)
    stage.engines.swapper.failure = EngineError("The GPU is gone.")  # type: ignore[attr-defined]
    moved = detection(235, 110, 120)  # so near that it is the same face
    seen = [stage.show(moved) for _ in range(120)]
    assert max(raw(done, moved) for done in seen) < 0.01
    assert seen[0].showing is (Showing.HELD if before else Showing.BLURRED)
    assert seen[-1].showing is Showing.SLATE
    stage.engines.swapper.failure = None  # type: ignore[attr-defined]
    assert stage.show(moved).showing is Showing.LIVE


def test_a_failing_detector_hides_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.show(FACE)

    def fail(*_: object, **__: object) -> None:
        raise EngineError("The detector is gone.")

    monkeypatch.setattr(stage.engines.detector, "detect_near", fail)
    monkeypatch.setattr(stage.engines.detector, "detect", fail)
    seen = [stage.show(FACE) for _ in range(120)]
    for x in (60, 200, 440):
        assert max(raw(done, detection(x, 100, 120)) for done in seen) < 0.01
    assert seen[-1].showing is Showing.SLATE


def test_a_search_that_fails_after_the_frame_hides_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(replace(SETTINGS, detector=DetectorSettings(interval=4)))
    stage.wishes = Wishes(patient=True)
    for _ in range(4):
        assert stage.show(FACE).showing is Showing.LIVE
        stage.pipeline.catch_up()

    def fail(*_: object, **__: object) -> None:
        raise EngineError("The detector is gone.")

    assert stage.show(FACE).showing is Showing.LIVE
    monkeypatch.setattr(stage.engines.detector, "detect", fail)
    stage.pipeline.catch_up()
    done = stage.show(FACE)
    assert done.showing is Showing.BLURRED
    assert raw(done) < 0.01


def test_a_performer_is_not_shown_when_somebody_larger_comes() -> None:
    stage, larger = Stage(), detection(380, 60, 220)
    stage.show(FACE)
    done = [stage.show(FACE, larger) for _ in range(150)][-1]
    assert (done.swapped, raw(done) < 0.01) == (1, True)


def test_faces_beyond_the_most_are_blurred_where_all_are_swapped() -> None:
    detector = DetectorSettings(faces="all", max_faces=1)
    stage = Stage(Settings(mirror=False, detector=detector))
    other = detection(400, 120, 90)
    done = stage.show(FACE, other)
    assert (done.swapped, done.showing) == (1, Showing.BLURRED)
    assert raw(done, other) < 0.01


def test_a_lost_face_is_not_bared_by_turning_the_output() -> None:
    stage = Stage()
    stage.noise = 4
    stage.even = True  # so that nothing but the setting tells that it was turned
    left, right = detection(20, 100, 100), detection(520, 100, 100)
    stage.show(left)
    assert stage.show().showing is Showing.HELD
    stage.settings = with_value(SETTINGS, "outputs.mirror", True)
    assert raw(stage.show(), right) < 0.01  # the place that is hidden has moved with the picture


def test_the_real_face_is_shown_only_where_that_is_wished() -> None:
    stage = Stage(Settings(mirror=False, swap=False))
    paused = stage.show(FACE)
    assert (paused.showing, paused.reason) == (Showing.SLATE, Reason.PAUSED)
    stage.wishes = Wishes(real_face=True)
    bypassed = stage.show(FACE)
    assert (bypassed.showing, raw(bypassed)) == (Showing.BYPASS, 1.0)
    stage.settings = SETTINGS
    assert stage.show(FACE).showing is Showing.LIVE  # the wish is about the swap being off
    stage.identity = None  # type: ignore[assignment]
    done = stage.show(FACE)
    assert (done.showing, done.reason) == (Showing.SLATE, Reason.NO_SOURCE)
    assert raw(done) < 0.01


@pytest.mark.parametrize("reason", ["paused", "lost"])
def test_slates_are_marked_and_badged(reason: str) -> None:
    stage = Stage(Settings(mirror=False, swap=reason != "paused"))
    seen = [stage.show() for _ in range(120)]
    assert seen[-1].showing is Showing.SLATE
    assert find_mark([seen[-1].frame.pixels]).marked
    plain = Stage(Settings(mirror=False, swap=False, badge=BadgeSettings(enabled=False))).show()
    corner = np.s_[300:, 560:]
    badge = np.abs(seen[-1].frame.pixels[corner].astype(int) - plain.frame.pixels[corner])
    assert badge.max() > 10 * MOST


def test_a_swapper_that_gives_the_face_back_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    monkeypatch.setattr(stage.engines.swapper, "swap", lambda crop, _: SwapResult(crop, None))
    seen = [stage.show(FACE) for _ in range(120)]
    assert max(raw(done) for done in seen) < 0.01
    assert seen[-1].reason is Reason.FAILED


@pytest.mark.parametrize("value", [0, 20])
def test_a_mask_of_nothing_is_not_trusted(monkeypatch: pytest.MonkeyPatch, value: int) -> None:
    stage = Stage()
    mask = np.full((128, 128), value, np.uint8)
    painted = np.full((128, 128, 3), 60, np.uint8)
    monkeypatch.setattr(stage.engines.swapper, "swap", lambda crop, _: SwapResult(painted, mask))
    assert max(raw(stage.show(FACE)) for _ in range(120)) < 0.01


@pytest.mark.parametrize("fault", [ValueError("odd"), ZeroDivisionError(), cv2.error("size")])
def test_any_stage_that_throws_hides_the_face(fault: Exception) -> None:
    stage = Stage()
    stage.show(FACE)
    stage.engines.swapper.failure = fault  # type: ignore[attr-defined]
    moved = detection(260, 120, 120)
    seen = [stage.show(moved) for _ in range(120)]
    assert max(raw(done, moved) for done in seen) < 0.01
    assert (seen[-1].showing, seen[-1].reason) == (Showing.SLATE, Reason.FAILED)


def test_a_bug_ends_the_run_and_no_frame_leaves() -> None:
    stage = Stage()
    stage.engines.swapper.failure = KeyError("a bug")  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        stage.show(FACE)


def test_a_turned_face_is_hidden() -> None:
    stage = Stage()
    turned = detection(200, 100, 120)
    centre = turned.landmarks[:, 0].mean()
    narrow = turned.landmarks.copy()
    narrow[:, 0] = centre + 0.3 * (narrow[:, 0] - centre)
    profile = Detection(turned.box, narrow, 0.9)
    seen = [stage.show(profile) for _ in range(120)]
    assert max(raw(done) for done in seen) < 0.01
    assert (seen[0].showing, seen[-1].showing) == (Showing.BLURRED, Showing.SLATE)


def test_other_people_are_blurred_or_left_alone() -> None:
    other = detection(400, 120, 90)
    stage = Stage()
    seen = [stage.show(FACE, other) for _ in range(3)]
    assert {(done.swapped, done.showing) for done in seen} == {(1, Showing.LIVE)}
    assert max(raw(done, other) for done in seen) < 0.01
    vanished = stage.show(FACE)  # the detector loses the other one, who is still there
    assert raw(vanished, other) < 0.01
    alone = Stage(replace(SETTINGS, privacy=PrivacySettings(others="left alone")))
    assert raw(alone.show(FACE, other), other) > 0.3  # all but what the mark changed


def test_a_newcomer_does_not_show_the_one_who_was_lost() -> None:
    stage = Stage()
    stage.show(FACE)
    for _ in range(30):
        done = stage.show(detection(460, 120, 130))
        assert (done.swapped, raw(done) < 0.01) == (1, True)


def test_half_a_face_beside_the_swapped_one_is_hidden_and_the_swap_is_not() -> None:
    stage = Stage()
    plain = stage.show(FACE)
    stage.engines.detector.partly = True  # type: ignore[attr-defined]
    done = stage.show(FACE, detection(10, 60, 60, 0.25))
    beside = detection(330, 100, 60)
    assert (raw(plain, beside) > 0.3, raw(done, beside) < 0.01) == (True, True)
    assert (done.swapped, done.showing) == (1, Showing.LIVE)
    assert raw(done) < 0.01


class Unsure(FakeRecognizer):
    """Recognises nobody."""

    def embed(self, crop: np.ndarray) -> np.ndarray:
        raise EngineError("Too dark to say.")


def test_who_may_be_the_lost_performer_is_not_left_alone() -> None:
    """Others are left alone by choice; a face nobody can recognise yet may be the performer's."""
    alone = replace(SETTINGS, privacy=PrivacySettings(others="left alone"))
    larger, small = detection(380, 60, 220), detection(612, 320, 22)
    stage = Stage(alone, Unsure())
    stage.show(larger)
    assert raw(stage.show(larger, small), small) > 0.2  # nobody is lost
    stage = Stage(alone, Unsure())
    stage.show(FACE)
    for _ in range(110):
        stage.show(larger)
    assert raw(stage.show(larger, small), small) < 0.01


def test_the_picture_changes_its_size() -> None:
    stage = Stage()
    stage.show(FACE)
    stage.engines.detector.faces = []  # type: ignore[attr-defined]
    noise = np.random.default_rng(1).integers(0, 256, (480, 854, 3), np.uint8)
    frame = Frame(noise, 1, 1 / 30)
    done = stage.pipeline.process(frame, SETTINGS, stage.identity)
    assert (done.showing, done.frame.pixels.shape) == (Showing.BLURRED, (480, 854, 3))
    assert max(raw(done, detection(x, 150, 120)) for x in (50, 300, 600)) < 0.01
