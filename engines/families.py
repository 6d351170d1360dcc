"""The families of swap generators, and how each wants its source, crop and colours.

Sources of the layouts: SimSwap (Chen et al. 2020, github.com/neuralchen/SimSwap), INSwapper
(github.com/deepinsight/insightface), BlendFace/BlendSwap (Shiohara et al. 2023) and the ONNX files
of these in circulation. The published files were not to be had while this was written: it is
tested with small generated files of the same signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engines import templates
from engines.appearance import JoinedRecognizer
from engines.backend import Backend, Tensor, TensorSpec, shape_text
from engines.errors import EngineError
from engines.onnx_file import last_square_matrix
from engines.recognizer import (
    UNIT_RANGE,
    Embedding,
    NetworkRecognizer,
    Normalisation,
    PictureRecognizer,
    Recognizer,
    unit,
)
from engines.swapper import GeneratorLayout, GeneratorSwapper
from engines.tensors import IMAGENET_MEAN, IMAGENET_STD

RECOGNIZER_SIZE = 112
NEEDS_RECOGNIZER = ("simswap", "inswapper")

IMAGENET = Normalisation(IMAGENET_MEAN, IMAGENET_STD)
SIGNED = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def omokage_recognizer(backend: Backend, sha256: str = "") -> NetworkRecognizer:
    """Our own recogniser: RGB in [0, 1], ArcFace crop of 112 px, 128 values.

    ``sha256`` is its file's. It is part of the name: the generator is trained to what one file says
    of a face, and what another one says means nothing to it.
    """
    name = f"omokage {sha256[:8]}".rstrip()
    return NetworkRecognizer(backend, name, templates.arcface(112), RECOGNIZER_SIZE, UNIT_RANGE)


def omokage_appearance(backend: Backend, sha256: str = "") -> NetworkRecognizer:
    """Our own appearance network: crop and name as of ``omokage_recognizer``."""
    name = f"appearance {sha256[:8]}".rstrip()
    return NetworkRecognizer(backend, name, templates.arcface(112), RECOGNIZER_SIZE, UNIT_RANGE)


def wants_appearance(identity: Backend, recognizer: NetworkRecognizer) -> bool:
    """Whether our identity network takes other values than the recogniser's alone."""
    taken = _input(identity, "embedding", "The identity network").shape[-1]
    return taken not in (None, recognizer.width)


def omokage(
    name: str,
    generator: Backend,
    identity: Backend,
    recognizer: Recognizer,
    appearance: NetworkRecognizer | None = None,
) -> GeneratorSwapper:
    """Our own generator: the identity network bakes ``gains`` once per source.

    It takes the recogniser's embedding, and the appearance beside it where ``wants_appearance``.
    ``EngineError`` where the widths of the files do not agree.
    """
    size = _square(generator, "target", name)
    _same_width(identity, "gains", generator, name)
    taken = _input(identity, "embedding", name).shape[-1]
    dtype = _input(identity, "embedding", name).dtype
    joined = _joined_by_width(recognizer, appearance, taken, name)
    masks = {spec.name for spec in generator.outputs}
    layout = GeneratorLayout(
        size, templates.omokage(size), "target", "output", "mask" if "mask" in masks else None
    )
    _output(generator, "output", name)

    def prepare(embedding: Embedding) -> Mapping[str, Tensor]:
        source = _source(embedding, taken, name)
        if joined is not None:
            source = joined.halves(source[0])[None]
        return {"gains": identity.run({"embedding": source.astype(dtype, copy=False)})["gains"]}

    return GeneratorSwapper(name, generator, joined or recognizer, layout, prepare, identity)


def simswap(name: str, generator: Backend, recognizer: Backend) -> GeneratorSwapper:
    """SimSwap at 224, 256 or 512 px, fed by its own ArcFace embedding of length 1.

    Target colours are ImageNet-normalised, but at 512 px plain RGB in [0, 1]; the output is RGB in
    [0, 1] at every size.
    """
    size = _square(generator, "target", name)
    if size not in (224, 256, 512):
        raise EngineError(f"{name} works on {size} px, but SimSwap's sizes are 224, 256 and 512.")
    arcface = NetworkRecognizer(
        recognizer, f"{name} recogniser", templates.simswap(112), RECOGNIZER_SIZE, IMAGENET
    )
    taken = _source_width(generator, name)
    _joined(recognizer, taken, name)
    layout = GeneratorLayout(
        size,
        templates.simswap(size),
        "target",
        generator.outputs[0].name,
        scale=UNIT_RANGE if size == 512 else IMAGENET,
    )
    return GeneratorSwapper(
        name,
        generator,
        arcface,
        layout,
        lambda embedding: {"source": _source(embedding, taken, name)},
    )


