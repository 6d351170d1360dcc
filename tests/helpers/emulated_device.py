"""A device without a GPU: streams whose work runs late and in random order, and a strict judge.

``EmulatedDriver`` is the ``Driver`` contract over plain memory. What is put on a stream is kept and
run only when the host waits for it, or when chance says so; between streams the order is drawn at
random. Beside that, every copy, launch and touch by the host is checked with vector clocks: two of
them on the same memory, one of them writing, must be ordered by streams and events, whether or not
this run happened to do them in a bad order. ``OrderingError`` names the two.
"""

from __future__ import annotations

import ctypes
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, TensorSpec
from engines.device.driver import THREADS, Address, Argument, Event, Graph, Stream
from engines.device.sources import kernels
from tests.helpers import kernels_on_cpu

Clock = dict[int, int]  # what of each stream (and of the host, 0) has happened before
HOST = 0


class OrderingError(AssertionError):
    """Two accesses to the same memory that nothing orders."""


@dataclass
class Piece:
    """One allocation, on the host or on the device, and who touched it."""

    label: str
    data: NDArray[np.uint8]
    freed: bool = False
    written: tuple[str, int, int] | None = None  # by what, on which stream, its tick
    read: dict[int, tuple[str, int]] = field(default_factory=dict)  # last reader of each stream

    def check(self, what: str, at: int, clock: Clock, *, write: bool) -> None:
        """Note an access; ``OrderingError`` where an earlier one is not before it."""
        if self.freed:
            raise OrderingError(f"{what} touches {self.label}, which was freed")
        if self.written is not None:
            name, stream, tick = self.written
            if clock.get(stream, 0) < tick:
                raise OrderingError(f"{what} touches {self.label} before {name} is known done")
        if not write:
            self.read[at] = (what, clock[at])
            return
        for stream, (name, tick) in self.read.items():
            if clock.get(stream, 0) < tick:
                raise OrderingError(f"{what} writes {self.label} while {name} may still read it")
        self.written, self.read = (what, at, clock[at]), {}


@dataclass
class Operation:
    """Work on a stream: what it does, and what it reads and writes."""

    name: str
    work: Callable[[], None]
    reads: tuple[Piece, ...] = ()
    writes: tuple[Piece, ...] = ()


class EmulatedMemory:
    """Device memory."""

    def __init__(self, driver: EmulatedDriver, piece: Piece) -> None:
        self._driver, self._piece = driver, piece
        self.address: Address = piece.data.ctypes.data
        self.size = piece.data.size

    def free(self) -> None:
        """Free; everything on it must be known done."""
        if not self._piece.freed:
            self._driver.touch(self._piece, f"freeing {self._piece.label}")
            self._piece.freed = True


class EmulatedPinned:
    """Page-locked memory; looking at ``array`` counts as the host writing it."""

    def __init__(self, driver: EmulatedDriver, piece: Piece) -> None:
        self._driver, self.piece = driver, piece
        self.size = piece.data.size

    @property
    def array(self) -> NDArray[np.uint8]:
        """The bytes."""
        self._driver.touch(self.piece, "the host")
        return self.piece.data

    def free(self) -> None:
        """Free, likewise."""
        if not self.piece.freed:
            self._driver.touch(self.piece, f"freeing {self.piece.label}")
            self.piece.freed = True


