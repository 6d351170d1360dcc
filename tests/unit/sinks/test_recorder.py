"""Recordings: whole or not there at all."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from app.capture.clip import Clip
from app.errors import SinkError
from app.frame import Frame
from app.sinks.journal import Journal
from app.sinks.recorder import Recorder
from tests.helpers.clips import write_clip
from tests.helpers.fakes import picture


def frame(index: int = 0, at_s: float = 0.0, size: tuple[int, int] = (64, 48)) -> Frame:
    return Frame(picture(*size), index, at_s)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def streams(path: Path) -> dict[str, tuple[str, float]]:
    with av.open(str(path)) as container:
        return {
            stream.type: (stream.codec_context.name, float(stream.duration * stream.time_base))
            for stream in container.streams
        }


def count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_every_frame_once_and_colours_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, 64, 48, 25)
    for index in range(40):
        recorder.write(frame(index))
    assert recorder.seconds == pytest.approx(1.6)
    assert not path.exists()
    recorder.close()
    assert recorder.bytes_written == path.stat().st_size
    assert names(tmp_path) == ["a.mp4"]
    assert streams(path)["video"] == ("h264", pytest.approx(1.6))
    clip = Clip(path, realtime=False)
    assert clip.info.frame_count == 40
    difference = clip.read().pixels.astype(int) - picture()
    clip.close()
    assert np.abs(difference).mean() < 3


def test_live_recording_lasts_as_long_as_the_scene(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, live=True)
    for index, at_s in enumerate([0, 0.001, 0.03, 0.5, 0.51, 1.0, 100.0, 100.5]):
        recorder.write(frame(index, 50 + at_s))
    recorder.close()
    assert count(tmp_path / "a.mp4") == 31 + 16  # one second, a gap left out, half a second


def test_a_varying_rate_is_kept(tmp_path: Path) -> None:
    wanted = [*(n / 2 for n in range(4)), *(2 + n / 30 for n in range(30))]
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 12)
    for index, at_s in enumerate(wanted):
        recorder.write(frame(index, 7 + at_s))
    assert recorder.seconds == pytest.approx(2 + 29 / 30 + 1 / 12)
    recorder.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].start_time == 0  # nothing before the first frame
    clip = Clip(tmp_path / "a.mp4", realtime=False)
    found = [shown.captured_at for shown in iter(clip.read, None)]
    clip.close()
    assert found == pytest.approx(wanted, abs=1e-4)


def test_times_that_stand_or_run_backwards_give_a_frame_each(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 10)
    for index, at_s in enumerate([0, 0, 0.2, 0.1, 1.0]):
        recorder.write(frame(index, at_s))
    recorder.close()
    clip = Clip(tmp_path / "a.mp4", realtime=False)
    found = [shown.captured_at for shown in iter(clip.read, None)]
    clip.close()
    assert found == pytest.approx([0, 0.1, 0.2, 0.3, 1.0], abs=1e-4)


def test_odd_and_changing_sizes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 63, 47, 30)
    for size in ((63, 47), (63, 47), (32, 100), (640, 480), (1, 1)):
        recorder.write(frame(size=size))
    recorder.close()
    clip = Clip(tmp_path / "a.mp4", realtime=False)
    assert (clip.info.width, clip.info.height) == (64, 48)
    clip.close()


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [("in.mp4", "aac", "aac"), ("in.mp4", "libmp3lame", "mp3"), ("in.mkv", "pcm_s16le", "aac")],
)
def test_sound_is_kept(tmp_path: Path, name: str, codec: str, kept: str) -> None:
    source = write_clip(tmp_path / name, frames=50, sound=codec)
    out = tmp_path / "out.mp4"
    recorder = Recorder(out, 64, 48, 25, audio_from=source)
    for index in range(50):
        recorder.write(frame(index))
    recorder.close()
    found = streams(out)
    assert found["video"][1] == pytest.approx(2.0)
    assert found["audio"][0].startswith(kept)
    assert found["audio"][1] == pytest.approx(2.0, abs=0.1)


def test_damaged_sound_leaves_a_gap_and_no_more(tmp_path: Path) -> None:
    whole, source = write_clip(tmp_path / "in.mkv", frames=50, sound="mp2"), tmp_path / "bad.mkv"
    with av.open(str(whole)) as given, av.open(str(source), "w") as made:
        streams_of = {s.index: made.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and packet.pts == 470:  # ms
                times = packet.pts, packet.dts, packet.time_base
                at, packet = packet.stream.index, av.Packet(b"damaged!" * 144)
                packet.pts, packet.dts, packet.time_base = times
                packet.stream = streams_of[at]
            else:
                packet.stream = streams_of[packet.stream.index]
            made.mux(packet)
    recorder = Recorder(tmp_path / "out.mp4", 64, 48, 25, audio_from=source)
    for index in range(50):
        recorder.write(frame(index))
    recorder.close()
    assert streams(tmp_path / "out.mp4")["audio"] == ("aac", pytest.approx(2.0, abs=0.1))
    assert count(tmp_path / "out.mp4") == 50


def test_clip_without_sound(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4")
    recorder = Recorder(tmp_path / "out.mp4", 64, 48, 25, audio_from=source)
    recorder.write(frame())
    recorder.close()
    assert set(streams(tmp_path / "out.mp4")) == {"video"}


def test_unfinished_file_can_be_played_up_to_its_last_fragment(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30)
    for index in range(400):
        recorder.write(frame(index))
    left = tmp_path / "left.mp4"  # what a kill would leave
    left.write_bytes((tmp_path / "a.part.mp4").read_bytes())
    recorder.abort()
    assert count(left) >= 120


def test_abort_leaves_nothing_and_keeps_a_finished_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for frames in (0, 1, 100):
        recorder = Recorder(path, 64, 48, 30)
        for index in range(frames):
            recorder.write(frame(index))
        recorder.abort()
        recorder.abort()
        assert names(tmp_path) == []
        with pytest.raises(SinkError, match="closed"):
            recorder.write(frame())
    recorder = Recorder(path, 64, 48, 30)
    recorder.write(frame())
    recorder.close()
    recorder.abort()
    assert path.exists()


@pytest.mark.parametrize("name", ["a" * 251 + ".mp4", "顔" * 83 + ".mp4"], ids=["ascii", "kanji"])
def test_the_longest_name_that_a_disk_takes(tmp_path: Path, name: str) -> None:
    recorder = Recorder(tmp_path / name, 64, 48, 30)
    recorder.write(frame())
    recorder.close()
    assert names(tmp_path) == [name]


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    recorder = Recorder(path, 64, 48, 30)
    recorder.write(frame())
    recorder.abort()
    assert path.read_bytes() == b"older"


def test_a_finished_recording_that_cannot_take_its_name_is_kept(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, journal=Journal(tmp_path / "notes"))
    recorder.write(frame())
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(SinkError, match=r"kept as .*a\.part\.mp4"):
        recorder.close()
    recorder.close()
    recorder.abort()
    assert count(tmp_path / "a.part.mp4") == 1
    assert names(tmp_path / "notes") == []


def test_no_frame_leaves_no_file(tmp_path: Path) -> None:
    Recorder(tmp_path / "a.mp4", 64, 48, 30).close()
    assert names(tmp_path) == []


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that takes no file larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1, 100, 20_000])
def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    recorder = Recorder(tmp_path / "a.mp4", 320, 240, 30)

    def fill() -> None:
        for index in range(200):
            noise = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
            recorder.write(Frame(noise, index, 0.0))
        recorder.close()

    with largest_file(size), pytest.raises(SinkError, match=r"a\.mp4 cannot be written"):
        fill()
    assert names(tmp_path) == []
    recorder.close()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.avi", "recordings are MP4"),
        ("a", "recordings are MP4"),
        ("none/a.mp4", "There is no folder"),
        ("folder.mp4", "is a folder"),
        ("a" * 300 + ".mp4", "cannot be written"),
    ],
)
def test_refused_names(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(SinkError, match=sentence):
        Recorder(tmp_path / name, 64, 48, 30)
    assert names(tmp_path) == ["folder.mp4"]


def test_sound_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SinkError):
        Recorder(tmp_path / "a.mp4", 64, 48, 30, audio_from=tmp_path / "absent.mp4")
    assert names(tmp_path) == []
