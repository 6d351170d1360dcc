"""What is put on finished files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Seal(Protocol):
    """Puts a statement of origin into finished files. Used by several threads."""

    @property
    def due(self) -> bool:
        """Whether a file that is finished now gets one."""

    def data(self, data: bytes, suffix: str) -> bytes:
        """A picture file's bytes with the statement; ``suffix`` names its format.

        ``SinkError`` where it cannot be put in.
        """

    def file(self, path: Path, suffix: str) -> None:
        """The same to a file in its place; where it fails (``SinkError``) the file is as it was."""


@dataclass(frozen=True)
class SealIfAltered:
    """Says "made with AI" of no recording in which nothing was."""

    seal: Seal
    altered: threading.Event

    @property
    def due(self) -> bool:
        """As ``Seal``."""
        return self.seal.due and self.altered.is_set()

    def data(self, data: bytes, suffix: str) -> bytes:
        """As ``Seal``."""
        return self.seal.data(data, suffix) if self.due else data

    def file(self, path: Path, suffix: str) -> None:
        """As ``Seal``."""
        if self.due:
            self.seal.file(path, suffix)
