"""Clips: every frame in order, and one sentence for each way a file can be broken."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from app.capture.clip import Clip
from app.errors import CaptureError
from app.frame import Frame
from tests.helpers.clips import bar_height, write_clip, write_sound


def read_all(clip: Clip, frames: list[Frame] | None = None) -> list[Frame]:
    frames = [] if frames is None else frames
    while (frame := clip.read()) is not None:
        frames.append(frame)
    clip.close()
    return frames


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mov", "a.mpg"])
def test_every_frame_in_order_with_its_time(tmp_path: Path, name: str) -> None:
    codec = "mpeg2video" if name.endswith("mpg") else "mpeg4"
    clip = Clip(write_clip(tmp_path / name, codec=codec), realtime=False)
    assert (clip.info.width, clip.info.height, clip.info.rate) == (64, 48, 25)
    assert clip.info.frame_count == pytest.approx(30, abs=10 if name.endswith("mpg") else 1)
    assert not clip.info.live
    frames = read_all(clip)
    assert [frame.index for frame in frames] == list(range(30))
    assert [bar_height(frame.pixels) for frame in frames] == list(range(30))
    times = [frame.captured_at for frame in frames]
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=0.002)


def test_realtime_takes_as_long_as_the_clip(tmp_path: Path) -> None:
    clip = Clip(write_clip(tmp_path / "a.mp4", frames=10))
    start = time.monotonic()
    frames = read_all(clip)
    assert 0.34 < time.monotonic() - start < 2
    assert frames[-1].index == 9


def test_realtime_leaves_out_late_frames(tmp_path: Path) -> None:
    clip = Clip(write_clip(tmp_path / "a.mp4", frames=20))
    assert clip.read() is not None
    time.sleep(0.3)
    frames = read_all(clip)
    assert 6 <= frames[0].index <= 9


def test_loop_begins_again(tmp_path: Path) -> None:
    clip = Clip(write_clip(tmp_path / "a.mp4", frames=5), realtime=False, loop=True)
    assert clip.info.frame_count is None
    frames = [clip.read() for _ in range(12)]
    clip.close()
    assert [bar_height(f.pixels) for f in frames if f] == [0, 1, 2, 3, 4] * 2 + [0, 1]
    assert [f.index for f in frames if f] == list(range(12))
    assert [f.captured_at for f in frames if f] == pytest.approx([n / 25 for n in range(12)])


def test_rotation_is_applied(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=3)
    upright = Clip(path, realtime=False)
    expected = np.rot90(upright.read().pixels, -1)
    upright.close()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 4 * 4 + 4 + 8 + 8  # to the matrix of the track header
    one, corner = 0x10000, 0x40000000
    matrix = (0, one, 0, -one & 0xFFFFFFFF, 0, 0, 48 * one, 0, corner)  # a quarter turn clockwise
    data[at : at + 36] = b"".join(value.to_bytes(4, "big") for value in matrix)
    path.write_bytes(data)
    clip = Clip(path, realtime=False)
    assert (clip.info.width, clip.info.height) == (48, 64)
    np.testing.assert_array_equal(clip.read().pixels, expected)
    clip.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_file_that_breaks_off_gives_its_frames_then_a_sentence(tmp_path: Path, name: str) -> None:
    options = {"movflags": "+faststart"} if name.endswith("mp4") else None
    path = write_clip(tmp_path / name, frames=100, width=320, height=240, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = Clip(path, realtime=False)
    got: list[Frame] = []
    with pytest.raises(CaptureError, match=r"a\.m.. breaks off after frame \d+"):
        read_all(clip, got)
    clip.close()
    assert 20 < len(got) < 80


def no_index(path: Path) -> None:
    write_clip(path)
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"no video at all" * 99), "is no video that can be read"),
        (lambda path: path.mkdir(), "is a folder"),
        (no_index, "its end is missing"),
        (lambda path: write_sound(path.with_suffix(".wav")).replace(path), "sound but no picture"),
        (lambda path: write_clip(path, frames=0), "no (frame of )?video"),
    ],
    ids=["absent", "empty", "text", "folder", "no index", "sound only", "no frame"],
)
def test_unusable_file_gets_one_sentence(tmp_path: Path, make, sentence: str) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(CaptureError, match=sentence) as caught:
        Clip(path)
    assert "\n" not in str(caught.value)


def test_close_wakes_a_waiting_read(tmp_path: Path) -> None:
    clip = Clip(write_clip(tmp_path / "a.mp4", frames=3, rate=1))
    assert clip.read() is not None
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(clip.read()))
    reader.start()
    time.sleep(0.05)
    start = time.monotonic()
    clip.close()
    reader.join(2)
    assert time.monotonic() - start < 0.5
    assert got == [None]
