"""The log file: where the details of a bug go, so that no traceback reaches a user."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

LIMIT = 1_000_000  # bytes; then the file is moved aside once, to ``.1``


class LogFile(logging.Handler):
    """Appends each record to a file, which it opens only for that; a disk that refuses is ignored.

    ``working`` says whether the last record could be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.path = path
        self.working = True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > LIMIT:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(self.format(record) + "\n")
            self.working = True
        except OSError:
            self.working = False


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[LogFile]:
    """Send what the program logs to ``path``, and nothing to the terminal, within the block."""
    handler, root = LogFile(path), logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
