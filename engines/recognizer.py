"""From an aligned face to an identity embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, shape_text
from engines.errors import EngineError
from engines.templates import Template
from engines.tensors import NO_MEAN, NO_STD, Pixels, Rgb, rgb_tensor

Embedding = NDArray[np.float32]  # (d,), length 1

# Cosines of the bundled recogniser (``assets/recognizer.onnx``), from ``benchmarks.recognition``;
# measure again with another file. SAME_PERSON: of 6,134 meetings of other people in clips, four
# looks by turns each, none reaches it, and 0.03 % of 521,838 pairs of held-out photographs do; the
# same person in another clip misses it in none of 569, two photographs of other days in 34 %.
# STRANGER: below it are none of those 569 and 3.1 % of those photographs; 86 % of the meetings are.
SAME_PERSON = 0.58
STRANGER = 0.35


class Recognizer(Protocol):
    """What a swapper wants from a source face.

    ``template`` is where the five landmarks lie in the aligned crop of ``crop_size`` pixels.
    """

    @property
    def name(self) -> str:
        """Which embedding space this is; embeddings of two names cannot be mixed."""

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""

    @property
    def template(self) -> Template:
        """5 x 2 points in crop pixels."""

    def embed(self, crop: Pixels) -> Embedding:
        """The embedding of an aligned BGR crop, length 1; ``EngineError`` for a wrong size."""

    def close(self) -> None:
        """Free what it holds; may be called twice."""


@dataclass(frozen=True)
class Normalisation:
    """What is done to RGB values in [0, 1]: less ``mean``, divided by ``std``."""

    mean: Rgb = NO_MEAN
    std: Rgb = NO_STD


UNIT_RANGE = Normalisation()  # RGB as it is, in [0, 1]


class NetworkRecognizer:
    """An ArcFace-like network: n x 3 x S x S RGB in, n x d out.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019.
    """

    def __init__(
        self, backend: Backend, name: str, template: Template, crop_size: int, scale: Normalisation
    ) -> None:
        if len(backend.inputs) != 1 or len(backend.outputs) != 1:
            raise EngineError(
                f"The recogniser {name} has {len(backend.inputs)} inputs and "
                f"{len(backend.outputs)} outputs, expected one picture and one embedding."
            )
        source, result = backend.inputs[0], backend.outputs[0]
        sides = tuple(source.shape[1:])
        if len(source.shape) != 4 or any(
            got not in (None, want)
            for got, want in zip(sides, (3, crop_size, crop_size), strict=True)
        ):
            raise EngineError(
                f"The recogniser {name} takes pictures of {shape_text(source.shape)}, expected "
                f"1x3x{crop_size}x{crop_size}."
            )
        if len(result.shape) != 2:
            raise EngineError(
                f"The recogniser {name} gives {shape_text(result.shape)}, expected 1 x d."
            )
        self._backend, self._name, self._scale = backend, name, scale
        self._template, self._crop_size = template, crop_size
        self._input, self._output, self._dtype = source.name, result.name, source.dtype
        self._width = result.shape[-1]

    @property
    def name(self) -> str:
        """Which embedding space this is."""
        return self._name

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        return self._crop_size

    @property
    def template(self) -> Template:
        """5 x 2 points in crop pixels."""
        return self._template

    @property
    def width(self) -> int | None:
        """How many values an embedding has; ``None`` where the file does not say."""
        return self._width

    def embed(self, crop: Pixels) -> Embedding:
        """The embedding of an aligned BGR crop, length 1."""
        check_crop(crop, self._crop_size, self._name)
        picture = rgb_tensor(crop, self._scale.mean, self._scale.std)
        tensors = {self._input: picture.astype(self._dtype, copy=False)}
        return unit(self._backend.run(tensors)[self._output][0], self._name)

    def close(self) -> None:
        """Free the network."""
        self._backend.close()


class PictureRecognizer:
    """For swappers that read the source picture itself: the picture as an "embedding".

    The vector holds the crop's RGB values in [0, 1] (3 x S x S) and a last 1, all scaled to length
    1. Dividing by the last entry gives the picture back, also after averaging or rescaling.
    """

    def __init__(self, name: str, template: Template, crop_size: int) -> None:
        self._name, self._template, self._crop_size = name, template, crop_size

    @property
    def name(self) -> str:
        """Which embedding space this is."""
        return self._name

    @property
    def crop_size(self) -> int:
        """Side of the crop in pixels."""
        return self._crop_size

    @property
    def template(self) -> Template:
        """5 x 2 points in crop pixels."""
        return self._template

    def embed(self, crop: Pixels) -> Embedding:
        """The crop's values and a last 1, length 1."""
        check_crop(crop, self._crop_size, self._name)
        return unit(np.append(rgb_tensor(crop).ravel(), np.float32(1)), self._name)

    def picture(self, embedding: Embedding) -> NDArray[np.float32]:
        """1 x 3 x S x S RGB in [0, 1] back from ``embed``'s vector."""
        side = self._crop_size
        if embedding.shape != (3 * side * side + 1,) or embedding[-1] <= 0:
            raise EngineError(f"The source for {self._name} is no picture of {side} pixels.")
        values = embedding[:-1] / embedding[-1]
        return np.asarray(values.reshape(1, 3, side, side), np.float32)

    def close(self) -> None:
        """Nothing to free."""


def embed_both(recognizer: Recognizer, crop: Pixels) -> Embedding:
    """The direction of the mean over a crop and its mirror image, length 1.

    A small network knows a face a little otherwise in the mirror, and is wrong of one where it is
    not of the other. For faces that are kept; who is followed is looked at again and again anyway.
    """
    turned = np.ascontiguousarray(crop[:, ::-1])
    return unit(recognizer.embed(crop) + recognizer.embed(turned), recognizer.name)


def unit(vector: NDArray[np.floating], name: str) -> Embedding:
    """``vector`` flattened, float32, length 1; ``EngineError`` where that cannot be."""
    flat = vector.astype(np.float32).ravel()
    length = float(np.linalg.norm(flat))
    if not np.isfinite(length) or length < 1e-6:
        raise EngineError(f"{name} gave an embedding of length {length}, which is no identity.")
    return (flat / length).astype(np.float32)


def check_crop(crop: Pixels, size: int, name: str) -> None:
    """``EngineError`` where a crop is not size x size x 3 uint8."""
    if crop.shape != (size, size, 3) or crop.dtype != np.uint8:
        raise EngineError(
            f"{name} got a crop of {crop.shape} {crop.dtype}, expected {size} x {size} x 3 uint8."
        )
