"""The chain with fake networks: what is swapped, what is left, what is marked."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.errors import EngineError
from app.frame import Frame
from app.pipeline import Pipeline
from app.provenance.mark_search import find_mark
from app.provenance.watermark import MOST
from app.settings import (
    BadgeSettings,
    ColorSettings,
    DetectorSettings,
    MaskSettings,
    OutputSettings,
    Settings,
)
from app.stages.identity import Identity, Wishes
from app.stages.privacy import Showing
from app.timing import Timing
from engines.detector import Detection
from engines.loading import Engines
from engines.reserve import Reserve
from tests.helpers.fake_engines import PAINT, detection, fake_engines
from tests.helpers.fake_occluder import FakeOccluder, parts

SETTINGS = Settings(mirror=False, color=ColorSettings(match=0.0))
NO_BADGE = BadgeSettings(enabled=False)


def _frame(index: int = 0) -> Frame:
    rng = np.random.default_rng(7)
    return Frame(rng.integers(0, 256, (360, 640, 3), np.uint8), index, index / 30)


def _identity(engines: Engines) -> Identity:
    vector = np.eye(1, 128, dtype=np.float32)[0]
    return Identity("id", "Name", vector, engines.swapper.prepare(vector))


def test_the_face_is_replaced_and_the_rest_is_kept() -> None:
    engines = fake_engines([detection(200, 100, 120)])
    settings = Settings(mirror=False, color=ColorSettings(match=0.0), badge=NO_BADGE)
    frame = _frame()
    done = Pipeline(engines, Timing()).process(frame, settings, _identity(engines))
    assert done.swapped == 1
    centre = done.frame.pixels[160, 260].astype(int)
    assert np.abs(centre - PAINT).max() <= 1 + MOST
    difference = np.abs(done.frame.pixels.astype(int) - frame.pixels)
    assert difference[:, :150].max() <= MOST  # the invisible mark
    assert difference[300:].max() <= MOST
    assert np.array_equal(done.before.pixels, frame.pixels)
    assert (done.frame.index, done.frame.captured_at) == (frame.index, frame.captured_at)


def test_the_badge_is_there_while_swapping_and_not_otherwise() -> None:
    engines = fake_engines()
    pipeline, frame = Pipeline(engines, Timing()), _frame()
    on = pipeline.process(frame, SETTINGS, _identity(engines))
    corner = np.abs(on.frame.pixels[300:, 560:].astype(int) - frame.pixels[300:, 560:])
    assert corner.max() > 10 * MOST
    off = pipeline.process(
        frame, Settings(mirror=False, swap=False), _identity(engines), Wishes(real_face=True)
    )
    assert off.frame is frame
    nobody = Pipeline(engines, Timing(), guarded=False).process(frame, SETTINGS, None)
    assert nobody.frame is frame


def test_mirroring_turns_the_picture_but_not_the_badge() -> None:
    mirrored = Settings(outputs=OutputSettings(mirror=True))
    engines = fake_engines()
    frame = _frame()
    done = Pipeline(engines, Timing(), guarded=False).process(frame, mirrored, _identity(engines))
    assert np.array_equal(done.before.pixels, frame.pixels[:, ::-1])
    plain = Pipeline(engines, Timing(), guarded=False).process(
        done.before, SETTINGS, _identity(engines)
    )
    assert np.array_equal(done.frame.pixels, plain.frame.pixels)


def test_several_faces() -> None:
    faces = [detection(50, 100, 90), detection(300, 120, 100), detection(480, 100, 80)]
    engines = fake_engines(faces)
    settings = Settings(
        mirror=False, color=ColorSettings(match=0), detector=DetectorSettings(faces="all")
    )
    done = Pipeline(engines, Timing()).process(_frame(), settings, _identity(engines))
    assert done.swapped == 3
    for face in faces:
        x, y = (round(v + face.box[2] / 2) for v in face.box[:2])
        assert np.abs(done.frame.pixels[y, x].astype(int) - PAINT).max() <= 1 + MOST


def test_a_failing_swapper_is_not_hidden() -> None:
    engines = fake_engines([detection(200, 100, 120)])
    engines.swapper.failure = EngineError("The GPU is gone.")  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="gone"):
        Pipeline(engines, Timing(), guarded=False).process(_frame(), SETTINGS, _identity(engines))


def test_every_stage_is_timed() -> None:
    engines, timing = fake_engines([detection(200, 100, 120)]), Timing()
    settings = Settings()
    Pipeline(engines, timing).process(_frame(), settings, _identity(engines))
    stages = set(timing.report().stages_ms)
    assert stages == {
        *("watch", "detect", "recognise", "align", "swap", "mask", "color", "composite"),
        *("badge", "mark"),
    }


def test_what_covers_a_face_stays_unless_that_is_switched_off() -> None:
    half = np.zeros((128, 128), np.uint8)
    half[:, :64] = 255
    network = FakeOccluder(parts(half))
    engines = replace(fake_engines([detection(200, 100, 120)]), occluder=network)  # type: ignore[arg-type]
    frame = _frame()
    settings = replace(SETTINGS, badge=NO_BADGE, mask=MaskSettings(occluder=True))
    timing = Timing()
    done = Pipeline(engines, timing).process(frame, settings, _identity(engines))
    changed = np.abs(done.frame.pixels.astype(int) - frame.pixels).max(2) > MOST
    assert changed[160, 240:258].all()
    assert not changed[:, 264:].any()
    assert "occlude" in timing.report().stages_ms
    off = replace(settings, mask=MaskSettings(occluder=False))
    done = Pipeline(engines, timing).process(frame, off, _identity(engines))
    assert (np.abs(done.frame.pixels.astype(int) - frame.pixels).max(2) > MOST)[160, 270]
    assert len(network.crops) == 1


def test_a_hand_over_most_of_the_face_is_no_failure() -> None:
    little = np.zeros((128, 128), np.uint8)
    little[:, :50] = 255  # more than is disbelieved, less than a swap must cover
    engines = replace(
        fake_engines([detection(200, 100, 120)]),
        occluder=FakeOccluder(parts(little)),  # type: ignore[arg-type]
    )
    settings = replace(SETTINGS, mask=MaskSettings(occluder=True))
    done = Pipeline(engines, Timing()).process(_frame(), settings, _identity(engines))
    assert (done.showing, done.swapped) == (Showing.LIVE, 1)


def test_the_input_is_never_written() -> None:
    engines = fake_engines([detection(200, 100, 120)])
    frame = _frame()
    copy = frame.pixels.copy()
    Pipeline(engines, Timing()).process(frame, SETTINGS, _identity(engines))
    assert np.array_equal(frame.pixels, copy)


@pytest.mark.parametrize("faces", [[], [detection(200, 100, 120)]])
def test_every_frame_is_marked_badge_or_not_while_swapping(faces: list[Detection]) -> None:
    engines = fake_engines(faces)
    settings = Settings(badge=NO_BADGE)
    smooth = np.asarray(cv2.GaussianBlur(_frame().pixels, (0, 0), 2), np.uint8)
    done = Pipeline(engines, Timing()).process(Frame(smooth, 0, 0.0), settings, _identity(engines))
    assert done.showing is (Showing.LIVE if faces else Showing.BLURRED)
    assert find_mark([done.frame.pixels]).marked
    assert not find_mark([done.before.pixels]).marked


def test_the_occluder_is_opened_when_it_is_wanted_and_the_picture_goes_on() -> None:
    may, opened = threading.Event(), threading.Event()
    half = np.zeros((128, 128), np.uint8)
    half[:, :64] = 255

    def open_it() -> FakeOccluder:
        assert may.wait(20)
        opened.set()
        return FakeOccluder(parts(half))

    reserve = Reserve("occluder", open_it)
    engines = replace(fake_engines([detection(200, 100, 120)]), reserve=reserve)  # type: ignore[arg-type]
    pipeline, frame, identity = Pipeline(engines, Timing()), _frame(), _identity(engines)
    settings = replace(SETTINGS, badge=NO_BADGE, mask=MaskSettings(occluder=True))
    plain = pipeline.process(frame, settings, identity)
    assert plain.swapped == 1  # it is not there yet
    may.set()
    assert opened.wait(20)
    assert reserve._opening is not None
    reserve._opening.result(20)
    spared = pipeline.process(frame, settings, identity)
    beside = [
        np.abs(done.frame.pixels[:, 264:].astype(int) - frame.pixels[:, 264:])
        for done in (plain, spared)
    ]
    assert beside[0].max() > MOST
    assert beside[1].max() <= MOST
    engines.close()
