"""Detection on a frame that is already on the device: its candidates come down, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.detector import STRIDES, WIDTHS, Window, numbers
from engines.device.driver import Address, Driver, Memory, Pinned, Stream, integer, pointer, real
from engines.device.network import DetectorNetworks, DeviceNetwork
from engines.device.workspace import find, is_half, size_of
from engines.errors import EngineError

FEW = 128  # rows that are downloaded with their count; more cost a second copy
ROW = 16  # floats: cell number, then a row of ``engines.detector.decode``


class _Prepared:
    """A network for one canvas, and memory for its tensors and rows."""

    def __init__(self, driver: Driver, network: DeviceNetwork, width: int, height: int) -> None:
        self.network, self.width, self.height = network, width, height
        self.cells = {stride: (width // stride) * (height // stride) for stride in STRIDES}
        self.most = sum(self.cells.values())
        specs = (*network.inputs, *network.outputs)
        self.memories: dict[str, Memory] = {s.name: driver.memory(size_of(s)) for s in specs}
        for stride, cells in self.cells.items():
            for kind, values in WIDTHS.items():
                spec = find(tuple(network.outputs), f"{kind}_{stride}")
                if size_of(spec) != cells * values * spec.dtype.itemsize:
                    raise EngineError(
                        f"The detector's {spec.name} is made for another canvas than "
                        f"{width} x {height}.",
                        "Build its engine again.",
                    )
        # The count first, in a row of its own, so that one copy brings it and the first rows.
        self.rows = driver.memory((1 + self.most) * ROW * 4)
        self.few: Pinned = driver.pinned((1 + min(FEW, self.most)) * ROW * 4)
        self.all: Pinned | None = None


class Searcher:
    """The device's half of ``engines.detector``: windows of the frame in, candidate rows out."""

    def __init__(self, driver: Driver, networks: DetectorNetworks) -> None:
        self._driver, self._networks = driver, networks
        self._prepared: dict[tuple[int, int], _Prepared] = {}

    def prepare(self, canvas: tuple[int, int]) -> bool:
        """Whether there is a network for this canvas (width, height)."""
        if canvas not in self._prepared:
            network = self._networks.network(*canvas)
            if network is None:
                return False
            self._prepared[canvas] = _Prepared(self._driver, network, *canvas)
        return True

    def put(self, frame: Address, width: int, window: Window, threshold: float, on: Stream) -> None:
        """Put one search on a stream; ``width`` is the frame's."""
        size = window.canvas
        if not self.prepare(size):
            raise EngineError(f"There is no detector for a canvas of {size[0]} x {size[1]}.")
        made, driver = self._prepared[size], self._driver
        picture = made.network.inputs[0]
        arguments = (
            pointer(frame),
            integer(width),
            *map(integer, (window.left, window.top, window.width, window.height)),
            *map(integer, (*window.inner, *size)),
            pointer(made.memories[picture.name].address),
            integer(is_half(picture)),
        )
        driver.launch("canvas", size[0] * size[1], 1, arguments, on)
        bindings = {name: memory.address for name, memory in made.memories.items()}
        made.network.enqueue(on, bindings)
        driver.zero(made.rows.address, 4, on)
        first = 0
        for stride, cells in made.cells.items():
            outputs = [find(tuple(made.network.outputs), f"{kind}_{stride}") for kind in WIDTHS]
            driver.launch(
                "decode",
                cells,
                1,
                (
                    *(pointer(made.memories[spec.name].address) for spec in outputs),
                    integer(is_half(outputs[0])),
                    *map(integer, (stride, made.width // stride, cells, first)),
                    real(threshold),
                    pointer(made.rows.address + ROW * 4),
                    pointer(made.rows.address),
                    integer(made.most),
                ),
                on,
            )
            first += cells
        driver.download(made.few, made.rows.address, made.few.size, on)

    def complete(self, canvas: tuple[int, int]) -> bool:
        """Whether the last search's rows are all here."""
        made = self._prepared[canvas]
        return _count(made.few) < made.few.size // (ROW * 4)

    def put_rest(self, canvas: tuple[int, int], on: Stream) -> None:
        """Put the copy of all rows on the stream."""
        made = self._prepared[canvas]
        if made.all is None:
            made.all = self._driver.pinned(made.rows.size)
        self._driver.download(made.all, made.rows.address, made.rows.size, on)

    def read(self, canvas: tuple[int, int], *, everything: bool) -> NDArray[np.float32]:
        """The candidates in reading order, as ``engines.detector.decode`` has them: n x 15.

        ``EngineError`` as there, where the network calculated numbers that are none.
        """
        made = self._prepared[canvas]
        memory = made.all if everything and made.all is not None else made.few
        table = memory.array.view(np.float32).reshape(-1, ROW)
        rows = table[1 : 1 + _count(memory)]
        return numbers(np.array(rows[np.argsort(rows[:, 0], kind="stable"), 1:]))

    def close(self) -> None:
        """Free the tensors; no search may be under way."""
        for made in self._prepared.values():
            for memory in (*made.memories.values(), made.rows):
                memory.free()
            made.few.free()
            if made.all is not None:
                made.all.free()
        self._prepared.clear()


def _count(memory: Pinned) -> int:
    return int(memory.array[:4].view(np.int32)[0])
