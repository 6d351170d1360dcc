"""Every kind of picture a user may bring gives pixels or one sentence."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from app.errors import PictureError
from app.pictures import (
    FORMATS,
    MAX_SIDE,
    decode_picture,
    is_picture,
    is_picture_name,
    read_picture,
)

WIDTH, HEIGHT = 24, 16


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def red_over_blue() -> Image.Image:
    """Top half red, bottom half blue."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, WIDTH, HEIGHT // 2))
    return image


@pytest.mark.parametrize("form", FORMATS)
def test_formats_give_upright_bgr(form: str) -> None:
    pixels = decode_picture(encoded(red_over_blue(), form), "a")
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert pixels[2, 12, 2] > 200 > 60 > pixels[2, 12, 0]  # red on top
    assert pixels[13, 12, 0] > 200 > 60 > pixels[13, 12, 2]  # blue below


def sixteen_bit_grey() -> bytes:
    ramp = np.full((HEIGHT, WIDTH), 0x8000, np.uint16)
    return encoded(Image.fromarray(ramp), "PNG")


def float_grey() -> bytes:
    return encoded(Image.fromarray(np.full((HEIGHT, WIDTH), 0.5, np.float32)), "TIFF")


def integer_grey() -> bytes:
    return encoded(Image.fromarray(np.full((HEIGHT, WIDTH), 0x8000, np.int32)), "TIFF")


def palette() -> bytes:
    return encoded(Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).quantize(4), "PNG")


def palette_transparent() -> bytes:
    image = Image.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette([255, 0, 0] * 256)
    return encoded(image, "PNG", transparency=0)


def transparent() -> bytes:
    return encoded(Image.new("RGBA", (WIDTH, HEIGHT), (255, 0, 0, 0)), "PNG")


def grey_alpha() -> bytes:
    return encoded(Image.new("LA", (WIDTH, HEIGHT), (255, 0)), "PNG")


def grey() -> bytes:
    return encoded(Image.new("L", (WIDTH, HEIGHT), 128), "PNG")


def cmyk() -> bytes:
    return encoded(Image.new("CMYK", (WIDTH, HEIGHT), (0, 0, 0, 127)), "JPEG")


def cmyk_tiff() -> bytes:
    return encoded(Image.new("CMYK", (WIDTH, HEIGHT), (0, 0, 0, 127)), "TIFF")


def profiled() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(Image.new("RGB", (WIDTH, HEIGHT), (128,) * 3), "JPEG", icc_profile=profile)


def broken_profile() -> bytes:
    return encoded(Image.new("RGB", (WIDTH, HEIGHT), (128,) * 3), "JPEG", icc_profile=b"none")


def broken_exif() -> bytes:
    return encoded(Image.new("RGB", (WIDTH, HEIGHT), (128,) * 3), "JPEG", exif=b"Exif\0\0MM\0*\xff")


@pytest.mark.parametrize(
    "make",
    [
        sixteen_bit_grey,
        float_grey,
        integer_grey,
        palette,
        palette_transparent,
        transparent,
        grey_alpha,
        grey,
        cmyk,
        cmyk_tiff,
        profiled,
        broken_profile,
        broken_exif,
    ],
)
def test_odd_kinds_become_plain_grey(make: Callable[[], bytes]) -> None:
    pixels = decode_picture(make(), "a")
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels.astype(int) - 128).max() <= 2


def test_one_bit_picture() -> None:
    assert decode_picture(encoded(Image.new("1", (4, 4), 1), "PNG"), "a").min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    upright = red_over_blue()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_picture(encoded(stored, "PNG", exif=exif), "a")
    assert np.array_equal(pixels, np.asarray(upright)[:, :, ::-1])


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), c) for c in ((255, 0, 0), (0, 255, 0))]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=50)
    pixels = decode_picture(data, "a")
    assert pixels[..., 2].min() > 200
    assert pixels[..., 1].max() < 60


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


REFUSED: list[tuple[str, bytes, str]] = [
    ("empty", b"", "is empty"),
    ("text", b"Dear reader,\n" * 99, "not a picture"),
    ("zip", b"PK\x03\x04" + bytes(99), "not a picture"),
    ("eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ("heic", bytes(4) + b"ftypheic" + bytes(99), "HEIC"),
    ("zero width", png_of_size(0, 8), "."),
    ("bomb", png_of_size(60_000, 60_000), "pixels"),
    ("big", png_of_size(10_000, 9_000), "10000 x 9000"),
    ("ribbon", png_of_size(MAX_SIDE + 1, 1), str(MAX_SIDE)),
    ("no data", png_of_size(100, 100), "damaged"),
    ("head only", b"\x89PNG\r\n\x1a\n", "."),
    ("jpeg head", b"\xff\xd8\xff\xe0", "."),
]


@pytest.mark.parametrize(("data", "part"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_bad_picture_gets_one_sentence(data: bytes, part: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(data, "face.png")
    assert part in str(caught.value)
    assert "face.png" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_picture_is_refused(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), form)
    with pytest.raises(PictureError):
        decode_picture(data[: int(len(data) * share)], "a")


SEEDS = [
    encoded(red_over_blue(), form) for form in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM")
]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    end=st.floats(0.2, 1),
)
def test_altered_bytes_give_pixels_or_a_sentence(
    seed: bytes, changes: list[tuple[float, int]], end: float
) -> None:
    data = bytearray(seed[: max(1, int(len(seed) * end))])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        pixels = decode_picture(bytes(data), "a")
    except PictureError:
        return
    assert pixels.ndim == 3


def test_paths_that_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match="no file"):
        read_picture(tmp_path / "none.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(PictureError, match="no ordinary file"):
            read_picture(tmp_path / "pipe.png")


@pytest.mark.parametrize("data", SEEDS)
def test_a_picture_without_suffix_is_known_by_its_start(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "face").write_bytes(data)
    assert is_picture(tmp_path / "face")
    (tmp_path / "clip").write_bytes(bytes(99))
    assert not is_picture(tmp_path / "clip")
    assert not is_picture(tmp_path / "none")
    assert is_picture(tmp_path / "none.png")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SEEDS[0])

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(PictureError, match="Permission denied"):
        read_picture(path)


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "Größe 1.PNG"
    path.write_bytes(SEEDS[0])
    assert is_picture_name(path)
    assert not is_picture_name(tmp_path / "a.mp4")
    assert read_picture(path).shape == (HEIGHT, WIDTH, 3)


def test_an_unknown_suffix_is_judged_by_the_first_bytes(tmp_path: Path) -> None:
    for suffix in ("jpg_large", "download"):
        path = tmp_path / f"face.{suffix}"
        Image.new("RGB", (20, 20)).save(path, "JPEG")
        assert is_picture(path)
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    assert not is_picture(text)
    assert not is_picture(tmp_path / "none.download")
