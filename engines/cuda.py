"""The little of CUDA that running an engine needs; the file that imports ``cuda.bindings``.

NVIDIA's own bindings install from wheels everywhere and load without a driver; what a machine lacks
is then said in a sentence.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backend import Tensor
from engines.errors import EngineError

INSTALL = 'Run: pip install "cuda-bindings>=13,<14", with an NVIDIA driver of 580 or newer.'

GET_DRIVER = "Install NVIDIA's driver, 580 or newer, and start the computer again."


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU: name, compute capability (``8.9``), memory, and CUDA version of the driver
    (``13.0``)."""

    name: str
    compute_capability: str
    memory_bytes: int
    driver_cuda: str


class Stream(Protocol):
    """Memory of the device and pinned memory of the host, and copies that run in order."""

    @property
    def handle(self) -> int:
        """CUDA's stream, for the runtime to queue its work on."""

    def pinned(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Tensor:
        """An array in page-locked memory; valid until ``close``."""

    def allocate(self, size_bytes: int) -> int:
        """An address on the device; valid until ``close``."""

    def up(self, address: int, array: Tensor) -> None:
        """Queue a copy of a whole array to the device."""

    def down(self, array: Tensor, address: int) -> None:
        """Queue a copy from the device that fills an array."""

    def wait(self) -> None:
        """Until everything queued is done; ``EngineError`` where some of it failed."""

    def close(self) -> None:
        """Free the stream and all memory it gave; may be called twice."""


def find_gpu(number: int = 0) -> Gpu:
    """The GPU that engines run on; ``EngineError`` says why there is none."""
    cuda = _bindings()
    driver = int(_checked(cuda, cuda.cudaDriverGetVersion()))
    if not driver:
        raise EngineError("There is no NVIDIA driver.", GET_DRIVER)
    count = cuda.cudaGetDeviceCount()
    if int(count[0]) != 0 or not count[1]:
        raise EngineError(f"No NVIDIA GPU can be used ({_words(cuda, count[0])}).", GET_DRIVER)
    _checked(cuda, cuda.cudaSetDevice(number))  # makes its context current, as runtimes expect
    properties = _checked(cuda, cuda.cudaGetDeviceProperties(number))
    name = properties.name
    return Gpu(
        (name.decode(errors="replace") if isinstance(name, bytes) else str(name)).rstrip("\0"),
        f"{properties.major}.{properties.minor}",
        int(properties.totalGlobalMem),
        f"{driver // 1000}.{driver % 1000 // 10}",
    )


class CudaStream:
    """A stream of its own on the first GPU, with the memory that belongs to it."""

    def __init__(self) -> None:
        self._cuda = _bindings()
        flags = self._cuda.cudaStreamNonBlocking
        self._stream = _checked(self._cuda, self._cuda.cudaStreamCreateWithFlags(flags))
        self._pinned: list[int] = []
        self._device: list[int] = []
        self._open = True

    @property
    def handle(self) -> int:
        """CUDA's stream."""
        return int(self._stream)

    def pinned(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Tensor:
        """An array in page-locked memory."""
        size = max(1, int(np.prod(shape)) * dtype.itemsize)
        address = int(_checked(self._cuda, self._cuda.cudaMallocHost(size)))
        self._pinned.append(address)
        raw = (ctypes.c_uint8 * size).from_address(address)
        whole: NDArray[np.uint8] = np.ctypeslib.as_array(raw)
        return whole[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)

    def allocate(self, size_bytes: int) -> int:
        """An address on the device."""
        address = int(_checked(self._cuda, self._cuda.cudaMalloc(max(1, size_bytes))))
        self._device.append(address)
        return address

    def up(self, address: int, array: Tensor) -> None:
        """Queue a copy to the device."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(address, array.ctypes.data, array.nbytes, kind)

    def down(self, array: Tensor, address: int) -> None:
        """Queue a copy from the device."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(array.ctypes.data, address, array.nbytes, kind)

    def wait(self) -> None:
        """Until everything queued is done."""
        _checked(self._cuda, self._cuda.cudaStreamSynchronize(self._stream))

    def close(self) -> None:
        """Free everything; errors of a device that is gone are of no use any more."""
        if not self._open:
            return
        self._open = False
        self._cuda.cudaStreamSynchronize(self._stream)
        for address in self._pinned:
            self._cuda.cudaFreeHost(address)
        for address in self._device:
            self._cuda.cudaFree(address)
        self._cuda.cudaStreamDestroy(self._stream)

    def _copy(self, target: int, source: int, size_bytes: int, kind: Any) -> None:
        answer = self._cuda.cudaMemcpyAsync(target, source, size_bytes, kind, self._stream)
        _checked(self._cuda, answer)


def _bindings() -> Any:
    try:
        from cuda.bindings import runtime
    except (ImportError, OSError, RuntimeError) as error:
        text = " ".join(str(error).split())[:120]
        raise EngineError(f"NVIDIA's cuda-bindings cannot be loaded ({text}).", INSTALL) from error
    return runtime


def _checked(cuda: Any, answer: tuple[Any, ...]) -> Any:
    """The value of a call; ``EngineError`` in CUDA's words where it failed."""
    if int(answer[0]) != 0:
        raise EngineError(f"The GPU failed ({_words(cuda, answer[0])}).")
    return answer[1] if len(answer) > 1 else None


def _words(cuda: Any, code: Any) -> str:
    text = cuda.cudaGetErrorString(code)[1]
    return text.decode() if isinstance(text, bytes) else str(text)
