"""A small file that is replaced in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FOR_ITS_OWNER = 0o600
AS_ANY_FILE = 0o666  # less the umask
MOST_OF_THE_NAME = 40  # characters of it in the temporary one, which must not be too long either


def write_atomically(path: Path, data: bytes, mode: int = FOR_ITS_OWNER) -> None:
    """Replace ``path`` by ``data`` in one step, synced to the disk; ``mode`` as of ``os.open``.

    ``OSError`` where the disk refuses; then the old file stays and nothing new is left behind.
    """
    part = path.with_name(f".{path.name[:MOST_OF_THE_NAME]}.{secrets.token_hex(8)}")
    stream = open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
    try:
        with stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # there only where it did not take the old file's place
