"""A file under a temporary name that keeps its first failure to itself until it is asked."""

from __future__ import annotations

import os
from pathlib import Path


class OutputFile:
    """What FFmpeg's MP4 writer writes into.

    Its clean-up after a failed write may crash the process (seen with FFmpeg 8 and a full disk), so
    no failure is shown to it: after the first one ``error`` is set and nothing more is written.
    ``OSError`` where the file cannot be created, or is there already.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._path = path
        self._size = 0
        self.error: OSError | None = None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    @property
    def bytes_written(self) -> int:
        """The file's size."""
        return self._size

    def write(self, data: bytes) -> int:
        """Write all of ``data``, or keep the failure."""
        rest = memoryview(data)
        try:
            while self.error is None and rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
        else:
            self._size = max(self._size, self._file.tell())
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def finish(self) -> Path:
        """Close the finished file: where it lies; ``OSError`` where the disk refuses."""
        os.fsync(self._file.fileno())
        self._file.close()
        return self._path

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)
