"""Reads any picture a user may bring, safely: BGR pixels, or one sentence that says why not.

Only plain raster formats are opened (never EPS or PDF, which start other programs), sizes are
checked before anything is decoded, and the result is always upright 8-bit sRGB without alpha.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from app.errors import PictureError
from app.frame import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".avif", ".jp2"),
)
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")
MAX_PIXELS = 80_000_000  # 240 MB decoded; phones give 12-50 million
MAX_SIDE = 32_000  # OpenCV's warps address pixels with 16 bits
MAX_BYTES = 256 * 1024 * 1024
GROUND = (128, 128, 128)  # behind transparent pixels
USABLE = "Use a PNG, JPEG or WebP picture."

# What Pillow's decoders raise on damaged data; each was seen when its test files were altered.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    AttributeError,
    NotImplementedError,  # Pillow, of a kind of compression or colours that it cannot read
    RuntimeError,
    struct.error,
    zlib.error,
)


def read_picture(path: Path) -> Pixels:
    """The picture at ``path`` as writable BGR; ``PictureError`` in one sentence."""
    return decode_picture(read_bytes(path), path.name)


def read_bytes(path: Path) -> bytes:
    """A picture file's bytes; ``PictureError`` where it is none or cannot be read."""
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder, not a picture.")
        if not path.exists():
            raise PictureError(f"There is no file {path}.")
        if not path.is_file():
            raise PictureError(f"{path} is no ordinary file.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PictureError(
                f"{path.name} has {size // 2**20} MB, the limit for a picture is "
                f"{MAX_BYTES // 2**20} MB.",
                "Save it smaller.",
            )
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror or error}).") from error


def decode_picture(data: bytes, name: str) -> Pixels:
    """The picture in ``data`` as writable BGR H x W x 3, contiguous; the first one of an animation.

    ``name`` is what the sentence of a ``PictureError`` calls it. Turned upright by its EXIF tag,
    16-bit and CMYK reduced to 8-bit sRGB, transparent parts laid on neutral grey.
    """
    if not data:
        raise PictureError(f"{name} is empty.", USABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags; the size is checked below
        with _opened(data, name) as image:
            return _pixels_of(image)


def _opened(data: bytes, name: str) -> Image.Image:
    """The picture, decoded, of a size that can be used."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image.size, name)
        image.load()
    except UnidentifiedImageError as error:
        raise PictureError(_unknown(data, name), USABLE) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{name} has far more pixels than can be used.", "Save it smaller."
        ) from error
    except MemoryError as error:
        raise PictureError(f"There is not enough memory for {name}.") from error
    except _DAMAGE as error:
        raise PictureError(
            f"{name} is damaged or cut off and cannot be read.", "Use an intact copy."
        ) from error
    return image


def is_picture_name(path: Path) -> bool:
    """Whether the file's suffix is that of a picture read here."""
    return path.suffix.lower() in SUFFIXES


def is_picture(path: Path) -> bool:
    """Whether the file is meant as a picture: by its suffix, else by its first bytes."""
    if is_picture_name(path) or not path.is_file():
        return is_picture_name(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    return start.startswith(MAGIC) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError(f"{name} is {width} x {height} pixels: there is nothing in it.")
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise PictureError(
            f"{name} is {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million and "
            f"{MAX_SIDE} on a side can be used.",
            "Save it smaller.",
        )


def _unknown(data: bytes, name: str) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return f"{name} is an HEIC picture, which cannot be read here."
    return f"{name} is not a picture that can be read here."


def _pixels_of(image: Image.Image) -> Pixels:
    upright: Image.Image = image
    with contextlib.suppress(*_DAMAGE):  # a broken EXIF block does not spoil the picture
        upright = ImageOps.exif_transpose(image)
    rgb = np.asarray(_to_rgb(upright), dtype=np.uint8)
    return np.ascontiguousarray(rgb[:, :, ::-1]).copy()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image).convert("RGB")
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return _managed(image) or image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey brought to 0-255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    top = float(values.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and 255 < top <= 65535):
        scale = 255 / 65535
    elif image.mode == "F" and top <= 1:
        scale = 255.0
    else:
        scale = 255 / top if top > 255 else 1.0
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def _managed(image: Image.Image) -> Image.Image | None:
    """The picture in sRGB by its own colour profile; None where it has none that works."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return None
    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *_DAMAGE):
        return None
