"""What of an aligned face is seen: hands, glasses, cups and hair before it are not face.

Input: RGB in [0, 1], n x 3 x S x S, aligned as ``templates.omokage``. Output ``parts``: n x 4 x S
x S in [0, 1]: visible face, eyes, brows, mouth (lips and what is between them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines import templates
from engines.backend import Backend, shape_text
from engines.errors import EngineError
from engines.recognizer import check_crop
from engines.templates import Template
from engines.tensors import Pixels, gray_from_unit, rgb_tensor

OUTPUT = "parts"
CHANNELS = 4


@dataclass(frozen=True, eq=False)
class FaceParts:
    """Soft masks of one crop, each S x S uint8, 255 = yes; all but ``face`` lie within it."""

    face: NDArray[np.uint8]
    eyes: NDArray[np.uint8]
    brows: NDArray[np.uint8]
    mouth: NDArray[np.uint8]


class Occluder:
    """Finds the visible face in an aligned crop; owns nothing but its backend."""

    def __init__(self, backend: Backend) -> None:
        if len(backend.inputs) != 1 or OUTPUT not in {spec.name for spec in backend.outputs}:
            raise EngineError(f"The occluder must have one input and an output called {OUTPUT}.")
        taken = backend.inputs[0]
        given = next(spec for spec in backend.outputs if spec.name == OUTPUT)
        size = taken.shape[-1] if len(taken.shape) == 4 else None
        if size is None or taken.shape[1:] != (3, size, size):
            raise EngineError(
                f"The occluder takes {shape_text(taken.shape)}, expected a square 1x3xSxS."
            )
        if given.shape[1:] != (CHANNELS, size, size):
            raise EngineError(
                f"The occluder gives {shape_text(given.shape)}, "
                f"expected 1x{CHANNELS}x{size}x{size}."
            )
        self._backend, self._input, self._dtype = backend, taken.name, taken.dtype
        self._size = size

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        return self._size

    @property
    def template(self) -> Template:
        """Where the five landmarks lie in the crop, 5 x 2 pixels."""
        return templates.omokage(self._size)

    def parts(self, crop: Pixels) -> FaceParts:
        """The masks of one aligned BGR crop.

        ``EngineError`` for a wrong size, or for numbers that are none: as bytes they are 0, a face
        that something covers, and the real one would be shown.
        """
        check_crop(crop, self._size, "The occluder")
        picture = rgb_tensor(crop).astype(self._dtype, copy=False)
        planes = self._backend.run({self._input: picture})[OUTPUT][0]
        if not np.isfinite(planes).all():
            raise EngineError(
                f"The occluder calculated numbers that are none on {self._backend.name}.",
                "Choose another engine, or update the graphics driver.",
            )
        return FaceParts(*(gray_from_unit(plane) for plane in planes))

    def close(self) -> None:
        """Free the network."""
        self._backend.close()
