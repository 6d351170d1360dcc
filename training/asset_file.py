"""What an export leaves on the disk: a network, or the list of them."""

from __future__ import annotations

from pathlib import Path

from engines.atomic_file import write_atomically

READABLE = 0o644  # by everybody: a temporary file is its owner's alone


def write_asset(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` whole or not at all, in a folder that is made where needed.

    ``OSError`` where the disk refuses; then the old file stays and nothing new is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    path.chmod(READABLE)
