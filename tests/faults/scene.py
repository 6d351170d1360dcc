"""What a fault test looks at: a session, its output, and waiting for what must come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.errors import AppError
from app.session import Session, State
from app.slates import slate_pixels
from tests.helpers.ports import FakePort
from tests.helpers.sentences import one_sentence

LIMIT_S = 30.0  # for anything to happen: generous, since nothing is timed


@dataclass(frozen=True)
class Scene:
    """A session and the devices its output opened, the first one first."""

    session: Session
    ports: list[FakePort]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.002)

    def until(self, state: State) -> None:
        """Wait for a state."""
        self.wait_for(lambda: self.session.status().state is state)

    def running(self, frames: int = 4) -> None:
        """Wait until so many frames more were processed."""
        before = self.session.status().timing.frames
        self.wait_for(lambda: self.session.status().timing.frames >= before + frames)

    def shows_slate(self, words: tuple[str, str]) -> None:
        """Wait until the output shows a slate and see that it stays so."""
        wanted, port = slate_pixels(64, 48, *words), self.ports[-1]
        self.wait_for(lambda: bool(port.sent) and np.array_equal(port.sent[-1], wanted))
        start = len(port.sent)
        later = port.wait_for(lambda sent: len(sent) >= start + 5)[start:]
        assert all(np.array_equal(picture, wanted) for picture in later)

    def failed(self, part: str) -> AppError:
        """Wait for the end; the one sentence that says why, in which ``part`` is."""
        self.until(State.FAILED)
        problem = self.session.status().problem
        assert problem is not None
        one_sentence(str(problem))
        assert part in str(problem)
        return problem
