"""The contract of everything that takes frames."""

from __future__ import annotations

from typing import Protocol

from app.frame import Frame


class Sink(Protocol):
    """Takes finished (swapped and marked) frames. Open when constructed. Used by one thread."""

    @property
    def name(self) -> str:
        """What the user sees, e.g. the file name."""

    @property
    def closing_s(self) -> float:
        """How long ``close`` may take where all is well, in seconds; a file may be copied in it."""

    def write(self, frame: Frame) -> None:
        """Take one frame; raises ``SinkError`` where it cannot."""

    def close(self) -> None:
        """Finish: after it a file is whole and in its place. May be called twice."""

    def abort(self) -> None:
        """Give up: nothing half-written stays behind. May be called twice, and after close."""
