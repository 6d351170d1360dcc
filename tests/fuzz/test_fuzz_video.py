"""Videos with damaged headers and pictures: frames or a sentence, no hang, no crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given

from app.capture.clip import Clip
from app.errors import CaptureError, PictureError
from app.pictures import decode_picture
from tests.fuzz.mutations import FUZZ, NASTY, damaged
from tests.helpers.clips import write_clip
from tests.helpers.sentences import one_sentence

MOST_FRAMES = 60
KINDS = {"mp4": "mpeg4", "mkv": "libx264", "avi": "mpeg4", "webm": "libvpx"}
WORDS = (
    *NASTY,
    b"moov",
    b"mdat",
    b"trak",
    b"stsz",
    b"stco",
    b"tkhd",
    b"\x1a\x45\xdf\xa3",
    b"RIFF",
    b"\x00\x00\x00\x01",
)


def _clips() -> dict[str, bytes]:
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in KINDS.items():
            path = write_clip(Path(folder) / f"a.{suffix}", frames=12, codec=codec)
            made[suffix] = path.read_bytes()
    return made


CLIPS = _clips()


@FUZZ
@given(damaged(list(CLIPS.values()), words=WORDS))
@example(CLIPS["mp4"][:40])
@example(CLIPS["mp4"].replace(b"moov", b"mdat"))
@example(CLIPS["mkv"][:200])
@example(CLIPS["webm"].replace(b"Lavf", b"L\xe9vf"))  # a title in Latin-1
def test_videos(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        path.write_bytes(data)
        try:
            clip = Clip(path, realtime=False)
        except CaptureError as error:
            one_sentence(str(error))
            return
        try:
            for _ in range(MOST_FRAMES):
                frame = clip.read()
                if frame is None:
                    break
                assert frame.pixels.ndim == 3
        except CaptureError as error:
            one_sentence(str(error))
        finally:
            clip.close()


@pytest.mark.parametrize("suffix", KINDS)
def test_every_kind_is_read_whole(suffix: str, tmp_path: Path) -> None:
    """What is damaged above is a video to begin with."""
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(CLIPS[suffix])
    clip = Clip(path, realtime=False)
    given = 0
    while clip.read() is not None:
        given += 1
    clip.close()
    assert given == 12


@pytest.mark.parametrize("suffix", KINDS)
def test_a_title_that_is_not_utf_8_is_no_reason_to_refuse_a_video(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(CLIPS[suffix].replace(b"Lavf", b"L\xe9vf"))
    clip = Clip(path, realtime=False)
    assert clip.read() is not None
    clip.close()


@FUZZ
@given(damaged([*CLIPS.values(), b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"\x89PNG\r\n\x1a\n"]))
def test_videos_taken_for_pictures(data: bytes) -> None:
    try:
        pixels = decode_picture(data, "a")
    except PictureError as error:
        one_sentence(str(error))
        return
    assert pixels.ndim == 3
