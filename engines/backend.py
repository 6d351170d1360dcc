"""The contract of a network runtime: named tensors in, named tensors out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

Tensor = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]  # input name -> a shape it will get

# The networks run one after the other in one thread; more threads than this gain nothing on nets
# of this size and take the cores of capture and recording.
MOST_THREADS = 4


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and element type of one input or output; a dynamic axis is ``None``."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Backend(Protocol):
    """One loaded network.

    ``name`` is runtime and device, as shown to the user, with the precision where it is not
    float32. A backend is ready when constructed (file read, checked and warmed) and is used by one
    thread at a time. ``run`` neither keeps its inputs nor reuses its outputs.
    """

    @property
    def name(self) -> str:
        """Runtime and device, as shown to the user, e.g. ``ONNX Runtime, CPU``."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The network's inputs, in order."""

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The network's outputs, in order."""

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; raise ``EngineError`` where names, shapes or types do not fit."""

    def close(self) -> None:
        """Free what the runtime holds; may be called twice."""


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Whether a shape agrees with a specification, where ``None`` takes any size."""
    if len(shape) != len(wanted):
        return False
    return all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def closed(label: str) -> EngineError:
    """What ``run`` raises after ``close``."""
    return EngineError(f"{label} was closed and cannot run.")


def check_tensors(label: str, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> None:
    """``EngineError`` (calling the network ``label``) where names, shapes or types do not fit."""
    if len(tensors) != len(wanted) or any(spec.name not in tensors for spec in wanted):
        raise EngineError(
            f"{label} got inputs {', '.join(sorted(tensors)) or 'none'}, expected "
            f"{', '.join(spec.name for spec in wanted)}."
        )
    for spec in wanted:
        tensor = tensors[spec.name]
        if not fits(tensor.shape, spec.shape) or tensor.dtype != spec.dtype:
            raise EngineError(
                f"{label} got {spec.name} as {shape_text(tensor.shape)} {tensor.dtype}, "
                f"expected {shape_text(spec.shape)} {spec.dtype}."
            )


def sensible_threads() -> int:
    """Threads for a network on the CPU: at most ``MOST_THREADS`` of the cores this process has."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cores = os.cpu_count() or 1
    return max(1, min(MOST_THREADS, cores))


def zeros(spec: TensorSpec, shapes: Shapes) -> Tensor:
    """An input of zeros in the shape that ``shapes`` gives it; an unnamed dynamic axis is 1."""
    shape = shapes.get(spec.name, tuple(1 if size is None else size for size in spec.shape))
    return np.zeros(shape, spec.dtype)


def shape_text(shape: Sequence[int | None]) -> str:
    """``1x3x?x?``, or ``scalar``."""
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"
