"""Real crops of faces for comparing engines: made of the bundled personas, in a bundled room.

The networks are fed through the very code that feeds them live, and what reached each of them is
written down, so that every family of generators is compared on the inputs it will get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, Tensor, TensorSpec
from engines.checking import Inputs
from engines.errors import EngineError
from engines.loading import Networks
from engines.manifest import BUNDLED, REINSTALL
from engines.templates import Template, arcface
from engines.tensors import Pixels

SIDE = 256  # of a persona's square, in which the landmarks lie as below
LANDMARKS: Template = arcface(112) * 2 + 16
# Where squares lie in a picture of 1280 x 720: left, top, side.
_PLACES = ((90, 120, 240), (500, 60, 400), (940, 330, 300), (380, 480, 200), (1010, 40, 180))
_THRESHOLD = 0.6


class Tape:
    """A backend that passes everything on and keeps the inputs."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.inputs_seen: list[Inputs] = []

    @property
    def name(self) -> str:
        """The backend's own."""
        return self.backend.name

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The backend's own."""
        return self.backend.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The backend's own."""
        return self.backend.outputs

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; a copy of the inputs is kept."""
        self.inputs_seen.append({name: tensor.copy() for name, tensor in tensors.items()})
        return self.backend.run(tensors)

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()


def squares(folder: Path = BUNDLED / "personas") -> list[Pixels]:
    """The personas' aligned squares (BGR, landmarks at ``LANDMARKS``); ``EngineError`` if none."""
    found = [_read(path) for path in sorted(folder.glob("*.png"))]
    if not found:
        raise EngineError(f"There are no personas in {folder} to compare engines on.", REINSTALL)
    return found


def scenes(faces: Sequence[Pixels], room: Pixels) -> list[Pixels]:
    """Pictures of 1280 x 720 with some of ``faces`` in each, large and small."""
    ground = np.asarray(cv2.resize(room, (1280, 720), interpolation=cv2.INTER_AREA), np.uint8)
    pictures = []
    for first in range(len(faces)):
        picture = ground.copy()
        for number, (left, top, side) in enumerate(_PLACES[: 1 + first % len(_PLACES)]):
            face = faces[(first + number) % len(faces)]
            scaled = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
            picture[top : top + side, left : left + side] = scaled
        pictures.append(picture)
    return pictures


def crop(square: Pixels, template: Template, size: int) -> Pixels:
    """The ``size`` x ``size`` crop of a square in which its landmarks lie on ``template``."""
    ones, zeros = np.ones(5), np.zeros(5)
    x, y = LANDMARKS.T.astype(np.float64)
    rows = np.concatenate((np.stack((x, -y, ones, zeros), 1), np.stack((y, x, zeros, ones), 1)))
    wanted = np.concatenate((template[:, 0], template[:, 1])).astype(np.float64)
    (a, b, right, down), *_ = np.linalg.lstsq(rows, wanted, rcond=None)
    matrix = np.array([[a, -b, right], [b, a, down]])
    made = cv2.warpAffine(square, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(made, np.uint8)


def feed(networks: Networks, faces: Sequence[Pixels] | None = None) -> None:
    """Show them the specimens: every scene searched, every face embedded, swapped and parsed.

    ``faces`` (default: the personas) are squares as in ``squares``. The inputs are left in the
    tapes that ``networks`` were built on.
    """
    detector, swapper = networks.detector, networks.swapper
    faces = squares() if faces is None else faces
    for picture in scenes(faces, _read(BUNDLED / "demo" / "room.jpg")):
        for found in detector.detect(picture, _THRESHOLD):
            detector.detect_near(picture, found.box, _THRESHOLD)
    recognizer = swapper.recognizer
    identities = [
        swapper.prepare(recognizer.embed(crop(face, recognizer.template, recognizer.crop_size)))
        for face in faces
    ]
    for number, face in enumerate(faces):
        target = crop(face, swapper.template, swapper.crop_size)
        swapper.swap(target, identities[(number + 1) % len(faces)])
        if (occluder := networks.occluder) is not None:
            occluder.parts(crop(face, occluder.template, occluder.crop_size))


def _read(path: Path) -> Pixels:
    try:
        coded: NDArray[np.uint8] = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise EngineError(f"{path.name} cannot be read ({error.strerror}).", REINSTALL) from error
    picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if picture is None:
        raise EngineError(f"{path.name} is no picture.", REINSTALL)
    return np.asarray(picture, np.uint8)
