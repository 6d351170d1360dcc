"""``omokage swap``: what becomes what, and whose consent it asks for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest

from app.__main__ import main
from app.cli import sources
from app.paths import signing_key_path
from app.pictures import read_picture
from app.provenance.credentials import read_credentials
from app.provenance.watermark import MOST
from tests.helpers.colour_engines import PAINT, picture_of
from tests.helpers.swap_files import Swap, frames_of, near, video_of


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
