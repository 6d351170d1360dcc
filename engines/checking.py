"""Whether another runtime or precision gives the same answers as the reference.

Every engine that is not the reference (float32 on ONNX Runtime's CPU) is compared with it on real
crops before it is used: an engine that is fast and wrong is not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.backend import Backend, Tensor
from engines.detector import decode, overlap, suppress
from engines.errors import EngineError

Kind = Literal["embedding", "picture", "detector"]
Inputs = Mapping[str, Tensor]

LEAST_COSINE = 0.999  # of an embedding, or of a generator's gains, with the reference's
LEAST_PSNR_DB = 40.0  # of a picture in [0, 1]: 2.55 grey levels root mean square
MOST_PX = 1.0  # between a box or landmark and the reference's, in pixels of the network's input
SURE = 0.6  # score from which the reference's faces must be found; the application's own default
DOUBT = 0.05  # the other one may score a face this much lower: it falls on either side
MOST_FACES = 16


@dataclass(frozen=True)
class Check:
    """What came of a comparison.

    ``figure`` is the worst one over all inputs and outputs, ``bar`` what it had to reach: a cosine
    or dB from below, pixels from above (``inf`` for a face missed or invented). ``sentence`` says
    all of it.
    """

    passed: bool
    figure: float
    bar: float
    sentence: str


def check(reference: Backend, candidate: Backend, kind: Kind, inputs: Sequence[Inputs]) -> Check:
    """Run both over ``inputs`` (named as the reference's, in its types) and compare.

    The candidate gets the same values in its own types. ``EngineError`` where one of them cannot
    run, where there are no inputs, and where the reference finds no face for ``detector``.
    """
    if not inputs:
        raise EngineError(f"There is nothing to compare {candidate.name} on: no inputs were given.")
    dtypes = {spec.name: spec.dtype for spec in candidate.inputs}
    pairs = []
    for tensors in inputs:
        cast = {
            name: value.astype(dtypes.get(name, value.dtype), copy=False)
            for name, value in tensors.items()
        }
        pairs.append((tensors, reference.run(tensors), candidate.run(cast)))
    measure, unit, bar, most = {
        "embedding": (_cosine, "cosine", LEAST_COSINE, False),
        "picture": (_psnr_db, "dB", LEAST_PSNR_DB, False),
        "detector": (_distance_px, "px", MOST_PX, True),
    }[kind]
    if any(not np.isfinite(value).all() for _, _, found in pairs for value in found.values()):
        figure = math.inf if most else -math.inf
    else:
        figure = measure(pairs)
    passed = figure <= bar if most else figure >= bar
    wanted = "at most" if most else "at least"
    figure_text = f"{figure:.5f}" if kind == "embedding" else f"{figure:.2f}"
    verdict = "same answers as" if passed else "differs from"
    return Check(
        passed,
        figure,
        bar,
        f"{candidate.name}: {verdict} {reference.name} ({figure_text} {unit}, {wanted} {bar:g}, "
        f"worst of {len(pairs)}).",
    )


_Pair = tuple[Inputs, dict[str, Tensor], dict[str, Tensor]]


def _cosine(pairs: Sequence[_Pair]) -> float:
    worst = 1.0
    for _, wanted, found in pairs:
        for name, value in wanted.items():
            a, b = (tensor.astype(np.float64).ravel() for tensor in (value, found[name]))
            lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
            worst = min(worst, float(a @ b) / lengths if lengths else 0.0)
    return worst


def _psnr_db(pairs: Sequence[_Pair]) -> float:
    worst = math.inf
    for _, wanted, found in pairs:
        for name, value in wanted.items():
            a, b = (np.clip(t.astype(np.float64), 0, 1) for t in (value, found[name]))
            error = float(np.mean((a - b) ** 2))
            worst = min(worst, -10 * math.log10(error) if error else math.inf)
    return worst


def _distance_px(pairs: Sequence[_Pair]) -> float:
    """The largest distance of any box edge or landmark between faces that belong together."""
    worst, faces = 0.0, 0
    for tensors, wanted, found in pairs:
        height, width = next(iter(tensors.values())).shape[2:]
        (sure, all_wanted), (claimed, all_found) = (
            [
                suppress(decode(outputs, width, height, low), MOST_FACES)
                for low in (SURE, SURE - DOUBT)
            ]
            for outputs in (wanted, found)
        )
        faces += len(sure)
        for face in sure:
            worst = max(worst, _nearest_px(face, all_found))
        for face in claimed:
            worst = max(worst, _nearest_px(face, all_wanted))
    if not faces:
        raise EngineError("There is no face in the pictures that the detectors are compared on.")
    return worst


def _nearest_px(face: NDArray[np.float32], others: Sequence[NDArray[np.float32]]) -> float:
    match = max(others, key=lambda row: overlap(_box(face), _box(row)), default=None)
    if match is None or not overlap(_box(face), _box(match)):
        return math.inf
    edges = [np.concatenate((row[1:3], row[1:3] + row[3:5], row[5:])) for row in (face, match)]
    return float(np.abs(edges[0] - edges[1]).max())


def _box(row: NDArray[np.float32]) -> tuple[float, float, float, float]:
    return float(row[1]), float(row[2]), float(row[3]), float(row[4])