class EmulatedDriver:
    """The contract of ``Driver``; ``seed`` draws the order in which streams move."""

    name = "emulated device"

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._queues: dict[int, deque[tuple[str, object]]] = {}
        self._clocks: dict[int, Clock] = {HOST: {HOST: 1}}
        self._events: dict[int, Clock] = {}  # the clock of what each event last marked
        self._recorded: dict[int, int] = {}  # how often each event was put on a stream
        self._reached: dict[int, int] = {}  # how often it was run
        self._graphs: dict[int, list[Operation]] = {}
        self._capturing: list[Operation] | None = None
        self._pieces: dict[int, Piece] = {}
        self._last = 0
        self.launched: list[str] = []
        self.replayed = 0
        self.closed = False

    def _number(self) -> int:
        self._last += 1
        return self._last

    def claim(self) -> None:
        """Nothing to do."""

    def stream(self) -> Stream:
        number = self._number()
        self._queues[number], self._clocks[number] = deque(), {number: 0}
        return Stream(number)

    def event(self) -> Event:
        number = self._number()
        self._recorded[number] = self._reached[number] = 0
        return Event(number)

    def memory(self, size: int) -> EmulatedMemory:
        return EmulatedMemory(self, self._piece("device", size))

    def pinned(self, size: int) -> EmulatedPinned:
        return EmulatedPinned(self, self._piece("pinned", size))

    def _piece(self, kind: str, size: int) -> Piece:
        piece = Piece(f"{kind} memory {len(self._pieces)}", np.zeros(max(size, 1), np.uint8)[:size])
        self._pieces[piece.data.ctypes.data] = piece
        return piece

    def at(self, address: Address) -> tuple[Piece, int]:
        """The piece of device memory that holds ``address``, and how far into it."""
        start = max((s for s in self._pieces if s <= address), default=None)
        assert start is not None, "an address that was never given out"
        piece, offset = self._pieces[start], address - start
        assert offset < piece.data.size, "an address beyond its memory"
        return piece, offset

    def bytes_at(self, address: Address, size: int) -> NDArray[np.uint8]:
        """A view of device memory, for work that runs on a stream."""
        piece, offset = self.at(address)
        assert offset + size <= piece.data.size, f"{size} bytes reach beyond {piece.label}"
        return piece.data[offset : offset + size]

    def in_use(self) -> list[str]:
        """What was given out and not given back."""
        return [piece.label for piece in self._pieces.values() if not piece.freed]

    def touch(self, piece: Piece, what: str) -> None:
        """The host reads and writes a piece."""
        clock = self._clocks[HOST]
        clock[HOST] += 1
        piece.check(what, HOST, clock, write=True)

    def upload(self, target: Address, source: EmulatedPinned, size: int, stream: Stream) -> None:
        to = self.bytes_at(target, size)

        def copy() -> None:
            to[:] = source.piece.data[:size]

        self.push(Operation("an upload", copy, (source.piece,), (self.at(target)[0],)), stream)

    def download(self, target: EmulatedPinned, source: Address, size: int, stream: Stream) -> None:
        what = self.bytes_at(source, size)

        def copy() -> None:
            target.piece.data[:size] = what

        self.push(Operation("a download", copy, (self.at(source)[0],), (target.piece,)), stream)

    def zero(self, target: Address, size: int, stream: Stream) -> None:
        to = self.bytes_at(target, size)
        operation = Operation("a fill", lambda: to.fill(0), (), (self.at(target)[0],))
        self.push(operation, stream)

    def launch(
        self, kernel: str, threads: int, rows: int, arguments: Sequence[Argument], stream: Stream
    ) -> None:
        held = [type(argument)(argument.value) for argument in arguments]
        types = kernels()[kernel].parameters
        assert len(types) == len(held), f"{kernel} takes {len(types)} arguments, got {len(held)}"
        reads, writes = [], []
        for kind, argument in zip(types, held, strict=True):
            expected = (
                ctypes.c_void_p
                if "*" in kind
                else ctypes.c_int
                if kind == "int"
                else ctypes.c_float
            )
            assert type(argument) is expected, f"{kernel} wants {kind}, got {argument}"
            if "*" in kind and argument.value is not None:
                (reads if kind.startswith("const") else writes).append(self.at(argument.value)[0])
        self.push(
            Operation(
                f"kernel {kernel}",
                lambda: kernels_on_cpu.run(kernel, threads, rows, held, THREADS),
                tuple(reads),
                tuple(writes),
            ),
            stream,
        )

    def record(self, event: Event, stream: Stream) -> None:
        assert self._capturing is None, "no events inside of a capture here"
        self._recorded[event] += 1
        self._events[event] = dict(self._clocks[stream])
        self._queues[stream].append(("record", event))

    def wait(self, event: Event, stream: Stream) -> None:
        assert self._capturing is None, "no events inside of a capture here"
        _join(self._clocks[stream], self._events.get(event, {}))
        self._queues[stream].append(("wait", (event, self._recorded[event])))

    def synchronize(self, event: Event) -> None:
        _join(self._clocks[HOST], self._events.get(event, {}))
        while self._reached[event] < self._recorded[event]:
            self._step()

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        self._capturing = []
        try:
            work()
            number = self._number()
            self._graphs[number] = self._capturing
        finally:
            self._capturing = None
        return Graph(number)

    def replay(self, graph: Graph, stream: Stream) -> None:
        self.replayed += 1
        for operation in self._graphs[graph]:
            self.push(operation, stream)

    def push(self, operation: Operation, stream: Stream) -> None:
        """Put work on a stream, or into the graph that is being captured."""
        if self._capturing is not None:
            self._capturing.append(operation)
            return
        self.launched.append(operation.name)
        clock = self._clocks[stream]
        _join(clock, self._clocks[HOST])  # the host did all it did so far before this
        clock[stream] += 1
        for piece in operation.reads:
            piece.check(operation.name, stream, clock, write=False)
        for piece in operation.writes:
            piece.check(operation.name, stream, clock, write=True)
        self._queues[stream].append(("run", operation.work))
        while self._chance.random() < 0.3 and self._ready():
            self._step()

    def close(self) -> None:
        """Run what is left."""
        while self._ready():
            self._step()
        self._graphs.clear()
        self.closed = True

    def _ready(self) -> list[int]:
        found = []
        for stream, queue in self._queues.items():
            if not queue:
                continue
            kind, what = queue[0]
            if kind == "wait":
                event, times = what  # type: ignore[misc]
                if self._reached[event] < times:
                    continue
            found.append(stream)
        return found

    def _step(self) -> None:
        ready = self._ready()
        assert ready, "the streams wait for each other: a deadlock"
        kind, what = self._queues[self._chance.choice(ready)].popleft()
        if kind == "run":
            what()  # type: ignore[operator]
        elif kind == "record":
            self._reached[what] += 1  # type: ignore[index]


