"""Backends whose answers a test sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engines.backend import TensorSpec
from engines.errors import EngineError

Answer = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


class ScriptedBackend:
    """Answers each call with ``answer(tensors)``; counts runs and knows whether it was closed."""

    def __init__(
        self,
        answer: Answer,
        *,
        name: str = "scripted, CPU",
        inputs: Sequence[TensorSpec] = (),
        outputs: Sequence[TensorSpec] = (),
    ) -> None:
        self._answer = answer
        self.name = name
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.runs, self.closed = 0, False

    def run(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the test wants; ``EngineError`` once closed."""
        if self.closed:
            raise EngineError(f"{self.name} was closed and cannot run.")
        self.runs += 1
        return self._answer(dict(tensors))

    def close(self) -> None:
        """Remember it."""
        self.closed = True
