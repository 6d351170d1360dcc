"""The copy in which a file is signed: hidden beside it, and no rest of it stays after a kill.

It is held locked while it is written. Locks end with the process, however it ends, so that the next
signing in the same folder can tell a rest from a copy somebody else is at work on.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from engines.atomic_file import MOST_OF_THE_NAME

_OURS = re.compile(r"\..+\.[0-9a-f]{8}\.signing")


@contextlib.contextmanager
def signing_copy(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """An empty file beside ``path`` and where it lies; it is gone afterwards unless it was moved.

    What a kill left in the same folder is removed first. ``OSError`` where it cannot be created.
    """
    _sweep(path.parent)
    place, file = _new(path)
    try:
        with file:
            yield place, file
    finally:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)


def _new(path: Path) -> tuple[Path, IO[bytes]]:
    while True:
        place = path.with_name(f".{path.name[:MOST_OF_THE_NAME]}.{secrets.token_hex(4)}.signing")
        file = place.open("x+b")
        try:
            _lock(file)
            ours = sys.platform == "win32" or os.fstat(file.fileno()).st_nlink > 0
        except BlockingIOError:  # somebody sweeps, and has it
            ours = False
        except OSError:  # a file system without locks: no sweep takes it there
            ours = True
        if ours:
            return place, file
        file.close()


def _sweep(folder: Path) -> None:
    """Remove the copies in ``folder`` that nobody holds."""
    with contextlib.suppress(OSError):
        for found in folder.iterdir():
            if _OURS.fullmatch(found.name):
                _remove(found)


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        """Nothing to do: a file that is open cannot be removed there (``PermissionError``)."""

    def _remove(rest: Path) -> None:
        with contextlib.suppress(OSError):
            rest.unlink()

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        """Take it, or raise ``OSError`` at once."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _remove(rest: Path) -> None:
        with contextlib.suppress(OSError), rest.open("r+b") as file:
            _lock(file)
            rest.unlink()
