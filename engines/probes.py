"""What a network is compared on: the tensors that the real chain feeds it, on bundled pictures.

The chain is run once on the reference (float32, ONNX Runtime, CPU) and every network's inputs are
recorded, so that no pre-processing is written twice and any family of swapper can be compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import families
from engines.backend import Backend, Tensor, TensorSpec
from engines.checking import Inputs, Kind
from engines.detector import Detector
from engines.errors import EngineError
from engines.loading import build_added
from engines.manifest import BUNDLED, OWN_SWAPPER, REINSTALL, ModelFile, ModelStore
from engines.onnx_backend import OnnxBackend
from engines.swapper import Swapper
from engines.templates import Template, arcface
from engines.tensors import Pixels

FACES = 4  # bundled faces that are used: light and dark, women and men
SQUARE = arcface(112) * 2 + 16  # landmarks of a persona's square of 256 px
THRESHOLD = 0.6
_SCENES = ((720, 1280), (480, 640))  # height, width

_Take = Callable[[ModelFile, Kind], tuple[Backend, bytes]]


@dataclass(frozen=True)
class Probe:
    """Inputs of one network, and how its outputs are compared."""

    kind: Kind
    inputs: tuple[Inputs, ...]


class _Recorder:
    """A backend that keeps a copy of what it is given."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.given: list[Inputs] = []

    @property
    def name(self) -> str:
        return self._backend.name

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        return self._backend.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        return self._backend.outputs

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.given.append({name: tensor.copy() for name, tensor in tensors.items()})
        return self._backend.run(tensors)

    def close(self) -> None:
        self._backend.close()


def record_probes(
    store: ModelStore, swapper: str = OWN_SWAPPER, *, pictures: Path = BUNDLED
) -> dict[str, Probe]:
    """Probes of the detector and of the networks of one swapper, by the stem of their files.

    ``pictures`` is a folder like ``assets``. ``EngineError`` where a network or a picture cannot be
    used.
    """
    kinds: dict[str, Kind] = {}
    recorders: dict[str, _Recorder] = {}
    with contextlib.ExitStack() as opened:

        def take(file: ModelFile, kind: Kind) -> tuple[Backend, bytes]:
            data = file.read()
            recorder = _Recorder(OnnxBackend(data, file.path.name))
            opened.callback(recorder.close)
            kinds[file.path.stem], recorders[file.path.stem] = kind, recorder
            return recorder, data

        squares = _squares(pictures)
        _look(Detector(take(store.file("detector"), "detector")[0]), squares)
        chosen = _own(store, take) if swapper == OWN_SWAPPER else _added(store, swapper, take)
        _swap(chosen, squares)
    return {
        stem: Probe(kinds[stem], tuple(recorder.given))
        for stem, recorder in recorders.items()
        if recorder.given
    }


def _own(store: ModelStore, take: _Take) -> Swapper:
    return families.omokage(
        OWN_SWAPPER,
        take(store.file("swapper"), "picture")[0],
        take(store.file("swapper_identity"), "embedding")[0],
        families.omokage_recognizer(take(store.file("recognizer"), "embedding")[0]),
    )


def _added(store: ModelStore, name: str, take: _Take) -> Swapper:
    card = store.card(name)
    generator, data = take(card.generator, "picture")
    recognizer = None if card.recognizer is None else take(card.recognizer, "embedding")[0]
    return build_added(card.name, card.family, generator, data, recognizer)


def _look(detector: Detector, squares: Sequence[Pixels]) -> None:
    """Search a scene with two faces in each format, and follow what is found."""
    for n, (height, width) in enumerate(_SCENES):
        scene = np.full((height, width, 3), 96, np.uint8)
        for place, share in ((0.05, 0.6), (0.6, 0.45)):
            side = int(height * share)
            left, top = int(width * place), (height - side) // 2
            square = cv2.resize(squares[(2 * n + (place > 0.5)) % len(squares)], (side, side))
            scene[top : top + side, left : left + side] = square
        for face in detector.detect(scene, THRESHOLD):
            detector.detect_near(scene, face.box, THRESHOLD)


def _swap(swapper: Swapper, squares: Sequence[Pixels]) -> None:
    """Swap every face with its neighbour's."""
    recognizer = swapper.recognizer
    embeddings = [
        recognizer.embed(_crop(square, recognizer.template, recognizer.crop_size))
        for square in squares
    ]
    for n, square in enumerate(squares):
        identity = swapper.prepare(embeddings[(n + 1) % len(squares)])
        swapper.swap(_crop(square, swapper.template, swapper.crop_size), identity)


def _squares(pictures: Path) -> list[Pixels]:
    found = [square for path in _portraits(pictures) if (square := _read(path)) is not None]
    if not found:
        raise EngineError(
            f"There are no pictures in {pictures / 'personas'} to compare engines on.", REINSTALL
        )
    return found


def _portraits(pictures: Path) -> Iterator[Path]:
    yield from sorted((pictures / "personas").glob("*.png"))[:FACES]


def _read(path: Path) -> Pixels | None:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(cv2.resize(picture, (256, 256)), np.uint8)


def _crop(square: Pixels, template: Template, size: int) -> Pixels:
    """The square moved so that its landmarks lie at the template's, by least squares."""
    matrix = _similarity(SQUARE, template)
    return np.asarray(cv2.warpAffine(square, matrix, (size, size)), np.uint8)


def _similarity(source: Template, target: Template) -> NDArray[np.float64]:
    """Rotation, scale and shift (2 x 3) that bring ``source`` nearest to ``target``."""
    x, y = source.T.astype(np.float64)
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        (np.stack((x, -y, one, zero), axis=1), np.stack((y, x, zero, one), axis=1))
    )
    a, b, right, down = np.linalg.lstsq(rows, target.T.ravel().astype(np.float64), rcond=None)[0]
    return np.array(((a, -b, right), (b, a, down)))
