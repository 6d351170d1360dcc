"""Clocks that jump: the frames' own, and the wall clock, on which nothing live may depend."""

from __future__ import annotations

import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.frame import Frame
from app.pipeline import Pipeline
from app.settings import BadgeSettings, ColorSettings, Settings
from app.sinks.recorder import MOST_REPEATS_S, Recorder
from app.stages.identity import Identity
from app.stages.privacy import Showing
from app.timing import Timing
from tests.helpers.fake_engines import PAINT, detection, fake_engines
from tests.helpers.fakes import picture


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("jump_s", [-86_400.0, -60.0, 60.0, 86_400.0])
def test_a_recording_goes_on_after_a_jump(tmp_path: Path, jump_s: float) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, live=True)
    for index in range(60):
        at_s = 1e6 + index / 30 + (jump_s if index >= 30 else 0.0)
        recorder.write(Frame(picture(), index, at_s))
    recorder.close()
    assert frames_in(tmp_path / "a.mp4") == 60


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12))
def test_no_time_makes_a_recording_fail_or_grow_without_end(
    tmp_path_factory: pytest.TempPathFactory, times: list[float]
) -> None:
    path = tmp_path_factory.mktemp("clock") / "a.mp4"
    recorder = Recorder(path, 16, 16, 10, live=True)
    for index, at_s in enumerate(times):
        recorder.write(Frame(picture(16, 16), index, at_s))
    assert recorder.seconds <= len(times) * (MOST_REPEATS_S + 1)
    recorder.close()
    assert frames_in(path) >= 1


@pytest.mark.parametrize("jump_s", [-3600.0, -0.1, 0.0, 3600.0])
def test_a_jump_while_a_face_is_lost_never_shows_it(jump_s: float) -> None:
    face = detection(200, 100, 120)
    engines = fake_engines([face])
    vector = picture(8, 8).astype("float32").ravel()[:128]
    identity = Identity("id", "Name", vector, engines.swapper.prepare(vector))
    pipeline = Pipeline(engines, Timing())
    choice = Settings(
        mirror=False, badge=BadgeSettings(enabled=False), color=ColorSettings(match=0.0)
    )
    clear = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    for index in range(40):
        engines.detector.faces = [face] if index < 5 else []  # type: ignore[attr-defined]
        at_s = 5000 + index / 30 + (jump_s if index >= 8 else 0.0)
        done = pipeline.process(Frame(clear.copy(), index, at_s), choice, identity)
        middle = done.frame.pixels[150:170, 250:270].astype(int)
        if index < 5:
            assert abs(middle - PAINT).max() < 12
        elif jump_s <= 0.0 or index < 8:
            assert done.showing is not Showing.LIVE
            assert abs(middle - clear[150:170, 250:270]).mean() > 20


def test_the_wall_clock_moves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set back or forward by years between any two looks: what runs live looks at the other one."""
    wild = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(wild)))
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, live=True)
    for index in range(30):
        recorder.write(Frame(picture(), index, index / 30))
    recorder.close()
    assert frames_in(tmp_path / "a.mp4") == 30
