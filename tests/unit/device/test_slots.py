"""The double buffer on a device that runs everything late and in random order.

The emulated driver refuses every access that streams and events do not order, so that a forgotten
wait fails here whether or not chance made it show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.device.driver import Stream
from engines.device.pinned_pool import PinnedPool, Pixels
from engines.device.slots import Ring, Slot, State, Streams
from tests.helpers.emulated_device import EmulatedDriver, Operation, OrderingError

SHAPE = (4, 6, 3)
SEEDS = st.integers(0, 2**32 - 1)


class _Bench:
    """A ring, and work that adds 1 to a frame or reads its sum."""

    def __init__(self, seed: int, count: int = 2) -> None:
        self.driver = EmulatedDriver(seed)
        self.streams, self.pool = Streams(self.driver), PinnedPool(self.driver)
        self.ring = Ring(self.driver, self.streams, self.pool, SHAPE, count)
        self.seen: list[int] = []

    def add(self, slot: Slot, value: int) -> Callable[[Stream], None]:
        piece = self.driver.at(slot.memory.address)[0]

        def work() -> None:
            piece.data[:] += np.uint8(value)

        return lambda on: self.driver.push(Operation("adding", work, (), (piece,)), on)

    def look(self, slot: Slot) -> Callable[[Stream], None]:
        piece = self.driver.at(slot.memory.address)[0]

        def work() -> None:
            self.seen.append(int(piece.data[0]))

        return lambda on: self.driver.push(Operation("looking", work, (piece,)), on)

    def close(self) -> None:
        self.ring.close()
        self.pool.close()
        self.driver.close()


def _frame(value: int) -> Pixels:
    return np.full(SHAPE, value, np.uint8)


@given(SEEDS, st.lists(st.sampled_from(["find", "find and wait", "add", "drop"]), max_size=40))
@settings(max_examples=150, deadline=None)
def test_every_frame_comes_out_whole_and_in_order(seed: int, doings: list[str]) -> None:
    bench = _Bench(seed)
    ring, under_way, expected, got = bench.ring, [], [], []
    for number, doing in enumerate(doings):
        if len(under_way) == 2:
            got.append(ring.collect(under_way.pop(0)))
        slot = ring.fill(_frame(number))
        if doing == "drop":
            ring.drop(slot)
            for other in under_way:  # a slot is given out in turn: the other has to be free first
                got.append(ring.collect(other))
            under_way = []
            continue
        if doing.startswith("find"):
            ring.find(slot, bench.look(slot))
        if doing == "find and wait":
            ring.await_found(slot)
            assert bench.seen[-1] == number
        added = 1 if doing == "add" else 0
        if added:
            ring.work(slot, bench.add(slot, 100))
            ring.work(slot, bench.add(slot, 1))
        ring.send(slot)
        under_way.append(slot)
        expected.append(number + 101 * added)
    got += [ring.collect(slot) for slot in under_way]
    assert [int(frame[0, 0, 0]) for frame in got] == expected
    assert all(len(np.unique(frame)) == 1 for frame in got)
    bench.close()


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_pinned_memory_is_reused_only_when_the_device_is_done(seed: int) -> None:
    bench = _Bench(seed)
    ring, pool = bench.ring, bench.pool
    last = None
    for number in range(8):
        given_in = pool.take(SHAPE)  # an EmulatedPinned that is not done would raise here
        given_in[...] = number
        slot = ring.fill(given_in)
        del given_in
        ring.work(slot, bench.add(slot, 50))
        ring.send(slot)
        if last is not None:
            assert int(ring.collect(last)[0, 0, 0]) == number - 1 + 50
        last = slot
    ring.collect(last)
    bench.close()


def test_two_frames_are_under_way_at_once() -> None:
    bench = _Bench(0)
    first, second = bench.ring.fill(_frame(1)), bench.ring.fill(_frame(2))
    assert first is not second
    with pytest.raises(RuntimeError, match="slot 0 is filled and cannot be filled"):
        bench.ring.fill(_frame(3))
    for slot in (first, second):
        bench.ring.send(slot)
        with pytest.raises(RuntimeError, match="sent and cannot be worked on"):
            bench.ring.work(slot, lambda on: None)
    assert [int(bench.ring.collect(s)[0, 0, 0]) for s in (first, second)] == [1, 2]
    with pytest.raises(RuntimeError, match="must be sent"):
        bench.ring.collect(first)
    assert first.state is State.FREE
    bench.close()


def test_one_slot_is_enough_one_after_the_other() -> None:
    bench = _Bench(0, count=1)
    for number in range(4):
        slot = bench.ring.fill(_frame(number))
        bench.ring.send(slot)
        assert int(bench.ring.collect(slot)[0, 0, 0]) == number
    bench.close()


def _forget(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Make the driver leave out waits for the events in ``forgotten``."""
    original = getattr(EmulatedDriver, method)

    def forgetful(self: EmulatedDriver, event: int, *rest: Stream) -> None:
        if event not in getattr(self, "forgotten", ()):
            original(self, event, *rest)

    monkeypatch.setattr(EmulatedDriver, method, forgetful)


def _pass_frames(bench: _Bench) -> None:
    for number in range(4):
        slot = bench.ring.fill(_frame(number))
        bench.ring.find(slot, bench.look(slot))
        bench.ring.work(slot, bench.add(slot, 1))
        bench.ring.send(slot)
        memory = bench.pool.memory_of(bench.ring.collect(slot))
        assert memory is not None
        assert memory.array.size  # the host looks at it


@pytest.mark.parametrize(
    ("method", "event"),
    [
        ("wait", "uploaded"),
        ("wait", "found"),
        ("wait", "computed"),
        ("synchronize", "downloaded"),
    ],
)
def test_a_forgotten_wait_is_caught(
    monkeypatch: pytest.MonkeyPatch, method: str, event: str
) -> None:
    """The judge itself: without any one of the ring's waits it must object."""
    _forget(monkeypatch, method)
    bench = _Bench(0)
    bench.driver.forgotten = {getattr(slot, event) for slot in bench.ring.slots}  # type: ignore[attr-defined]
    with pytest.raises(OrderingError):
        _pass_frames(bench)


def test_memory_that_is_freed_too_early_is_caught() -> None:
    driver = EmulatedDriver(0)
    stream, memory, pinned = driver.stream(), driver.memory(8), driver.pinned(8)
    driver.upload(memory.address, pinned, 8, stream)
    with pytest.raises(OrderingError, match="freeing"):
        memory.free()
    with pytest.raises(OrderingError, match="the host writes pinned"):
        pinned.array[:] = 1