def _join(clock: Clock, other: Clock) -> None:
    for stream, tick in other.items():
        clock[stream] = max(clock.get(stream, 0), tick)


class EmulatedNetwork:
    """Any backend as a network of the emulated device."""

    def __init__(
        self,
        driver: EmulatedDriver,
        backend: Backend,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        *,
        capturable: bool = True,
    ) -> None:
        self._driver, self._backend = driver, backend
        self.capturable, self.name = capturable, f"emulated {backend.name}"
        self.inputs = [self._fixed(spec, shapes or {}) for spec in backend.inputs]
        zeros = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in self.inputs}
        shown = backend.run(zeros)
        self.outputs = [
            TensorSpec(spec.name, shown[spec.name].shape, spec.dtype) for spec in backend.outputs
        ]
        self.runs = 0

    @staticmethod
    def _fixed(spec: TensorSpec, shapes: Mapping[str, tuple[int, ...]]) -> TensorSpec:
        plain = tuple(1 if size is None else size for size in spec.shape)
        return TensorSpec(spec.name, shapes.get(spec.name, plain), spec.dtype)

    def enqueue(self, stream: Stream, bindings: Mapping[str, Address]) -> None:
        """Run the backend when the stream comes to it."""
        driver, places = self._driver, dict(bindings)

        def view(spec: TensorSpec) -> NDArray[np.generic]:
            size = int(np.prod(spec.shape)) * spec.dtype.itemsize
            return driver.bytes_at(places[spec.name], size).view(spec.dtype).reshape(spec.shape)

        def work() -> None:
            self.runs += 1
            outputs = self._backend.run({spec.name: view(spec).copy() for spec in self.inputs})
            for spec in self.outputs:
                view(spec)[...] = outputs[spec.name]

        reads = tuple(driver.at(places[spec.name])[0] for spec in self.inputs)
        writes = tuple(driver.at(places[spec.name])[0] for spec in self.outputs)
        driver.push(Operation("a network", work, reads, writes), stream)

    def close(self) -> None:
        """The backend is the test's."""


class EmulatedDetectorNetworks:
    """A detector for every canvas, or for those in ``only``."""

    def __init__(
        self,
        driver: EmulatedDriver,
        backend: Backend,
        only: frozenset[tuple[int, int]] | None = None,
    ) -> None:
        self._driver, self._backend, self._only = driver, backend, only

    def network(self, width: int, height: int) -> EmulatedNetwork | None:
        """One of that size."""
        if self._only is not None and (width, height) not in self._only:
            return None
        shape = {self._backend.inputs[0].name: (1, 3, height, width)}
        return EmulatedNetwork(self._driver, self._backend, shape)

    def close(self) -> None:
        """The backend is the test's."""
