"""The GPU-resident chain: a frame up once, found, swapped, marked, and down once.

The host decides (which faces, where, how much); this puts it on the device. One thread owns a
chain. Frames pass in order; with two slots one may be filled while the last is on its way down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backend import Tensor, TensorSpec, fits, shape_text
from engines.detector import Window
from engines.device.driver import Address, Driver, Memory, Stream, integer, pointer
from engines.device.graphs import Graphs
from engines.device.network import DeviceNetworks
from engines.device.painting import Painter
from engines.device.parameters import LAYOUT, FaceWork, pack
from engines.device.pinned_pool import PinnedPool, Pixels
from engines.device.searching import Searcher
from engines.device.slots import Ring, Slot, Streams
from engines.device.workspace import Workspace, size_of
from engines.errors import EngineError


class Chain:
    """Slots, streams, memory and graphs of one device and one set of networks.

    ``streams`` are given where the networks are bound to them. ``most`` is the number of faces a
    frame may have; ``slots`` 1 switches the double buffer off and
    ``graphs`` False the captured graphs (for measuring). ``EngineError`` where the networks do not
    fit; the chain closes neither networks nor driver.
    """

    def __init__(
        self,
        driver: Driver,
        networks: DeviceNetworks,
        *,
        streams: Streams | None = None,
        most: int = 8,
        slots: int = 2,
        graphs: bool = True,
    ) -> None:
        driver.claim()
        self.most = most
        self._driver, self._networks, self._count = driver, networks, slots
        self._streams = streams if streams is not None else Streams(driver)
        self._pool = PinnedPool(driver)
        self._space = Workspace(driver, networks, most, slots)
        self._painter = Painter(driver, networks, self._space)
        self._searcher = Searcher(driver, networks.detector)
        self._with_graphs = graphs
        self._graphs = Graphs(driver, enabled=graphs)
        self._ring: Ring | None = None
        self._fixed: dict[str, tuple[tuple[NDArray[Any], ...], list[Memory]]] = {}
        self._shown: list[Mapping[str, Tensor] | None] = [None] * most

    @property
    def slots(self) -> int:
        """How many frames may be under way."""
        return self._count

    @property
    def device(self) -> str:
        """The device's name."""
        return self._driver.name

    @property
    def engine(self) -> str:
        """What runs the generator."""
        return self._networks.generator.name

    @property
    def generator_inputs(self) -> Sequence[TensorSpec]:
        """What the generator takes."""
        return self._networks.generator.inputs

    @property
    def graphs(self) -> int:
        """How many graphs were captured so far."""
        return len(self._graphs)

    def open(self, pixels: Pixels) -> Passage:
        """Start a frame on its way up; ``RuntimeError`` while every slot has one."""
        self._driver.claim()
        height, width = pixels.shape[:2]
        shape = (height, width, 3)
        if self._ring is None or self._ring.shape != shape:
            if self._ring is not None:
                self._ring.close()
            self._graphs = Graphs(self._driver, enabled=self._with_graphs)  # addresses changed
            self._ring = Ring(self._driver, self._streams, self._pool, shape, self._count)
        return Passage(self, self._ring, self._ring.fill(pixels))

    def close(self) -> None:
        """Wait for everything and free it; may be called twice."""
        self._driver.claim()
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        self._space.close()
        self._searcher.close()
        for _, memories in self._fixed.values():
            for memory in memories:
                memory.free()
        self._fixed.clear()
        self._pool.close()

    def drop(self, ring: Ring, slot: Slot) -> None:
        """Do without a frame; also from a thread that takes the device over."""
        self._driver.claim()
        ring.drop(slot)

    def search(self, ring: Ring, slot: Slot, window: Window, least: float) -> NDArray[np.float32]:
        """Candidates of a window, waited for; computing on the other slot goes on meanwhile."""
        frame, width, searcher = slot.memory.address, ring.shape[1], self._searcher
        ring.find(slot, lambda on: searcher.put(frame, width, window, least, on))
        ring.await_found(slot)
        more = not searcher.complete(window.canvas)
        if more:
            ring.find(slot, lambda on: searcher.put_rest(window.canvas, on))
            ring.await_found(slot)
        return searcher.read(window.canvas, everything=more)

    def can_search(self, canvas: tuple[int, int]) -> bool:
        """Whether the detector is here for this size of canvas (width, height)."""
        return self._searcher.prepare(canvas)

    def paint(self, ring: Ring, slot: Slot, faces: Sequence[FaceWork]) -> None:
        """Swap ``faces``, put on the compute stream as one graph per slot and number of faces."""
        count = len(faces)
        if count > self.most:
            raise EngineError(f"{count} faces are to be swapped, at most {self.most} can be.")
        if not count:
            return
        staging = self._space.staging[slot.number]
        self._stage(slot, faces)
        anew = any(work.source is not self._shown[n] for n, work in enumerate(faces))
        if anew:
            for number, work in enumerate(faces):
                self._stage_source(slot, number, work.source)
        frame, width = slot.memory.address, ring.shape[1]
        painter, key = self._painter, (slot.number, count)

        def everything(on: Stream) -> None:
            if anew:
                painter.sources(count, staging, on)
            if painter.capturable(count):
                self._graphs.run(key, whole, on)
                return
            self._graphs.run((*key, "before"), before, on)
            painter.generate(count, on)
            self._graphs.run((*key, "after"), after, on)

        def before(on: Stream) -> None:
            painter.before(frame, width, count, staging, on)

        def after(on: Stream) -> None:
            painter.after(frame, width, count, on)

        def whole(on: Stream) -> None:
            before(on)
            painter.generate(count, on)
            after(on)

        ring.work(slot, everything)
        self._shown[:count] = [face.source for face in faces]

    def lay_badge(
        self, ring: Ring, slot: Slot, picture: Pixels, opacity: Pixels, place: tuple[int, int]
    ) -> None:
        """Blend ``picture`` by ``opacity`` (both h x w x 3) into the frame at (left, top)."""
        at = self._resident("badge", picture, opacity)
        height, width = picture.shape[:2]
        arguments = (
            pointer(slot.memory.address),
            integer(ring.shape[1]),
            *map(pointer, at),
            *map(integer, (*place, width, height)),
        )
        ring.work(slot, lambda on: self._driver.launch("badge", width * height, 1, arguments, on))

    def lay_mark(self, ring: Ring, slot: Slot, levels: NDArray[np.int8]) -> None:
        """Add ``levels`` (frame's height x width) to each channel."""
        if levels.shape != ring.shape[:2]:
            raise ValueError(f"levels are {levels.shape}, the frame is {ring.shape[:2]}")
        at = self._resident("mark", levels)[0]
        pixels = levels.size
        arguments = (pointer(slot.memory.address), pointer(at), integer(pixels))
        ring.work(slot, lambda on: self._driver.launch("mark", -(-pixels // 4), 1, arguments, on))

    def _resident(self, name: str, *arrays: NDArray[Any]) -> list[Address]:
        """Device copies of arrays that stay the same for many frames."""
        known = self._fixed.get(name)
        if known is not None and all(a is b for a, b in zip(known[0], arrays, strict=True)):
            return [memory.address for memory in known[1]]
        driver, stream, done = self._driver, self._streams.compute, self._driver.event()
        memories = [driver.memory(array.nbytes) for array in arrays]
        staged = [driver.pinned(array.nbytes) for array in arrays]
        for array, pinned, memory in zip(arrays, staged, memories, strict=True):
            pinned.array[:] = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
            driver.upload(memory.address, pinned, array.nbytes, stream)
        driver.record(done, stream)
        driver.synchronize(done)
        for old in (*staged, *(known[1] if known is not None else ())):
            old.free()
        self._fixed[name] = (arrays, memories)
        return [memory.address for memory in memories]

    def _stage(self, slot: Slot, faces: Sequence[FaceWork]) -> None:
        staging, pixels = self._space.staging[slot.number], self._space.side**2
        table = staging.faces.array.view(LAYOUT)
        for number, work in enumerate(faces):
            table[number] = pack(work)
            if work.outline is not None:
                part = slice(number * pixels, (number + 1) * pixels)
                staging.outlines.array[part] = work.outline.reshape(-1)

    def _stage_source(self, slot: Slot, number: int, source: Mapping[str, Tensor]) -> None:
        for spec in self._space.sources:
            tensor = source.get(spec.name)
            if tensor is None or not fits(tensor.shape, spec.shape):
                got = "nothing" if tensor is None else shape_text(tensor.shape)
                raise EngineError(
                    f"The generator's {spec.name} got {got}, expected {shape_text(spec.shape)}.",
                    "Choose the source face again.",
                )
            size = size_of(spec)
            data = np.ascontiguousarray(tensor, spec.dtype).view(np.uint8).reshape(-1)
            memory = self._space.staging[slot.number].sources[spec.name]
            memory.array[number * size : (number + 1) * size] = data


class Passage:
    """One frame's way through the chain; used once, in order, and ended by one of the last two."""

    def __init__(self, chain: Chain, ring: Ring, slot: Slot) -> None:
        self._chain, self._ring, self._slot = chain, ring, slot

    def can_search(self, window: Window) -> bool:
        """Whether ``search`` can be asked for this window's canvas."""
        return self._chain.can_search(window.canvas)

    def search(self, window: Window, threshold: float) -> NDArray[np.float32]:
        """Candidates in ``window`` scored at least ``threshold``, n x 15; waits for them."""
        return self._chain.search(self._ring, self._slot, window, threshold)

    def paint(self, faces: Sequence[FaceWork]) -> None:
        """Swap ``faces``, all from the frame as it came."""
        self._chain.paint(self._ring, self._slot, faces)

    def lay_badge(self, picture: Pixels, opacity: Pixels, place: tuple[int, int]) -> None:
        """Lay the visible badge on it."""
        self._chain.lay_badge(self._ring, self._slot, picture, opacity, place)

    def lay_mark(self, levels: NDArray[np.int8]) -> None:
        """Add the invisible mark."""
        self._chain.lay_mark(self._ring, self._slot, levels)

    def send(self) -> None:
        """Start it on its way down."""
        self._ring.send(self._slot)

    def collect(self) -> Pixels:
        """The finished frame, waited for, in an array nobody else writes."""
        return self._ring.collect(self._slot)

    def drop(self) -> None:
        """Do without it."""
        self._chain.drop(self._ring, self._slot)
