"""From an aligned face and an identity to the swapped face; the families are in ``families``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, Tensor
from engines.errors import EngineError
from engines.recognizer import (
    UNIT_RANGE,
    Embedding,
    Normalisation,
    Recognizer,
    check_crop,
)
from engines.templates import Template
from engines.tensors import Pixels, gray_from_unit, pixels_from_rgb, rgb_tensor


@dataclass(frozen=True, eq=False)
class SwapResult:
    """A swapped crop, BGR uint8 S x S x 3, and the generator's own mask (S x S, 255 = swap)."""

    pixels: Pixels
    mask: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class PreparedIdentity:
    """The generator's inputs that depend on the source alone; ``swapper`` names whose they are."""

    swapper: str
    tensors: Mapping[str, Tensor]


class Swapper(Protocol):
    """Puts a prepared identity on aligned crops."""

    @property
    def name(self) -> str:
        """Name of the model, as in the settings."""

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""

    @property
    def template(self) -> Template:
        """Where the five landmarks lie in the crop, 5 x 2 pixels."""

    @property
    def device(self) -> str:
        """Runtime and device, as shown to the user."""

    @property
    def recognizer(self) -> Recognizer:
        """Makes the embeddings that ``prepare`` takes."""

    def prepare(self, embedding: Embedding) -> PreparedIdentity:
        """Done once per source; ``EngineError`` where the embedding is not this recogniser's."""

    def swap(self, crop: Pixels, identity: PreparedIdentity) -> SwapResult:
        """Swap one aligned BGR crop; ``EngineError`` where crop or identity do not fit."""

    def close(self) -> None:
        """Free generator and recogniser; may be called twice."""


class Preparer(Protocol):
    """The part in which the families differ: what the generator gets from an embedding."""

    def __call__(self, embedding: Embedding) -> Mapping[str, Tensor]:
        """Generator inputs by name."""


@dataclass(frozen=True)
class GeneratorLayout:
    """How a generator is fed: names of its tensors, crop, template and normalisation."""

    crop_size: int
    template: Template
    target: str
    output: str
    mask: str | None = None
    scale: Normalisation = UNIT_RANGE


class GeneratorSwapper:
    """A swapper of any family: picture in, prepared identity in, RGB in [0, 1] out."""

    def __init__(
        self,
        name: str,
        generator: Backend,
        recognizer: Recognizer,
        layout: GeneratorLayout,
        prepare: Preparer,
        identity: Backend | None = None,
    ) -> None:
        self._name, self._generator, self._recognizer = name, generator, recognizer
        self._layout, self._prepare, self._identity = layout, prepare, identity
        self._dtypes = {spec.name: spec.dtype for spec in generator.inputs}
        self._read = [name for name in (layout.output, layout.mask) if name is not None]

    @property
    def name(self) -> str:
        """Name of the model, as in the settings."""
        return self._name

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        return self._layout.crop_size

    @property
    def layout(self) -> GeneratorLayout:
        """How its generator is fed, for those who run it elsewhere."""
        return self._layout

    @property
    def template(self) -> Template:
        """Where the five landmarks lie in the crop."""
        return self._layout.template

    @property
    def device(self) -> str:
        """Runtime and device."""
        return self._generator.name

    @property
    def recognizer(self) -> Recognizer:
        """Makes the embeddings that ``prepare`` takes."""
        return self._recognizer

    def prepare(self, embedding: Embedding) -> PreparedIdentity:
        """The generator's tensors for one source."""
        tensors = {
            name: np.ascontiguousarray(tensor, self._dtypes[name])
            for name, tensor in self._prepare(embedding).items()
        }
        return PreparedIdentity(self._name, tensors)

    def swap(self, crop: Pixels, identity: PreparedIdentity) -> SwapResult:
        """Swap one aligned BGR crop."""
        layout = self._layout
        check_identity(self._name, identity)
        check_crop(crop, layout.crop_size, self._name)
        picture = rgb_tensor(crop, layout.scale.mean, layout.scale.std)
        target = picture.astype(self._dtypes[layout.target], copy=False)
        outputs = self._generator.run({layout.target: target, **identity.tensors})
        # As bytes NaN is 0: a black face, and where it is the mask, no swap at all.
        if not all(np.isfinite(outputs[name]).all() for name in self._read):
            raise EngineError(
                f"{self._name} calculated numbers that are none on {self.device}.",
                "Choose another engine or source face, or update the graphics driver.",
            )
        mask = None if layout.mask is None else gray_from_unit(outputs[layout.mask][0, 0])
        return SwapResult(pixels_from_rgb(outputs[layout.output][0]), mask)

    def close(self) -> None:
        """Free every network it holds."""
        self._generator.close()
        self._recognizer.close()
        if self._identity is not None:
            self._identity.close()


def check_identity(swapper: str, identity: PreparedIdentity) -> None:
    """``EngineError`` where an identity was prepared for another swapper."""
    if identity.swapper != swapper:
        raise EngineError(
            f"{swapper} got an identity prepared for {identity.swapper}.",
            "Choose the source face again.",
        )
