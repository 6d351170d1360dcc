"""Pictures in page-locked memory that come back to their pool when nobody holds them any more.

So a finished frame is downloaded straight into the array that sinks and preview get, and a frame
made in such an array goes up without a copy on the host.
"""

from __future__ import annotations

import weakref
from collections import defaultdict, deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device.driver import Driver, Pinned

Pixels = NDArray[np.uint8]


class _Lease:
    """The owner that an array keeps alive; its end gives the memory back."""

    def __init__(self, memory: Pinned, shape: tuple[int, ...]) -> None:
        self.memory = memory
        self.start = memory.array.ctypes.data
        self.__array_interface__ = {
            "shape": shape,
            "typestr": "|u1",
            "data": (self.start, False),
            "version": 3,
        }


class PinnedPool:
    """Arrays of page-locked memory, as many as are in use at once."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._free: dict[int, deque[Pinned]] = defaultdict(deque)
        self._closed = False

    def take(self, shape: tuple[int, ...]) -> Pixels:
        """An array of undefined content; it may be kept for as long as one likes."""
        size = int(np.prod(shape))
        try:
            memory = self._free[size].pop()
        except IndexError:
            memory = self._driver.pinned(size)
        lease = _Lease(memory, shape)
        weakref.finalize(lease, self._back, memory).atexit = False
        return np.asarray(lease)

    @staticmethod
    def memory_of(pixels: Pixels) -> Pinned | None:
        """The memory behind an array of a pool; ``None`` for any other, and for a part of one."""
        owner: Any = pixels
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if not isinstance(owner, _Lease) or not pixels.flags.c_contiguous:
            return None
        whole = pixels.ctypes.data == owner.start and pixels.nbytes == owner.memory.size
        return owner.memory if whole else None

    def close(self) -> None:
        """Free what is not in use, and the rest when it comes back; may be called twice."""
        self._closed = True
        for memories in self._free.values():
            while memories:
                memories.pop().free()

    def _back(self, memory: Pinned) -> None:
        """Called wherever the last reference goes, in any thread."""
        if self._closed:
            memory.free()
        else:
            self._free[memory.size].append(memory)
