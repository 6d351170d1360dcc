"""The device memory of one chain: what lies between the frame and the networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.backend import TensorSpec
from engines.device.driver import Driver, Memory, Pinned
from engines.device.network import DeviceNetworks
from engines.device.parameters import LAYOUT, LIGHT_BYTES, LIGHTS
from engines.errors import EngineError

STATS_BYTES = 13 * 8  # a face, of kernels/colour.cu


def size_of(spec: TensorSpec) -> int:
    """Bytes of a tensor of fixed shape."""
    return int(np.prod([1 if size is None else size for size in spec.shape])) * spec.dtype.itemsize


def is_half(spec: TensorSpec) -> int:
    """1 for float16, 0 for float32; ``EngineError`` for other types."""
    if spec.dtype not in (np.dtype(np.float32), np.dtype(np.float16)):
        raise EngineError(
            f"The tensor {spec.name} is {spec.dtype}; on the device networks take and give float32 "
            "or float16."
        )
    return int(spec.dtype == np.float16)


def find(specs: tuple[TensorSpec, ...], name: str) -> TensorSpec:
    """The tensor called ``name``; ``EngineError`` where there is none."""
    for spec in specs:
        if spec.name == name:
            return spec
    raise EngineError(f"The network has no tensor {name}.")


@dataclass(frozen=True, eq=False)
class Staging:
    """Page-locked memory of one slot: what the host decided about its faces."""

    faces: Pinned
    outlines: Pinned
    sources: dict[str, Pinned]  # by input of the generator, one place a face

    def free(self) -> None:
        """Give it back; no upload may be under way."""
        for memory in (self.faces, self.outlines, *self.sources.values()):
            memory.free()


class Workspace:
    """Buffers for up to ``most`` faces; those of one face follow each other without gaps.

    One set serves all slots, since everything that uses it is on one stream.
    """

    def __init__(self, driver: Driver, networks: DeviceNetworks, most: int, slots: int) -> None:
        layout, generator = networks.layout, networks.generator
        self.side, self.most = layout.crop_size, most
        pixels = self.side**2
        self.target = find(tuple(generator.inputs), layout.target)
        self.output = find(tuple(generator.outputs), layout.output)
        self.own = None if layout.mask is None else find(tuple(generator.outputs), layout.mask)
        self.sources = tuple(spec for spec in generator.inputs if spec.name != layout.target)
        for spec in (self.target, self.output):
            _expect(spec, 3 * pixels)
        if self.own is not None:
            _expect(self.own, pixels)
        self._memories: list[Memory] = []

        def memory(size: int) -> Memory:
            made = driver.memory(size)
            self._memories.append(made)
            return made

        self.faces = memory(most * LAYOUT.itemsize)
        self.crops, self.swapped = memory(most * 3 * pixels), memory(most * 3 * pixels)
        self.outlines, self.masks = memory(most * pixels), memory(most * pixels)
        self.box_sums = memory(most * 2 * pixels)
        self.patches, self.sharpened = memory(most * 4 * pixels), memory(most * 4 * pixels)
        self.doubled = memory(most * 4 * (2 * self.side + 4) ** 2)
        self.colour_sums = memory(most * STATS_BYTES)
        self.matrices = memory(most * 12 * 4)
        self.lights = memory(LIGHTS * LIGHT_BYTES)
        # Every tensor of the generator, including outputs nobody reads: it writes them all.
        self.tensors = {
            spec.name: memory(most * size_of(spec))
            for spec in (*generator.inputs, *generator.outputs)
        }
        self._sizes = {s.name: size_of(s) for s in (*generator.inputs, *generator.outputs)}
        self.staging = [
            Staging(
                driver.pinned(most * LAYOUT.itemsize),
                driver.pinned(most * pixels),
                {spec.name: driver.pinned(most * size_of(spec)) for spec in self.sources},
            )
            for _ in range(slots)
        ]

    def bindings(self, face: int) -> dict[str, int]:
        """Where the generator finds and leaves the tensors of one face and those after it."""
        return {
            name: memory.address + face * self._sizes[name] for name, memory in self.tensors.items()
        }

    def close(self) -> None:
        """Free everything; no work may be under way."""
        for memory in self._memories:
            memory.free()
        for staging in self.staging:
            staging.free()


def _expect(spec: TensorSpec, values: int) -> None:
    is_half(spec)
    if size_of(spec) != values * spec.dtype.itemsize:
        raise EngineError(
            f"The generator's {spec.name} has {size_of(spec) // spec.dtype.itemsize} values, "
            f"expected {values}."
        )
