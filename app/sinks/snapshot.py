"""One finished picture to a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2

from app.errors import SinkError
from app.frame import Pixels
from app.sinks.seal import Seal
from engines.atomic_file import AS_ANY_FILE, write_atomically

OPTIONS: dict[str, list[int]] = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 92],
}


def save_snapshot(path: Path, pixels: Pixels, seal: Seal | None = None) -> None:
    """Write BGR ``pixels`` in the suffix's format, sealed; ``SinkError`` where it cannot."""
    options = OPTIONS.get(path.suffix.lower())
    if options is None:
        raise SinkError(
            f"{path.name} ends in {path.suffix or 'nothing'}: pictures are saved as PNG, JPEG or "
            "WebP.",
            "Choose a name that ends in .png, .jpg or .webp.",
        )
    try:
        done, data = cv2.imencode(path.suffix.lower(), pixels, options)
    except cv2.error:
        done = False
    if not done:  # a WebP of more than 16383 pixels a side, a JPEG of more than 65535
        raise SinkError(
            f"{path.name} cannot hold a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels.",
            "Save it as PNG.",
        )
    written = data.tobytes()
    if seal is not None:
        written = seal.data(written, path.suffix)
    try:
        write_atomically(path, written, AS_ANY_FILE)
    except OSError as error:
        raise SinkError(
            f"{path} cannot be written ({error.strerror or error}).", "Choose another place."
        ) from error
