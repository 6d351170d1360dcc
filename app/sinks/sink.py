"""The contract of everything that takes frames."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from app.frame import Frame


class Sink(Protocol):
    """Takes finished (swapped and marked) frames. Open when constructed. Used by one thread."""

    @property
    def name(self) -> str:
        """What the user sees, e.g. the file name."""

    def write(self, frame: Frame) -> None:
        """Take one frame; raises ``SinkError`` where it cannot."""

    def close(self) -> None:
        """Finish: after it a file is whole and in its place. May be called twice."""

    def abort(self) -> None:
        """Give up: nothing half-written stays behind. May be called twice, and after close."""


class Seal(Protocol):
    """Puts a statement of origin into finished files. Used by several threads."""

    def data(self, data: bytes, suffix: str) -> bytes:
        """A picture file's bytes with the statement; ``suffix`` names its format.

        ``SinkError`` where it cannot be put in.
        """

    def file(self, path: Path, suffix: str) -> None:
        """The same to a file in its place; where it fails (``SinkError``) the file is as it was."""
