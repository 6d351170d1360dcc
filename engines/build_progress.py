"""How far a build is, how long it took and may still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.tensorrt_plan import BuildCancelledError

# Rough shares of the time one model takes.
_STAGES = {"reading": 0.0, "casting": 0.1, "building": 0.35, "checking": 0.8}
_SURE_SHARE, _SURE_S = 0.05, 1.0  # from which on the time left is estimated


@dataclass(frozen=True)
class Progress:
    """How far the whole build is: ``share`` 0 to 1, times in seconds (None: not known yet)."""

    model: str
    number: int
    count: int
    stage: str
    share: float
    elapsed_s: float
    remaining_s: float | None


class Clock:
    """Turns the stages of models of these sizes into one share, and tells it."""

    def __init__(
        self, sizes: Sequence[int], told: Callable[[Progress], None], cancelled: Callable[[], bool]
    ) -> None:
        self._sizes = [max(1, size) for size in sizes]
        self._told, self._cancelled = told, cancelled
        self._began = time.monotonic()
        self._number, self._done, self._share = 0, 0, 0.0
        self._model, self._stage = "", "reading"

    def begin(self, model: str) -> None:
        """The next model."""
        self._number, self._model = self._number + 1, model
        self.stage("reading")

    def stage(self, stage: str) -> None:
        """A new stage; ``BuildCancelledError`` where the user has had enough."""
        self._stage = stage
        if not self._tell(_STAGES[stage]):
            raise BuildCancelledError

    def step(self, share: float) -> bool:
        """A step within ``building``; whether to go on."""
        start, end = _STAGES["building"], _STAGES["checking"]
        return self._tell(start + share * (end - start))

    def end(self) -> None:
        """The model is done, however it went."""
        self._done += self._sizes[self._number - 1]
        self._tell(0.0)

    def _tell(self, part: float) -> bool:
        share = (self._done + part * self._sizes[self._number - 1]) / sum(self._sizes)
        self._share = min(1.0, max(self._share, share))  # a second attempt does not go back
        elapsed = time.monotonic() - self._began
        known = self._share >= _SURE_SHARE and elapsed >= _SURE_S
        left = elapsed * (1 - self._share) / self._share if known else None
        self._told(
            Progress(
                self._model,
                self._number,
                len(self._sizes),
                self._stage,
                self._share,
                elapsed,
                left,
            )
        )
        return not self._cancelled()
