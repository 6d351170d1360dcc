"""A network whose backend can be replaced while it is in use."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from engines.backend import Backend, Shapes, Tensor, TensorSpec
from engines.errors import EngineError
from engines.manifest import ModelFile


class Slot:
    """A ``Backend`` that passes everything on to the one it holds.

    ``role`` is the network's part in the chain (``detector``, ``swapper``, ...), ``runtime`` the
    name of what runs it now; ``file`` and ``warm`` are what another backend for it is opened with.
    ``run`` belongs to one thread at a time; ``replace`` and ``close`` may come from another one.
    """

    def __init__(
        self, role: str, file: ModelFile, warm: Sequence[Shapes], runtime: str, backend: Backend
    ) -> None:
        self.role, self.file, self.warm = role, file, warm
        self._runtime, self._backend = runtime, backend
        self._inputs, self._outputs = tuple(backend.inputs), tuple(backend.outputs)
        self._lock = threading.Lock()  # held while it runs: nothing is closed under a run
        self._closed = False

    @property
    def runtime(self) -> str:
        """Name of the runtime in use."""
        return self._runtime

    @property
    def name(self) -> str:
        """Runtime and device in use, as shown to the user."""
        return self._backend.name

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs; the same for every backend it will hold."""
        return self._inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs; the same for every backend it will hold."""
        return self._outputs

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once on the backend held when the call begins."""
        with self._lock:
            return self._backend.run(tensors)

    def replace(self, runtime: str, backend: Backend) -> None:
        """From the next ``run`` on use ``backend`` (open and warmed), and close the one before.

        Waits for a run under way; a run that comes meanwhile waits for no more than an assignment.
        ``EngineError`` where the tensors differ or this slot was closed: ``backend`` is closed then
        and the old one stays.
        """
        fitting = _alike(self._inputs, backend.inputs) and _alike(self._outputs, backend.outputs)
        old = backend
        if fitting:
            with self._lock:
                if not self._closed:
                    old, self._backend, self._runtime = self._backend, backend, runtime
        old.close()
        if old is backend:
            reason = "it was closed" if fitting else f"{backend.name} has other inputs or outputs"
            raise EngineError(f"The engine of the {self.role} cannot be changed: {reason}.")

    def close(self) -> None:
        """Close the backend held; may be called twice."""
        with self._lock:
            self._closed = True
            self._backend.close()


def _alike(these: Sequence[TensorSpec], those: Sequence[TensorSpec]) -> bool:
    """Whether names, types and numbers of axes agree; an axis unknown to one side may differ."""
    return len(these) == len(those) and all(
        a.name == b.name
        and a.dtype == b.dtype
        and len(a.shape) == len(b.shape)
        and all(x == y or x is None or y is None for x, y in zip(a.shape, b.shape, strict=True))
        for a, b in zip(these, those, strict=True)
    )
