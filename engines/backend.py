"""The contract of a network runtime: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and element type of one input or output; a dynamic axis is ``None``."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Backend(Protocol):
    """One loaded network.

    A backend is ready when constructed (file read, checked and warmed) and is used by one thread at
    a time. ``run`` neither keeps its inputs nor reuses its outputs.
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


def shape_text(shape: Sequence[int | None]) -> str:
    """``1x3x?x?``, or ``scalar``."""
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"
