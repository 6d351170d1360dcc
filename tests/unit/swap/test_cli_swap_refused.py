"""``omokage swap`` where it cannot: one sentence for each failure, whole or not at all."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from app import pipeline
from app.__main__ import main
from app.errors import EngineError
from app.sinks.recorder import Recorder
from tests.helpers.colour_engines import picture_of
from tests.helpers.swap_files import Swap, frames_of, video_of


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("mia", "Did you mean 'Mio'?"),
        ("zzzzzz", "Known faces: Mio."),
        ("nothing.png", "no file nothing.png"),
        ("some/where", "no file some/where"),
    ],
)
def test_a_face_that_is_not_known(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, part: str
) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    assert swap(source, tmp_path / "out.png", face=[word]) == 1
    assert part in capsys.readouterr().err


def sound_only(path: Path) -> Path:
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(bytes(16000))
    return path


@pytest.mark.parametrize(
    ("source", "target", "part"),
    [
        ("none.png", "out.png", "no file or folder"),
        ("in.png", "in.png", "is the input itself"),
        ("in.png", "out.gif", "cannot be written as out.gif"),
        ("in.png", "out", "cannot be written as out"),
        ("in.png", "out.mp4", "cannot be written as out.mp4"),
        ("in.mp4", "out.png", "Use one of: .m"),
        ("in.png", "folder", "is a folder"),
        ("in.png", "none/out.png", "no folder"),
        ("folder", "in.png", "is a file"),
        ("folder", "folder", "is the input itself"),
        ("folder", "out", "no picture in"),
        ("nobody.png", "out.png", "no face to be found"),
        ("nobody.mp4", "out.mp4", "no face to be found in nobody.mp4"),
        ("empty.mp4", "out.mp4", "empty"),
        ("text.mp4", "out.mp4", "text.mp4"),
        ("sound.wav", "out.mp4", "sound"),
        ("empty.png", "out.png", "is empty"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    swap: Swap,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    target: str,
    part: str,
) -> None:
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    picture_of(work / "in.png", (200, 100, 200))
    picture_of(work / "nobody.png")
    video_of(work / "in.mp4", 3)
    video_of(work / "nobody.mp4", 3, face_from=99)
    sound_only(work / "sound.wav")
    (work / "text.mp4").write_text("no video\n" * 99)
    (work / "empty.mp4").touch()
    (work / "empty.png").touch()
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert swap(work / source, work / target) == 1
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("source", "target"), [("in.png", "me.png"), ("folder", "faces")])
def test_a_source_face_is_never_replaced(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str
) -> None:
    for folder in ("folder", "faces"):
        (tmp_path / folder).mkdir()
    picture_of(tmp_path / "in.png", (200, 100, 200))
    picture_of(tmp_path / "folder" / "me.png", (200, 100, 200))
    face = tmp_path / ("me.png" if target == "me.png" else "faces/me.png")
    before = picture_of(face, (200, 100, 200)).read_bytes()
    words = ("--consent", "own-face")
    assert swap(tmp_path / source, tmp_path / target, *words, face=[str(face)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert face.read_bytes() == before


def test_a_video_that_breaks_off_gives_what_it_has(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = video_of(tmp_path / "whole.mkv", 60)
    cut = tmp_path / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    assert swap(cut, tmp_path / "out.mp4") == 1
    assert "breaks off after frame" in capsys.readouterr().err
    assert 5 < len(frames_of(tmp_path / "out.mp4")) < 60


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, EngineError])
def test_an_interruption_leaves_nothing(
    swap: Swap,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[BaseException],
) -> None:
    source = video_of(tmp_path / "in.mp4", 8)
    (tmp_path / "out").mkdir()
    process, seen = pipeline.Pipeline.process, []

    def failing(*arguments: object) -> object:
        seen.append(1)
        if len(seen) == 5:
            raise failure("at frame 5")
        return process(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline.Pipeline, "process", failing)
    status = swap(source, tmp_path / "out" / "out.mp4")
    assert status == (130 if failure is KeyboardInterrupt else 1)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_leaves_nothing(
    swap: Swap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = video_of(tmp_path / "in.mp4", 8)
    (tmp_path / "out").mkdir()

    def full(self: Recorder) -> None:
        raise self._failure(OSError(28, "No space left on device"))

    monkeypatch.setattr(Recorder, "close", full)
    assert swap(source, tmp_path / "out" / "out.mp4") == 1
    assert "disk is full" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_video_without_a_face_before_its_break_writes_nothing_and_says_so(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = video_of(tmp_path / "whole.mkv", 60, face_from=99)
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    assert swap(tmp_path / "cut.mkv", tmp_path / "out.mp4") == 1
    error = capsys.readouterr().err
    assert "no face to be found in what can be read of cut.mkv. Nothing was written." in error
    assert not (tmp_path / "out.mp4").exists()


def test_input_after_source_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["swap", "--source", "lucia", "in.jpg", "--output", "out.jpg"])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "INPUT comes first, since --source takes every word after it" in error
    with pytest.raises(SystemExit):
        main(["swap", "in.jpg", "--source", "lucia"])
    assert "INPUT comes first" not in capsys.readouterr().err
