"""While the swap is on the raw face is never in the output: lost, doubtful, failed, gone."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Pipeline, Processed
from app.settings import BadgeSettings, DetectorSettings, Settings
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from engines.detector import Detection
from tests.helpers.fake_engines import detection, fake_engines

SETTINGS = Settings(mirror=False, badge=BadgeSettings(enabled=False))
MARKED = 8  # grey levels, more than the invisible mark changes
FACE = detection(200, 100, 120)


class Stage:
    """A pipeline on fake engines, fed with noise at 30 frames/s."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.engines = fake_engines([FACE])
        self.pipeline = Pipeline(self.engines, Timing())
        vector = np.eye(1, 128, dtype=np.float32)[0]
        self.identity = Identity("id", "Name", vector, self.engines.swapper.prepare(vector))
        self.settings = settings
        self.index = 0

    def show(self, *faces: Detection) -> Processed:
        self.engines.detector.faces = list(faces)  # type: ignore[attr-defined]
        rng = np.random.default_rng(self.index)
        pixels = rng.integers(0, 256, (360, 640, 3), np.uint8)
        frame = Frame(pixels, self.index, self.index / 30)
        self.index += 1
        return self.pipeline.process(frame, self.settings, self.identity)


def raw(done: Processed, face: Detection = FACE) -> float:
    """Share of the pixels in the middle of the face that are the input's, but for the mark."""
    x, y, w, h = (round(value) for value in face.box)
    inside = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    apart = np.abs(done.frame.pixels[inside].astype(int) - done.before.pixels[inside])
    same = (apart <= MARKED).all(axis=2)
    return float(same.mean())


def test_a_lost_face_is_held_then_blurred_and_an_empty_room_is_live() -> None:
    stage = Stage()
    first = stage.show(FACE)
    assert first.showing is Showing.LIVE
    seen = [stage.show() for _ in range(120)]
    order = [done.showing for done in seen]
    assert order[0] is Showing.HELD
    assert set(order[:12]) == {Showing.HELD}
    assert set(order[13:100]) == {Showing.BLURRED}
    assert order[-1] is Showing.LIVE
    hidden = [done for done in seen if done.showing is not Showing.LIVE]
    assert max(raw(done) for done in hidden) < 0.01
    held = seen[0].frame.pixels[150:180, 240:280]
    assert np.abs(held.astype(int) - first.frame.pixels[150:180, 240:280]).max() <= MARKED
    assert raw(seen[-1]) == 1


def test_a_lost_face_that_moves_stays_hidden() -> None:
    stage = Stage()
    stage.show(FACE)
    for step in range(1, 60):
        done = stage.show()  # the detector sees nothing while the face walks a box in a second
        assert raw(done, detection(200 + 4 * step, 100, 120)) < 0.01


@pytest.mark.parametrize("score", [0.32, 0.41])
def test_a_doubtful_face_is_blurred(score: float) -> None:
    stage, doubtful = Stage(), detection(200, 100, 120, score)
    for done in [stage.show(doubtful) for _ in range(150)]:
        assert done.showing is Showing.BLURRED
        assert raw(done, doubtful) < 0.01


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
    moved = detection(260, 120, 120)
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


def test_a_performer_is_not_shown_when_somebody_larger_comes() -> None:
    stage, larger = Stage(), detection(430, 60, 200)
    stage.show(FACE)
    done = [stage.show(FACE, larger) for _ in range(150)][-1]
    assert (done.swapped, done.showing) == (1, Showing.BLURRED)
    assert raw(done) < 0.01


def test_faces_beyond_the_most_are_blurred_where_all_are_swapped() -> None:
    detector = DetectorSettings(faces="all", max_faces=1)
    stage = Stage(Settings(mirror=False, detector=detector))
    other = detection(400, 120, 90)
    done = stage.show(FACE, other)
    assert (done.swapped, done.showing) == (1, Showing.BLURRED)
    assert raw(done, other) < 0.01


def test_switched_off_is_a_bypass_and_no_identity_a_slate() -> None:
    stage = Stage(Settings(mirror=False, swap=False))
    assert stage.show(FACE).showing is Showing.BYPASS
    stage.settings, stage.identity = SETTINGS, None  # type: ignore[assignment]
    done = stage.show(FACE)
    assert (done.showing, raw(done) < 0.01) == (Showing.SLATE, True)
