"""One way to look at every live output: through whatever a person would use for it."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from app.frame import Pixels


class Viewer(Protocol):
    """Somebody who watches an output."""

    def read(self) -> Pixels | None:
        """The next picture; None at the end."""

    def end(self) -> None:
        """Make a waiting ``read`` return None."""

    def close(self) -> None:
        """Leave."""


class Watching:
    """A viewer's thread; ``pictures`` are all it saw, in order."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._changed = threading.Condition()
        self.pictures: list[Pixels] = []
        self._thread = threading.Thread(target=self._run, name="viewer")
        self._thread.start()

    def wait_for(self, wanted: Pixels, tolerance: float = 4.0) -> None:
        """Wait until the newest picture looks like ``wanted``."""

        def alike() -> bool:
            return bool(self.pictures) and difference(self.pictures[-1], wanted) < tolerance

        with self._changed:
            assert self._changed.wait_for(alike, 30), f"{len(self.pictures)} pictures, none alike"

    def close(self) -> None:
        self._viewer.end()
        self._thread.join()
        self._viewer.close()

    def _run(self) -> None:
        while True:
            try:
                pixels = self._viewer.read()
            except OSError:
                return
            if pixels is None:
                return
            with self._changed:
                self.pictures.append(pixels)
                self._changed.notify_all()


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference in grey levels; 255 for other sizes."""
    if one.shape != other.shape:
        return 255.0
    return float(np.abs(one.astype(np.int16) - other).mean())
