"""The ``Driver`` contract by CUDA's driver interface; the only file that imports it.

``cuda.bindings`` imports on any machine and loads the card's driver at the first call, so that a
machine without one gets a sentence.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device import compiling, sources
from engines.device.driver import (
    THREADS,
    Address,
    Argument,
    Event,
    Graph,
    Memory,
    Pinned,
    Stream,
)
from engines.errors import EngineError

INSTALL = 'Run pip install "omokage[gpu]", or use the CPU.'
REMEDY = "Check the NVIDIA driver (nvidia-smi), or use the CPU."


class _DeviceMemory:
    def __init__(self, cuda: CudaDriver, size: int) -> None:
        self._cuda, self.size = cuda, size
        self.address: Address = int(cuda.call("cuMemAlloc", size))

    def free(self) -> None:
        if self.address:
            self._cuda.claim()
            self._cuda.call("cuMemFree", self.address)
            self.address = 0


class _PinnedMemory:
    def __init__(self, cuda: CudaDriver, size: int) -> None:
        self._cuda, self.size = cuda, size
        # Portable: usable by every context; not write-combined: the host also reads it.
        self._start: int | None = int(cuda.call("cuMemHostAlloc", size, 1))

    @property
    def array(self) -> NDArray[np.uint8]:
        if self._start is None:
            raise RuntimeError("pinned memory was used after it was freed")
        place = (ctypes.c_uint8 * self.size).from_address(self._start)
        return np.ctypeslib.as_array(place)

    def free(self) -> None:
        if self._start is not None:
            self._cuda.claim()
            self._cuda.call("cuMemFreeHost", self._start)
            self._start = None


class CudaDriver:
    """One NVIDIA card, by its number; kernels are compiled for it and kept in ``cache``.

    ``EngineError`` where there is no driver or no such card. The card's primary context is used,
    which ONNX Runtime, TensorRT and torch share; it stays with the process.
    """

    def __init__(self, cache: Path, number: int = 0) -> None:
        try:
            from cuda.bindings import driver

            self._cuda: Any = driver
            self.call("cuInit", 0)
        except ImportError as error:
            raise EngineError("CUDA's Python bindings are not installed.", INSTALL) from error
        except RuntimeError as error:  # the library of the card's driver is not found
            raise EngineError("There is no NVIDIA driver on this machine.", REMEDY) from error
        count = int(self.call("cuDeviceGetCount"))
        if number >= count:
            raise EngineError(f"There is no GPU number {number}; this machine has {count}.", REMEDY)
        device = self.call("cuDeviceGet", number)
        self._name = bytes(self.call("cuDeviceGetName", 128, device)).split(b"\0")[0].decode()
        kinds = driver.CUdevice_attribute
        major = kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        minor = kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
        self.capability = (
            int(self.call("cuDeviceGetAttribute", major, device)),
            int(self.call("cuDeviceGetAttribute", minor, device)),
        )
        self._context = self.call("cuDevicePrimaryCtxRetain", device)
        self.claim()
        self._kernels = self._load(cache)
        self._handles: dict[int, Any] = {}  # keeps streams, events and graphs from being collected
        self._memories: list[Memory | Pinned] = []
        self._closed = False

    @property
    def name(self) -> str:
        """The card's name."""
        return self._name

    @property
    def version(self) -> str:
        """The newest CUDA the driver knows, e.g. ``13.0``."""
        number = int(self.call("cuDriverGetVersion"))
        return f"{number // 1000}.{number % 1000 // 10}"

    def call(self, name: str, *arguments: Any) -> Any:
        """The value of a driver call; ``EngineError`` with its name and code where it fails."""
        status, *values = getattr(self._cuda, name)(*arguments)
        if int(status) != 0:
            code = getattr(status, "name", str(status))
            raise EngineError(f"The GPU refused {name} ({code}).", REMEDY)
        return values[0] if len(values) == 1 else values

    def claim(self) -> None:
        """Make the card current for the calling thread."""
        self.call("cuCtxSetCurrent", self._context)

    def stream(self) -> Stream:
        """A stream that does not wait for the default one."""
        return Stream(self._kept(self.call("cuStreamCreate", 1)))

    def event(self, *, timed: bool = False) -> Event:
        """An event; ``timed`` ones cost a little more and can be compared by ``elapsed_ms``."""
        return Event(self._kept(self.call("cuEventCreate", 0 if timed else 2)))

    def memory(self, size: int) -> Memory:
        """Device memory, zeroed."""
        memory = _DeviceMemory(self, size)
        self._memories.append(memory)
        self.call("cuMemsetD8", memory.address, 0, size)
        return memory

    def pinned(self, size: int) -> Pinned:
        """Page-locked memory; not freed by ``close``, since arrays of it may live on."""
        return _PinnedMemory(self, size)

    def upload(self, target: Address, source: Pinned, size: int, stream: Stream) -> None:
        """Copy to the card."""
        self.call("cuMemcpyHtoDAsync", target, source.array.ctypes.data, size, stream)

    def download(self, target: Pinned, source: Address, size: int, stream: Stream) -> None:
        """Copy from the card."""
        self.call("cuMemcpyDtoHAsync", target.array.ctypes.data, source, size, stream)

    def zero(self, target: Address, size: int, stream: Stream) -> None:
        """Fill with 0."""
        self.call("cuMemsetD8Async", target, 0, size, stream)

    def launch(
        self, kernel: str, threads: int, rows: int, arguments: Sequence[Argument], stream: Stream
    ) -> None:
        """Launch in blocks of ``THREADS``."""
        # A null pointer's value is None, which the bindings do not take.
        values = tuple(0 if argument.value is None else argument.value for argument in arguments)
        types = tuple(type(argument) for argument in arguments)
        blocks = -(-threads // THREADS)
        self.call(
            "cuLaunchKernel",
            self._kernels[kernel],
            *(blocks, rows, 1),
            *(THREADS, 1, 1),
            0,
            stream,
            (values, types),
            0,
        )

    def record(self, event: Event, stream: Stream) -> None:
        """Mark what is on ``stream``."""
        self.call("cuEventRecord", event, stream)

    def wait(self, event: Event, stream: Stream) -> None:
        """``stream`` waits on the card."""
        self.call("cuStreamWaitEvent", stream, event, 0)

    def synchronize(self, event: Event) -> None:
        """The host waits."""
        self.call("cuEventSynchronize", event)

    def elapsed_ms(self, start: Event, end: Event) -> float:
        """Between two timed events that have happened."""
        return float(self.call("cuEventElapsedTime", start, end))

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """Capture ``work``; other threads may go on using the card meanwhile."""
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self.call("cuStreamBeginCapture", stream, mode)
        with contextlib.ExitStack() as undo:  # an invalid capture: its own error adds nothing
            undo.callback(self._cuda.cuStreamEndCapture, stream)
            work()
            undo.pop_all()
        graph = self.call("cuStreamEndCapture", stream)
        try:
            return Graph(self._kept(self.call("cuGraphInstantiate", graph, 0)))
        finally:
            self.call("cuGraphDestroy", graph)

    def replay(self, graph: Graph, stream: Stream) -> None:
        """Launch the whole graph in one call."""
        self.call("cuGraphLaunch", self._handles[graph], stream)

    def close(self) -> None:
        """Wait for the card, then free device memory; pinned memory goes with its arrays."""
        if self._closed:
            return
        self._closed = True
        self.claim()
        self.call("cuCtxSynchronize")
        for memory in self._memories:
            memory.free()
        self._memories.clear()
        for handle in self._handles.values():
            self.call(_DESTROY[type(handle).__name__], handle)
        self._handles.clear()

    def _kept(self, handle: Any) -> int:
        number = int(handle)
        self._handles[number] = handle
        return number

    def _load(self, cache: Path) -> dict[str, Any]:
        target = compiling.architecture(*self.capability)
        text = sources.source()
        try:
            module = self.call("cuModuleLoadData", compiling.cached(text, target, cache))
        except EngineError:  # a damaged file in the cache: once more from the source
            module = self.call("cuModuleLoadData", compiling.renewed(text, target, cache))
        return {
            name: self.call("cuModuleGetFunction", module, name.encode())
            for name in sources.kernels()
        }


_DESTROY = {
    "CUstream": "cuStreamDestroy",
    "CUevent": "cuEventDestroy",
    "CUgraphExec": "cuGraphExecDestroy",
}
