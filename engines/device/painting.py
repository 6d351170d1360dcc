"""Puts the swap of a frame's faces on a stream: from the crop to the paste-back."""

from __future__ import annotations

from engines.device.driver import Address, Argument, Driver, Stream, integer, pointer, real
from engines.device.network import DeviceNetworks
from engines.device.parameters import LAYOUT
from engines.device.workspace import STATS_BYTES, Staging, Workspace, is_half, size_of

PASTE_THREADS = 1 << 16  # they stride over the region
RUN = 32  # pixels a thread adds up, as in kernels/colour.cu


class Painter:
    """The launches, in order; nothing here waits, so that all of it can be captured."""

    def __init__(self, driver: Driver, networks: DeviceNetworks, workspace: Workspace) -> None:
        self._driver, self._networks, self._space = driver, networks, workspace

    def before(self, frame: Address, width: int, count: int, staging: Staging, on: Stream) -> None:
        """Parameters and outlines up, crops and network inputs made."""
        space, scale = self._space, self._networks.layout.scale
        driver, side = self._driver, space.side
        driver.upload(space.faces.address, staging.faces, count * LAYOUT.itemsize, on)
        driver.upload(space.outlines.address, staging.outlines, count * side * side, on)
        factors = [1 / (255 * std) for std in scale.std]
        shifts = [mean / std for mean, std in zip(scale.mean, scale.std, strict=True)]
        self._each(
            "crop_faces",
            count,
            on,
            pointer(frame),
            integer(width),
            pointer(space.faces.address),
            integer(side),
            pointer(space.crops.address),
            pointer(space.tensors[space.target.name].address),
            integer(is_half(space.target)),
            *map(real, factors),
            *map(real, shifts),
        )

    def generate(self, count: int, on: Stream) -> None:
        """The generator, for as many faces at once as it takes."""
        for first, network in self._networks.runs(count):
            network.enqueue(on, self._space.bindings(first))

    def capturable(self, count: int) -> bool:
        """Whether ``generate`` may become part of a captured graph."""
        return all(network.capturable for _, network in self._networks.runs(count))

    def after(self, frame: Address, width: int, count: int, on: Stream) -> None:
        """Mask, light and paste-back."""
        space, driver = self._space, self._driver
        side, pixels = integer(space.side), space.side**2
        faces, outlines = pointer(space.faces.address), pointer(space.outlines.address)
        swapped, masks = pointer(space.swapped.address), pointer(space.masks.address)
        crops, matrices = pointer(space.crops.address), pointer(space.matrices.address)
        sums, patches = pointer(space.colour_sums.address), pointer(space.patches.address)
        sharpened, doubled = pointer(space.sharpened.address), pointer(space.doubled.address)
        output = pointer(space.tensors[space.output.name].address)
        self._each("pixels_from", count, on, output, integer(is_half(space.output)), side, swapped)
        for _ in range(2):
            box = pointer(space.box_sums.address)
            self._each("blur_rows", count, on, faces, outlines, side, box)
            self._each("blur_columns", count, on, faces, box, side, outlines)
        own = (pointer(None), integer(0))
        if space.own is not None:
            own = (pointer(space.tensors[space.own.name].address), integer(is_half(space.own)))
        none = (pointer(None), integer(0))
        self._each("build_masks", count, on, faces, outlines, *own, *none, side, masks)
        driver.zero(space.colour_sums.address, count * STATS_BYTES, on)
        threads = -(-pixels // RUN)
        driver.launch("colour_sums", threads, count, (faces, swapped, crops, masks, side, sums), on)
        lights = pointer(space.lights.address)
        driver.launch(
            "colour_matrix", count, 1, (faces, integer(count), sums, lights, matrices), on
        )
        self._each("recolour", count, on, swapped, masks, matrices, side, patches)
        self._each("sharpen", count, on, faces, patches, side, sharpened)
        driver.launch(
            "double_patches",
            (2 * space.side + 4) ** 2,
            count,
            (faces, sharpened, side, doubled),
            on,
        )
        for face in range(count):  # in order: where two faces overlap the later lies above
            arguments = (
                pointer(frame),
                integer(width),
                faces,
                integer(face),
                sharpened,
                doubled,
                side,
            )
            driver.launch("paste", PASTE_THREADS, 1, arguments, on)

    def sources(self, count: int, staging: Staging, on: Stream) -> None:
        """The identities' tensors up."""
        for spec in self._space.sources:
            target = self._space.tensors[spec.name].address
            self._driver.upload(target, staging.sources[spec.name], count * size_of(spec), on)

    def _each(self, kernel: str, count: int, on: Stream, *arguments: Argument) -> None:
        """One thread a crop pixel, ``count`` faces."""
        self._driver.launch(kernel, self._space.side**2, count, arguments, on)
