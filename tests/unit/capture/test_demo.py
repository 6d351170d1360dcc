"""The demo: the same picture for the same index, somebody in it, and nobody for a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import app.capture.demo as demo
from app.capture.demo import LOOP_FRAMES, Demo, pose_at
from app.capture.puppet import Pose, Puppet
from app.errors import CaptureError


@pytest.fixture(scope="module")
def fast() -> Demo:
    return Demo(realtime=False)


def test_determined_by_the_index(fast: Demo) -> None:
    again = Demo(realtime=False)
    for index in (0, 45, 100):
        np.testing.assert_array_equal(fast.picture(index), again.picture(index))
    np.testing.assert_array_equal(fast.picture(7), fast.picture(7 + LOOP_FRAMES))


def test_frames_follow_each_other_without_a_jump() -> None:
    for index in range(LOOP_FRAMES):
        one, two = pose_at(index), pose_at(index + 1)
        assert abs(one.x - two.x) < 60
        assert abs(one.y - two.y) < 8
        assert abs(one.scale - two.scale) < 0.01
        assert max(abs(one.turn - two.turn), abs(one.tilt - two.tilt)) < 0.05


def test_blinks_talks_turns_and_tilts() -> None:
    poses = [pose_at(index) for index in range(LOOP_FRAMES)]
    assert max(pose.blink for pose in poses) > 0.9
    assert sum(pose.blink > 0.5 for pose in poses) < 60
    assert 0.6 < max(pose.mouth for pose in poses) <= 1
    assert min(pose.turn for pose in poses) < -0.25 < 0.25 < max(pose.turn for pose in poses)
    assert max(pose.tilt for pose in poses) > 0.1
    assert max(pose.scale for pose in poses) - min(pose.scale for pose in poses) > 0.2


def test_leaves_the_frame_and_comes_back(fast: Demo) -> None:
    empty = [i for i in range(0, LOOP_FRAMES, 5) if np.array_equal(fast.picture(i), fast._room)]
    assert 4 <= len(empty) <= 20
    assert 400 < empty[0] < empty[-1] < 500


def test_draws_at_every_edge_of_small_and_large_frames() -> None:
    sheet = np.full((880, 600, 4), 255, np.uint8)
    puppet = Puppet(sheet)
    for shape in ((48, 64, 3), (720, 1280, 3)):
        for x in (-900, -100, 0, 32, 1279, 1400, 3000):
            for y in (-2000, -300, 0, 700, 2000):
                puppet.draw(np.zeros(shape, np.uint8), Pose(x, y, 1.0, turn=0.4, tilt=0.3))


def test_a_missing_picture_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CaptureError, match=r"picture none\.png is missing"):
        demo._asset("none.png")


def test_an_empty_picture_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "room.jpg").touch()
    monkeypatch.setattr(demo, "PICTURES", tmp_path / "demo")
    with pytest.raises(CaptureError, match=r"picture room\.jpg is damaged"):
        Demo()
