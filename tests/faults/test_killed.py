"""A program that is killed (kill -9, the power, the out-of-memory killer) loses seconds at most."""

from __future__ import annotations

import contextlib
import gc
import itertools
import struct
import subprocess
import sys
import threading
from pathlib import Path

import av
import pytest

from app.__main__ import main
from app.capture.clip import Clip
from app.errors import CaptureError, SinkError
from app.paths import journal_dir
from app.provenance.credentials import Credentials, read_credentials
from app.sinks.journal import Journal
from app.sinks.recorder import Recorder
from app.sinks.seal import SealIfAltered
from tests.helpers import recording_child
from tests.helpers.fakes import StillSource

ENOUGH_S = 9.0  # of recording before the kill
AT_MOST_LOST_S = 5.0  # two fragments of two seconds, and what the encoder holds back


def test_a_recording_is_playable_after_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    out, journal = folder / "evening.mp4", Journal(tmp_path / "journal")
    written = 0.0
    with subprocess.Popen(
        [sys.executable, "-m", recording_child.__name__, str(out), str(tmp_path / "journal")],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            written = float(line)
            if written >= ENOUGH_S:
                break
        assert journal.rescue() == []  # it is being written
        child.kill()
    (left,) = folder.iterdir()
    assert left.name == "evening.part.mp4"  # a name that a double click plays
    (sentence,) = journal.rescue()
    assert sentence.endswith(f"what was recorded until then is kept: {out}.")
    assert [path.name for path in folder.iterdir()] == ["evening.mp4"]
    assert journal.rescue() == []
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert times[-1] >= written - AT_MOST_LOST_S
    assert times[-1] >= 2.0


def _cut_off(tmp_path: Path, content: bytes) -> Journal:
    """What a kill left that came at once."""
    journal, part = Journal(tmp_path / "journal"), tmp_path / "a.part.mp4"
    part.write_bytes(content)
    note = journal.begin(part, tmp_path / "a.mp4")
    assert note is not None
    note._file.close()  # as the end of a process does
    return journal


def test_a_note_that_was_cut_off_itself_is_gone_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for name, content in (("a", b""), ("b", b'{"part": "/a'), ("c", b"\xff\x00"), ("d", b"7")):
        (folder / f"{name}.json").write_bytes(content)
    newer = folder / "e.json"
    newer.write_text('{"file": "of a newer version"}')
    journal = Journal(folder)
    running = journal.begin(tmp_path / "z.part.mp4", tmp_path / "z.mp4")
    assert running is not None
    assert journal.rescue() == []
    assert sorted(folder.iterdir()) == sorted([newer, running._path])
    running.end()


class Sealed:
    """Credentials that are a word at the end, if there is ink."""

    due = True

    def __init__(self, *, ink: bool = True) -> None:
        self._ink = ink

    def data(self, data: bytes, suffix: str) -> bytes:
        return data

    def file(self, path: Path, suffix: str) -> None:
        if not self._ink:
            raise SinkError("No ink.")
        path.write_bytes(path.read_bytes() + b"sealed" + suffix.encode())


def _killed(tmp_path: Path, *, altered: bool) -> tuple[Journal, bytes]:
    """A journal and what was recorded until a kill; in the second frame something is altered."""
    journal, seen = Journal(tmp_path / "journal"), threading.Event()
    seal = SealIfAltered(Sealed(), seen)
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, seal=seal, journal=journal)
    source = StillSource(pause_s=0.0, clock=itertools.count(0.0, 1 / 30).__next__)
    for number in range(600):
        frame = source.read()
        assert frame is not None
        if altered and number:
            seen.set()
        recorder.write(frame)
    (note,) = (tmp_path / "journal").iterdir()
    left, noted = (tmp_path / "a.part.mp4").read_bytes(), note.read_bytes()
    recorder.abort()
    (tmp_path / "a.part.mp4").write_bytes(left)
    note.write_bytes(noted)
    return journal, left


def test_what_was_altered_gets_its_credentials_after_a_kill(tmp_path: Path) -> None:
    journal, left = _killed(tmp_path, altered=True)
    (sentence,) = journal.rescue(Sealed())
    assert sentence.endswith("is kept: " + str(tmp_path / "a.mp4") + ".")
    assert (tmp_path / "a.mp4").read_bytes() == left + b"sealed.mp4"
    journal, left = _killed(tmp_path, altered=True)
    (sentence,) = journal.rescue(Sealed(ink=False))
    assert sentence.endswith("It has no content credentials: No ink.")
    assert (tmp_path / "a (1).mp4").read_bytes() == left


