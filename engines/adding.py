"""Take a generator the user has: check that it runs as its family says, then store it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines import families
from engines.backend import Backend, shape_text
from engines.errors import EngineError
from engines.loading import build_added
from engines.manifest import FAMILIES, ModelStore, SwapperCard
from engines.onnx_backend import OnnxBackend

UNKNOWN_LICENCE = "unknown: ask whoever published the file"


@dataclass(frozen=True)
class Candidate:
    """A model to add; what is ``None`` is guessed, or not there."""

    file: Path
    family: str | None = None
    recognizer: Path | None = None
    name: str | None = None
    licence: str | None = None


def add_model(candidate: Candidate, store: ModelStore) -> SwapperCard:
    """Open, run once, then store the files with a card; ``EngineError`` says what does not fit.

    The run swaps a grey picture: what the family's pre- and post-processing cannot feed is refused
    now and not in the middle of a call.
    """
    name = candidate.name or candidate.file.stem
    model = _read(candidate.file)
    second = None if candidate.recognizer is None else _read(candidate.recognizer)
    with contextlib.ExitStack() as opened:

        def take(data: bytes, path: Path) -> Backend:
            backend = OnnxBackend(data, path.name)
            opened.callback(backend.close)
            return backend

        generator = take(model, candidate.file)
        family = candidate.family or families.guess_family(generator.inputs)
        if family is None:
            inputs = ", ".join(f"{spec.name} {shape_text(spec.shape)}" for spec in generator.inputs)
            raise EngineError(
                f"{candidate.file.name} takes {inputs}, expected a target and a source as in "
                f"{', '.join(FAMILIES)}.",
                "Say which it is with --family.",
            )
        if family not in families.NEEDS_RECOGNIZER:
            second = None
        recognizer = (
            take(second, candidate.recognizer)
            if second is not None and candidate.recognizer is not None
            else None
        )
        swapper = build_added(name, family, generator, model, recognizer)
        side = swapper.recognizer.crop_size
        grey = np.full((side, side, 3), 128, np.uint8)
        identity = swapper.prepare(swapper.recognizer.embed(grey))
        size = swapper.crop_size
        swapper.swap(np.full((size, size, 3), 128, np.uint8), identity)
    return store.save(name, family, candidate.licence or UNKNOWN_LICENCE, model, second)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(f"The model file {path} cannot be read ({error.strerror}).") from error
