"""A network for any driver: its tensors come down, a backend on the host runs, and they go up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.backend import Backend, TensorSpec
from engines.device.driver import Address, Driver, Pinned, Stream
from engines.device.workspace import size_of


class RoundTripNetwork:
    """Slow, and right on every device: to test the chain where no runtime for the device is."""

    capturable = False  # it waits for its stream

    def __init__(
        self, driver: Driver, backend: Backend, shapes: Mapping[str, tuple[int, ...]] | None = None
    ) -> None:
        self._driver, self._backend = driver, backend
        self.name = f"{backend.name}, there and back"
        given = shapes or {}
        self.inputs = [
            TensorSpec(s.name, given.get(s.name, tuple(n or 1 for n in s.shape)), s.dtype)
            for s in backend.inputs
        ]
        shown = backend.run({s.name: np.zeros(s.shape, s.dtype) for s in self.inputs})
        self.outputs = [TensorSpec(s.name, shown[s.name].shape, s.dtype) for s in backend.outputs]
        self._memory: dict[str, Pinned] = {
            s.name: driver.pinned(size_of(s)) for s in (*self.inputs, *self.outputs)
        }
        self._done = driver.event()

    def enqueue(self, stream: Stream, bindings: Mapping[str, Address]) -> None:
        """One run; waits for what is on the stream."""
        driver = self._driver
        for spec in self.inputs:
            driver.download(self._memory[spec.name], bindings[spec.name], size_of(spec), stream)
        self._wait(stream)
        tensors = {s.name: self._view(s).copy() for s in self.inputs}
        for name, tensor in self._backend.run(tensors).items():
            spec = next(s for s in self.outputs if s.name == name)
            self._view(spec)[...] = tensor
            driver.upload(bindings[name], self._memory[name], size_of(spec), stream)
        self._wait(stream)  # the memory may be written again by the next run

    def close(self) -> None:
        """The backend is the test's."""

    def _view(self, spec: TensorSpec) -> np.ndarray:
        return self._memory[spec.name].array.view(spec.dtype).reshape(spec.shape)

    def _wait(self, stream: Stream) -> None:
        self._driver.record(self._done, stream)
        self._driver.synchronize(self._done)


class RoundTripDetectors:
    """The detector for every canvas."""

    def __init__(self, driver: Driver, backend: Backend) -> None:
        self._driver, self._backend = driver, backend

    def network(self, width: int, height: int) -> RoundTripNetwork:
        """One of that size."""
        shape = {self._backend.inputs[0].name: (1, 3, height, width)}
        return RoundTripNetwork(self._driver, self._backend, shape)

    def close(self) -> None:
        """The backend is the test's."""