def test_the_plain_picture_gets_none_after_a_kill_either(tmp_path: Path) -> None:
    journal, left = _killed(tmp_path, altered=False)
    assert len(journal.rescue(Sealed())) == 1
    assert (tmp_path / "a.mp4").read_bytes() == left


@pytest.mark.parametrize("cut", [0, 20, 3000])
def test_what_was_cut_off_can_be_signed(tmp_path: Path, cut: int) -> None:
    journal, left = _killed(tmp_path, altered=True)
    (tmp_path / "a.part.mp4").write_bytes(left[: len(left) - cut])
    key = tmp_path / "key.pem"
    (sentence,) = journal.rescue(Credentials(key))
    assert "no content credentials" not in sentence
    found = read_credentials(tmp_path / "a.mp4", key)
    assert found is not None
    assert (found.state, found.ai) == ("own", True)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert next(container.decode(video=0), None) is not None


def test_what_holds_no_picture_is_named_too(tmp_path: Path) -> None:
    (sentence,) = _cut_off(tmp_path, b"").rescue()
    assert "before its first picture" in sentence
    assert not (tmp_path / "a.part.mp4").exists()
    (sentence,) = _cut_off(tmp_path, b"no video at all").rescue()
    assert "holds no picture" in sentence
    assert (tmp_path / "a.part.mp4").read_bytes() == b"no video at all"


def test_a_rescue_overwrites_nothing_and_a_finished_recording_needs_none(tmp_path: Path) -> None:
    source, journal = StillSource(), Journal(tmp_path / "journal")
    frame = source.read()
    assert frame is not None
    for _ in range(2):
        recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30, journal=journal)
        recorder.write(frame)
        recorder.close()
        assert journal.rescue() == []
        journal = _cut_off(tmp_path, (tmp_path / "a.mp4").read_bytes())
        (sentence,) = journal.rescue()
        assert "a (" in sentence
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert names == ["a (1).mp4", "a (2).mp4", "a.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's full disk")
def test_a_note_that_the_disk_does_not_take_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(path: Path, mode: str, encoding: str) -> object:
        path.touch()
        return opened(Path("/dev/full"), "w", encoding=encoding)

    monkeypatch.setattr(Path, "open", full)
    journal = Journal(tmp_path / "journal")
    assert journal.begin(tmp_path / "a.part.mp4", tmp_path / "a.mp4") is None
    gc.collect()  # a file left open would warn
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_run_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    Recorder(tmp_path / "a.mp4", 64, 48, 30).abort()
    part = tmp_path / "b.part.mp4"
    part.write_bytes(b"")
    note = Journal(journal_dir()).begin(part, tmp_path / "b.mp4")
    assert note is not None
    note._file.close()
    assert main(["run", "--camera", "demo", "--headless", "--frames", "1"]) == 0
    assert "The recording b.mp4 was cut off" in capsys.readouterr().err


@pytest.mark.parametrize("fragment", [1, 4, 7])
def test_what_a_write_cut_short_leaves_plays_up_to_the_cut(tmp_path: Path, fragment: int) -> None:
    """The head of a fragment is written in one piece with the first of its pictures."""
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30)
    source = StillSource(pause_s=0.0)
    for _ in range(600):
        frame = source.read()
        assert frame is not None
        recorder.write(frame)
    whole = (tmp_path / "a.part.mp4").read_bytes()
    recorder.abort()
    starts = [at for kind, at in _boxes(whole) if kind == b"mdat"]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: starts[fragment] + 200])
    clip = Clip(cut, realtime=False)
    given = 0
    with contextlib.suppress(CaptureError):  # it says that it breaks off
        while clip.read() is not None:
            given += 1
    clip.close()
    assert given >= 60 * fragment


def _boxes(data: bytes) -> list[tuple[bytes, int]]:
    """Kind and place of the boxes at the top of an MP4 file (ISO/IEC 14496-12, 4.2)."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append((kind, at))
        at += max(size, 8)
    return found


def test_what_was_left_is_never_overwritten(tmp_path: Path) -> None:
    left = tmp_path / "a.part.mp4"
    left.write_bytes(b"the evening of yesterday")
    source = StillSource()
    frame = source.read()
    assert frame is not None
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 30)
    recorder.write(frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.part.mp4", "a.part1.mp4"]
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.part.mp4"]
    assert left.read_bytes() == b"the evening of yesterday"
