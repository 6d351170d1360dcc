"""The double buffer: while one frame is worked on, the next goes up and the last comes down.

A slot's way, and what orders each step (u, f, c, d: after upload, finding, computing, download):

| step    | state before -> after | on stream | waits for |
| ---     | ---                   | ---       | ---       |
| fill    | FREE -> FILLED        | up        | d: the device is done with the slot's last frame |
| find    | FILLED -> FILLED      | find      | u |
| work    | FILLED -> FILLED      | compute   | u, f |
| send    | FILLED -> SENT        | down      | u, f, c |
| collect | SENT -> FREE          | the host  | d |
| drop    | any -> FREE           | the host  | u, f, c, d |

Since d follows u, f and c, all is done with a slot that is filled anew. Host memory is safe by the
same events: what goes up is held by the slot until d, and what comes down is handed out after d. A
step in the wrong state is a bug: ``RuntimeError``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import numpy as np

from engines.device.driver import Driver, Memory, Stream
from engines.device.pinned_pool import PinnedPool, Pixels


class State(Enum):
    """Where a slot's frame is."""

    FREE = "free"
    FILLED = "filled"
    SENT = "sent"


class Slot:
    """A frame's place on the device, and the events of its way."""

    def __init__(self, number: int, driver: Driver, size: int) -> None:
        self.number = number
        self.memory: Memory = driver.memory(size)
        self.state = State.FREE
        self.uploaded, self.found = driver.event(), driver.event()
        self.computed, self.downloaded = driver.event(), driver.event()
        self.source: Pixels | None = None  # kept until the device has read it
        self.result: Pixels | None = None  # kept until the device has written it


class Streams:
    """The streams of a chain: copies either way, finding faces, everything else."""

    def __init__(self, driver: Driver) -> None:
        self.up, self.find = driver.stream(), driver.stream()
        self.compute, self.down = driver.stream(), driver.stream()


class Ring:
    """``count`` slots for frames of one shape. Used by the thread that owns the device."""

    def __init__(
        self,
        driver: Driver,
        streams: Streams,
        pool: PinnedPool,
        shape: tuple[int, int, int],
        count: int = 2,
    ) -> None:
        self.shape = shape
        self._driver, self._pool, self._streams = driver, pool, streams
        self._size = int(np.prod(shape))
        self.slots = [Slot(number, driver, self._size) for number in range(count)]
        self._turn = 0

    def fill(self, pixels: Pixels) -> Slot:
        """Start ``pixels`` on their way up in the slot whose turn it is."""
        slot = self.slots[self._turn]
        _expect(slot, State.FREE, "filled")
        if self._pool.memory_of(pixels) is None:
            staged = self._pool.take(self.shape)
            np.copyto(staged, pixels)
            pixels = staged
        memory = self._pool.memory_of(pixels)
        assert memory is not None, "a pool's array has its memory"
        self._turn = (self._turn + 1) % len(self.slots)
        slot.state, slot.source = State.FILLED, pixels
        up = self._streams.up
        self._driver.wait(slot.downloaded, up)
        self._driver.upload(slot.memory.address, memory, self._size, up)
        self._driver.record(slot.uploaded, up)
        return slot

    def find(self, slot: Slot, work: Callable[[Stream], None]) -> None:
        """Put ``work``, which only reads the frame, beside the other slot's computing."""
        _expect(slot, State.FILLED, "searched")
        stream = self._streams.find
        self._driver.wait(slot.uploaded, stream)
        try:
            work(stream)
        finally:  # also what a failing step put there has to end before the slot is used again
            self._driver.record(slot.found, stream)

    def await_found(self, slot: Slot) -> None:
        """The host goes on when the last ``find`` is done."""
        self._driver.synchronize(slot.found)

    def work(self, slot: Slot, work: Callable[[Stream], None]) -> None:
        """Put ``work``, which may write the frame, on the compute stream."""
        _expect(slot, State.FILLED, "worked on")
        stream = self._streams.compute
        self._driver.wait(slot.uploaded, stream)
        self._driver.wait(slot.found, stream)
        try:
            work(stream)
        finally:
            self._driver.record(slot.computed, stream)

    def send(self, slot: Slot) -> None:
        """Start the frame on its way down."""
        _expect(slot, State.FILLED, "sent")
        result = self._pool.take(self.shape)
        memory = self._pool.memory_of(result)
        assert memory is not None, "a pool's array has its memory"
        slot.state, slot.result = State.SENT, result
        down = self._streams.down
        self._driver.wait(slot.uploaded, down)
        self._driver.wait(slot.found, down)
        self._driver.wait(slot.computed, down)
        self._driver.download(memory, slot.memory.address, self._size, down)
        self._driver.record(slot.downloaded, down)

    def collect(self, slot: Slot) -> Pixels:
        """The finished frame, waited for; the slot is free again."""
        _expect(slot, State.SENT, "collected")
        self._driver.synchronize(slot.downloaded)
        result = slot.result
        assert result is not None, "a sent slot has its result"
        slot.state, slot.source, slot.result = State.FREE, None, None
        return result

    def drop(self, slot: Slot) -> None:
        """Give the slot up, whatever its state, once the device is done with it."""
        for event in (slot.uploaded, slot.found, slot.computed, slot.downloaded):
            self._driver.synchronize(event)
        slot.state, slot.source, slot.result = State.FREE, None, None

    def close(self) -> None:
        """Wait for all frames and free their memory."""
        for slot in self.slots:
            self.drop(slot)
            slot.memory.free()


def _expect(slot: Slot, state: State, step: str) -> None:
    if slot.state is not state:
        raise RuntimeError(
            f"slot {slot.number} is {slot.state.value} and cannot be {step}; it must be "
            f"{state.value}"
        )
