"""Backends whose answers a test sets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

import numpy as np
import pytest

from engines.backend import Backend, TensorSpec
from engines.errors import EngineError

# Looked for, not imported: a plain import of it sends an event to its maker.
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="the [openvino] extra is not installed"
)

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


class WrappedBackend:
    """Another backend made slower by ``wait_s`` a run, and wrong by ``shift`` in every value."""

    def __init__(self, backend: Backend, *, wait_s: float = 0.0, shift: float = 0.0) -> None:
        self._backend, self._wait_s, self._shift = backend, wait_s, shift
        self.inputs, self.outputs = backend.inputs, backend.outputs
        self.name = f"wrapped {backend.name}"
        self.runs, self.closed = 0, False

    def run(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Wait, run, shift."""
        self.runs += 1
        if self._wait_s:
            threading.Event().wait(self._wait_s)
        found = self._backend.run(tensors)
        return {name: value + np.float32(self._shift) for name, value in found.items()}

    def close(self) -> None:
        """Close the one within."""
        self.closed = True
        self._backend.close()