def inswapper(name: str, generator: Backend, recognizer: Backend, model: bytes) -> GeneratorSwapper:
    """INSwapper: RGB in [0, 1] both ways, fed by the embedding times its own ``emap``.

    ``emap`` is the last d x d weight of the file (``model`` is the file's content); the product is
    brought to length 1 again. The recogniser is InsightFace's, on RGB in [-1, 1].
    """
    size = _square(generator, "target", name)
    taken = _source_width(generator, name)
    emap = last_square_matrix(model, taken)
    if emap is None:
        raise EngineError(
            f"{name} holds no {taken} x {taken} matrix among its weights, so the source embedding "
            "cannot be mapped.",
            "Use the file as published: optimising it drops the matrix.",
        )
    arcface = NetworkRecognizer(
        recognizer, f"{name} recogniser", templates.arcface(112), RECOGNIZER_SIZE, SIGNED
    )
    _joined(recognizer, taken, name)
    layout = GeneratorLayout(size, templates.arcface(size), "target", generator.outputs[0].name)

    def prepare(embedding: Embedding) -> Mapping[str, Tensor]:
        return {"source": unit(_source(embedding, taken, name) @ emap, name)[None]}

    return GeneratorSwapper(name, generator, arcface, layout, prepare)


def blendface(name: str, generator: Backend) -> GeneratorSwapper:
    """BlendFace's swapper: takes the source picture (112 px, ArcFace) and holds its own encoder.

    The target is an FFHQ-aligned crop; RGB in [0, 1] both ways.
    """
    size = _square(generator, "target", name)
    source = _input(generator, "source", name)
    if len(source.shape) != 4 or source.shape[-1] not in (None, RECOGNIZER_SIZE):
        raise EngineError(
            f"{name} takes a source of shape {shape_text(source.shape)}, expected a picture of "
            "1x3x112x112."
        )
    picture = PictureRecognizer(f"{name} source", templates.arcface(112), RECOGNIZER_SIZE)
    layout = GeneratorLayout(size, templates.ffhq(size), "target", generator.outputs[0].name)
    return GeneratorSwapper(
        name,
        generator,
        picture,
        layout,
        lambda embedding: {"source": picture.picture(embedding)},
    )


def guess_family(inputs: Sequence[TensorSpec]) -> str | None:
    """The family of a generator from its inputs, or ``None``."""
    shapes = {spec.name: spec.shape for spec in inputs}
    if set(shapes) != {"target", "source"} or len(shapes["target"]) != 4:
        return None
    if len(shapes["source"]) == 4:
        return "blendface"
    return "inswapper" if shapes["target"][-1] == 128 else "simswap"


def _find(specs: Sequence[TensorSpec], name: str, kind: str, model: str) -> TensorSpec:
    for spec in specs:
        if spec.name == name:
            return spec
    names = ", ".join(spec.name for spec in specs)
    raise EngineError(f"{model} has the {kind}s {names}, expected one called {name}.")


def _input(backend: Backend, name: str, model: str) -> TensorSpec:
    return _find(backend.inputs, name, "input", model)


def _output(backend: Backend, name: str, model: str) -> TensorSpec:
    return _find(backend.outputs, name, "output", model)


def _square(backend: Backend, name: str, model: str) -> int:
    shape = _input(backend, name, model).shape
    if len(shape) != 4 or shape[1] != 3 or shape[2] is None or shape[2] != shape[3]:
        raise EngineError(f"{model} takes a {name} of shape {shape_text(shape)}, expected 1x3xSxS.")
    return shape[2]


def _source_width(generator: Backend, name: str) -> int:
    shape = _input(generator, "source", name).shape
    if len(shape) != 2 or shape[1] is None:
        raise EngineError(f"{name} takes a source of shape {shape_text(shape)}, expected 1 x d.")
    return shape[1]


def _joined(recognizer: Backend, width: int, name: str) -> None:
    made = recognizer.outputs[0].shape[-1]
    if made not in (None, width):
        raise EngineError(f"The recogniser given for {name} makes {made} values, expected {width}.")


def _joined_by_width(
    recognizer: Recognizer, appearance: NetworkRecognizer | None, taken: int | None, name: str
) -> JoinedRecognizer | None:
    """Both networks as one recogniser that makes ``taken`` values; None without ``appearance``."""
    # How many values any other kind of recogniser makes is seen when it embeds.
    made = recognizer.width if isinstance(recognizer, NetworkRecognizer) else None
    if appearance is None:
        if made is None or taken in (None, made):
            return None
        beside = "and no appearance network makes the others"
    else:
        rest = (taken or 0) - (appearance.width or 0)
        if appearance.width is not None and rest > 0 and made in (None, rest):
            return JoinedRecognizer(recognizer, appearance, rest)
        beside = f"and its appearance network {appearance.width or '?'}"
    raise EngineError(
        f"The files of {name} do not belong together: its identity network takes {taken or '?'} "
        f"values, its recogniser makes {made or '?'} {beside}.",
        "Use files that were made together; installing the application again brings its own.",
    )


def _same_width(identity: Backend, tensor: str, generator: Backend, name: str) -> None:
    made = _output(identity, tensor, name).shape[-1]
    taken = _input(generator, tensor, name).shape[-1]
    if made != taken:
        raise EngineError(f"{name}'s identity network makes {made} {tensor}, expected {taken}.")


def _source(embedding: Embedding, width: int | None, name: str) -> Embedding:
    if embedding.ndim != 1 or width not in (None, embedding.size):
        raise EngineError(
            f"{name} got an embedding of shape {embedding.shape}, expected ({width},)."
        )
    return embedding.reshape(1, -1).astype(np.float32, copy=False)
