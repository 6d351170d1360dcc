"""``omokage swap``: what becomes what, whole or not at all, one sentence for each failure."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from app import faces, pipeline
from app.__main__ import main
from app.cli import sources
from app.errors import EngineError
from app.paths import signing_key_path
from app.pictures import read_picture
from app.provenance.credentials import read_credentials
from app.provenance.watermark import MOST
from app.sinks.recorder import Recorder
from engines import loading
from tests.helpers.colour_engines import PAINT, colour_engines, picture_of, write_personas

Swap = Callable[..., int]


@pytest.fixture
def swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swap:
    """Runs ``swap`` in-process with drawn faces and the persona Mio."""
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(loading, "load_engines", lambda *_, **__: colour_engines())
    personas = write_personas(tmp_path / "personas")
    made = faces.FaceLibrary
    monkeypatch.setattr(
        faces, "FaceLibrary", lambda folder, engines: made(folder, engines, personas=personas)
    )

    def run_it(source: Path, target: Path, *words: str, face: Sequence[str] = ("mio",)) -> int:
        return main(["swap", str(source), "--source", *face, "--output", str(target), *words])

    return run_it


def video_of(path: Path, frames: int, *, face_from: int = 0, sound: bool = False) -> Path:
    """A clip of 10 frames a second with one red square, moving, from frame ``face_from`` on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        track = container.add_stream("aac", rate=16000) if sound else None
        for index in range(frames):
            picture = np.full((240, 320, 3), 90, np.uint8)
            if index >= face_from:
                picture[60:160, 60 + 4 * index : 160 + 4 * index] = (0, 0, 255)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            tone = np.sin(np.arange(16000 * frames // 10) * 0.2).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate = 16000
            container.mux(track.encode(samples))
            container.mux(track.encode(None))
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def near(pixel: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= within)


def test_a_picture(swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    assert swap(source, tmp_path / "out.png", "--color", "0", "--json") == 0
    done = read_picture(tmp_path / "out.png")
    assert near(done[200, 300], PAINT)
    assert near(done[20, 20], (90, 90, 90), MOST)  # outside the face only the mark
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["frames"], report["faces_swapped"]) == ("picture", 1, 1)
    assert report["failed"] == []


def test_left_stays_left_unless_mirrored(swap: Swap, tmp_path: Path) -> None:
    source = picture_of(tmp_path / "in.png", (20, 100, 200))
    words = ("--color", "0", "--no-badge")
    assert swap(source, tmp_path / "a.png", *words) == 0
    assert swap(source, tmp_path / "b.png", *words, "--mirror") == 0
    plain, mirrored = read_picture(tmp_path / "a.png"), read_picture(tmp_path / "b.png")
    assert near(plain[200, 120], PAINT)
    assert near(mirrored[200, 640 - 120], PAINT)


def test_the_badge_is_on_unless_switched_off(swap: Swap, tmp_path: Path) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    assert swap(source, tmp_path / "a.png") == 0
    assert swap(source, tmp_path / "b.png", "--no-badge") == 0
    corner = (slice(420, 480), slice(540, 640))
    assert np.ptp(read_picture(tmp_path / "a.png")[corner]) > 50
    assert np.ptp(read_picture(tmp_path / "b.png")[corner]) <= 2 * MOST


def test_all_faces_or_the_largest(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = picture_of(tmp_path / "in.png", (20, 100, 150), (300, 100, 200))
    for words, count in (((), 1), (("--faces", "all"), 2)):
        assert swap(source, tmp_path / "out.png", *words, "--json") == 0
        assert json.loads(capsys.readouterr().out)["faces_swapped"] == count


def test_a_video_keeps_frames_and_sound(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = video_of(tmp_path / "in.mp4", 20, face_from=5, sound=True)
    assert swap(source, tmp_path / "out.mp4", "--color", "0", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["frames"], report["frames_without_face"]) == ("video", 20, 5)
    done = frames_of(tmp_path / "out.mp4")
    assert len(done) == 20
    assert near(done[0][100, 110], (90, 90, 90))
    assert near(done[12][110, 60 + 4 * 12 + 50], PAINT, 25)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 16000 * 1.9


def test_the_same_input_gives_the_same_output(swap: Swap, tmp_path: Path) -> None:
    source = video_of(tmp_path / "in.mp4", 8)
    for name in ("a.mp4", "b.mp4"):
        assert swap(source, tmp_path / name) == 0
    a, b = frames_of(tmp_path / "a.mp4"), frames_of(tmp_path / "b.mp4")
    assert len(a) == len(b) == 8
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_folder(swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "a.bmp", "b.jpg", "c.gif"):
        picture_of(folder / name, (200, 100, 200))
    picture_of(folder / "nobody.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "deeper").mkdir()
    assert swap(folder, tmp_path / "new" / "out", "--json") == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["kind"], report["frames"], report["left_out"]) == ("folder", 4, 1)
    assert {item["file"] for item in report["failed"]} == {"nobody.png", "empty.png"}
    assert "no face to be found in nobody.png" in said.err
    assert "empty.png is empty" in said.err
    made = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert made == {"a.png", "a.bmp.png", "b.jpg", "c.png"}


def test_a_folder_where_all_goes_well(swap: Swap, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    picture_of(folder / "a.png", (200, 100, 200))
    assert swap(folder, tmp_path / "out") == 0


def test_source_pictures_need_consent_once(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    face = str(picture_of(tmp_path / "ana.png", (100, 100, 200)))
    target = tmp_path / "out.png"
    assert swap(source, target, face=[face]) == 1
    error = capsys.readouterr().err
    assert "no consent record for ana.png" in error
    assert "--consent with one of: own-face, written-consent, synthetic, licensed" in error
    assert not target.exists()
    assert swap(source, target, "--consent", "own-face", face=[face]) == 0
    assert swap(source, target, face=[face]) == 0  # it is on record now
    assert swap(source, target, face=[face, "mio"]) == 0


@pytest.mark.parametrize("answer", ["1\nAna\n", "1\n\n"])
def test_consent_is_asked_for_on_a_terminal(
    swap: Swap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    face = str(picture_of(tmp_path / "ana.png", (100, 100, 200)))
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sources.sys, "stdin", terminal)
    monkeypatch.setattr(sources.sys.stderr, "isatty", lambda: True, raising=False)
    assert swap(source, tmp_path / "out.png", face=[face]) == 0
    assert swap(source, tmp_path / "out.png", face=[face]) == 0  # not asked again


def test_consent_refused_on_a_terminal(
    swap: Swap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = picture_of(tmp_path / "in.png", (200, 100, 200))
    terminal = io.StringIO("\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sources.sys, "stdin", terminal)
    monkeypatch.setattr(sources.sys.stderr, "isatty", lambda: True, raising=False)
    assert swap(source, tmp_path / "out.png", face=[str(source)]) == 1
    assert "Without consent in.png is not used" in capsys.readouterr().err


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


def test_everything_it_makes_carries_content_credentials(swap: Swap, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.bmp"):
        picture_of(folder / name, (200, 100, 200))
    film = video_of(tmp_path / "in.mp4", 12, face_from=3, sound=True)
    assert swap(folder, tmp_path / "out") == 0
    assert swap(folder / "a.png", tmp_path / "one.webp") == 0
    assert swap(film, tmp_path / "out.mp4") == 0
    made = [*(tmp_path / "out").iterdir(), tmp_path / "one.webp", tmp_path / "out.mp4"]
    assert len(made) == 5
    for path in made:
        found = read_credentials(path, signing_key_path())
        assert found is not None, path
        assert (found.state, found.ai) == ("own", True), path
    assert len(frames_of(tmp_path / "out.mp4")) == 12
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1


def test_a_revoked_face_is_refused_and_nothing_is_written(
    swap: Swap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face, source = tmp_path / "ana.png", picture_of(tmp_path / "in.png", (200, 100, 200))
    picture_of(face, (150, 100, 200))
    words = ("--consent", "written-consent", "--person", "Ana", "--scope", "one film")
    assert swap(source, tmp_path / "a.png", *words, face=[str(face)]) == 0
    assert swap(source, tmp_path / "b.png", face=[str(face)]) == 0  # asked once
    assert main(["consent", "revoke", "Ana"]) == 0
    assert swap(source, tmp_path / "c.png", face=[str(face)]) == 1
    assert "no consent record" in capsys.readouterr().err
    assert not (tmp_path / "c.png").exists()
    assert swap(source, tmp_path / "c.png", *words, face=[str(face)]) == 0  # a new one
