"""Finds the fastest engine beside the running picture, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.errors import AppError
from app.paths import engines_path
from app.worker import Finished, Worker
from engines.loading import Engines
from engines.manifest import ModelStore
from engines.memory import Memory
from engines.tuning import Tuner

log = logging.getLogger(__name__)

DELAY_S = 2.0  # the first pictures come first


def tuner_for(engines: Engines, machine: str) -> Tuner:
    """The tuner of the user's own engines; ``machine`` names the processor."""
    return Tuner(engines, ModelStore(), engines.swapper.name, Memory(engines_path()), machine)


class EngineUpgrade:
    """Calls each ``improve(stop)`` once, in order, ``delay_s`` after ``start``, and ends.

    ``improve`` returns soon after ``stop`` is set. A failure leaves everything as it runs: the log
    says it, and the next one has its turn.
    """

    def __init__(
        self, *improve: Callable[[threading.Event], object], delay_s: float = DELAY_S
    ) -> None:
        self._improve, self._delay_s = improve, delay_s
        self._stop = threading.Event()
        self._worker = Worker("engines", self._step, self._ended)

    def start(self) -> None:
        """Begin; returns at once."""
        self._worker.start()

    def stop(self) -> None:
        """End it and wait; may be called twice."""
        self._stop.set()
        self._worker.join()

    def __enter__(self) -> EngineUpgrade:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _step(self) -> None:
        if not self._stop.wait(self._delay_s):
            for improve in self._improve:
                try:
                    improve(self._stop)
                except AppError as error:
                    log.warning("the engines stay as they are: %s", error)
        raise Finished

    @staticmethod
    def _ended(cause: BaseException | None) -> None:
        """A bug is in the log already; the picture goes on without the upgrade."""
