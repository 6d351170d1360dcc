"""A network that runs where its tensors already are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engines.backend import TensorSpec, closed, shape_text
from engines.device.driver import Address, Stream
from engines.errors import EngineError
from engines.swapper import GeneratorLayout


class DeviceNetwork(Protocol):
    """A loaded network of fixed shapes; used by the thread that owns the device.

    ``enqueue`` puts one run on ``stream`` and returns without waiting for it. It raises
    ``EngineError`` where the run cannot be put there.
    """

    @property
    def name(self) -> str:
        """Runtime and device, e.g. ``TensorRT-RTX 1.7, NVIDIA GeForce RTX 4090``."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs, every axis known, float32 or float16."""

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs, likewise."""

    @property
    def capturable(self) -> bool:
        """Whether ``enqueue`` may become part of a captured graph."""

    def enqueue(self, stream: Stream, bindings: Mapping[str, Address]) -> None:
        """Run once on the device memory given for every input and output."""

    def close(self) -> None:
        """Free the network; may be called twice."""


class DetectorNetworks(Protocol):
    """The detector for each size of canvas it is asked for."""

    def network(self, width: int, height: int) -> DeviceNetwork | None:
        """Takes ``1 x 3 x height x width``; ``None`` where this size was not prepared."""

    def close(self) -> None:
        """Free all of them; may be called twice."""


@dataclass(frozen=True)
class DeviceNetworks:
    """The networks of one chain; ``layout`` says how the generator is fed.

    ``generator`` takes one face; ``at_once`` are the same for several faces in one run, by their
    number, whose tensors follow each other.
    """

    detector: DetectorNetworks
    generator: DeviceNetwork
    layout: GeneratorLayout
    at_once: Mapping[int, DeviceNetwork] = field(default_factory=dict)

    def runs(self, count: int) -> list[tuple[int, DeviceNetwork]]:
        """For ``count`` faces: the first face of each run and its network, as few as there can be.

        No face is swapped that is not there.
        """
        found, first = [], 0
        while first < count:
            size = max((n for n in self.at_once if n <= count - first), default=1)
            found.append((first, self.at_once.get(size, self.generator)))
            first += size
        return found

    def close(self) -> None:
        """Free all of them; may be called twice."""
        self.detector.close()
        for network in self.at_once.values():
            network.close()
        self.generator.close()


class ContextNetwork:
    """TensorRT and TensorRT-RTX: an execution context whose engine has fixed shapes.

    ``context`` is the runtime's ``IExecutionContext``, of which only ``set_tensor_address`` and
    ``execute_async_v3`` are used, so that this file imports neither runtime. ``may_capture`` is
    asked before each run; a run outside of a capture comes first, which the chain sees to.
    ``on_close`` is called once the context is gone.
    """

    def __init__(
        self,
        name: str,
        context: Any,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        may_capture: Callable[[Any], bool] = lambda context: True,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        for spec in (*inputs, *outputs):
            if None in spec.shape:
                raise EngineError(
                    f"{name} has {spec.name} of shape {shape_text(spec.shape)}; on the device every"
                    " axis must be fixed.",
                    "Build the engine again.",
                )
        self.name, self._context = name, context
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._may_capture, self._on_close = may_capture, on_close

    @property
    def capturable(self) -> bool:
        """Whether the next run may become part of a captured graph."""
        return self._context is not None and self._may_capture(self._context)

    def enqueue(self, stream: Stream, bindings: Mapping[str, Address]) -> None:
        """Set every address, then put one run on ``stream``."""
        if self._context is None:
            raise closed(self.name)
        for spec in (*self.inputs, *self.outputs):
            if not self._context.set_tensor_address(spec.name, bindings[spec.name]):
                raise EngineError(f"{self.name} refuses the memory given for {spec.name}.")
        if not self._context.execute_async_v3(stream):
            raise EngineError(f"{self.name} cannot be started.", "Build the engine again.")

    def close(self) -> None:
        """Let the context go, then what it came from."""
        self._context = None
        self._on_close()
