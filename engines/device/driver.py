"""What the chain needs of a GPU: memory, streams, events, copies, launches and captured graphs.

The semantics are CUDA's. Work on one stream runs in order; work on two streams has no order but
what events give it; nothing has happened for the host before ``synchronize``. Two implementations
exist: CUDA's own (``cuda_driver``), and an emulation in the tests that runs the work in random
order, executes the very same kernels on the CPU and refuses every access that no event orders.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import NewType, Protocol

import numpy as np
from numpy.typing import NDArray

Stream = NewType("Stream", int)  # CUDA's handle, as engines take it
Event = NewType("Event", int)
Graph = NewType("Graph", int)
Address = int  # in device memory
Argument = ctypes.c_void_p | ctypes.c_int | ctypes.c_float
THREADS = 256  # a block, for every kernel


class Memory(Protocol):
    """A piece of device memory; freed with its driver, or by ``free``."""

    @property
    def address(self) -> Address:
        """Where it starts."""

    @property
    def size(self) -> int:
        """Bytes."""

    def free(self) -> None:
        """Give it back; no work may be under way on it. May be called twice."""


class Pinned(Protocol):
    """Page-locked host memory, which the device copies from and to by itself.

    Read ``array`` anew each time the host touches the memory: that is where an emulation checks
    that the device is done with it.
    """

    @property
    def array(self) -> NDArray[np.uint8]:
        """All its bytes, writable."""

    @property
    def size(self) -> int:
        """Bytes."""

    def free(self) -> None:
        """As ``Memory.free``."""


class Driver(Protocol):
    """One device. Used by one thread at a time, which calls ``claim`` first.

    Every call raises ``EngineError`` where the device refuses.
    """

    @property
    def name(self) -> str:
        """The device, e.g. ``NVIDIA GeForce RTX 4090``."""

    def claim(self) -> None:
        """Make the device current for the calling thread."""

    def stream(self) -> Stream:
        """A new stream."""

    def event(self) -> Event:
        """A new event; waiting for one that was never recorded does nothing."""

    def memory(self, size: int) -> Memory:
        """New device memory, all 0."""

    def pinned(self, size: int) -> Pinned:
        """New page-locked memory."""

    def upload(self, target: Address, source: Pinned, size: int, stream: Stream) -> None:
        """Copy the first ``size`` bytes of ``source`` to the device."""

    def download(self, target: Pinned, source: Address, size: int, stream: Stream) -> None:
        """Copy ``size`` bytes of the device to the start of ``target``."""

    def zero(self, target: Address, size: int, stream: Stream) -> None:
        """Fill with 0."""

    def launch(
        self,
        kernel: str,
        threads: int,
        rows: int,
        arguments: Sequence[Argument],
        stream: Stream,
    ) -> None:
        """Run a kernel on at least ``threads`` threads across and ``rows`` blocks down."""

    def record(self, event: Event, stream: Stream) -> None:
        """Mark what was put on ``stream`` so far."""

    def wait(self, event: Event, stream: Stream) -> None:
        """``stream`` goes on after what ``event`` last marked."""

    def synchronize(self, event: Event) -> None:
        """The host goes on after what ``event`` last marked."""

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """What ``work`` puts on ``stream``, kept instead of run."""

    def replay(self, graph: Graph, stream: Stream) -> None:
        """Put a captured graph on ``stream``."""

    def close(self) -> None:
        """Wait for all work and free everything; may be called twice."""


def pointer(address: Address | None) -> Argument:
    """A kernel argument; ``None`` is a null pointer."""
    return ctypes.c_void_p(address)


def integer(value: int) -> Argument:
    """A kernel argument."""
    return ctypes.c_int(value)


def real(value: float) -> Argument:
    """A kernel argument of single precision."""
    return ctypes.c_float(value)
