"""Five-point landmark templates that aligned crops are made to, in pixels of a square crop.

Order of the points: right eye (image left), left eye, nose tip, right and left mouth corner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Template = NDArray[np.float32]  # 5 x 2, (x, y) in crop pixels

# Deng et al., "ArcFace", 2019: the 112-px crop of InsightFace.
_ARCFACE_112 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
# The frontal template of SimSwap's own alignment, which is InsightFace's older one, at 112 px.
_SIMSWAP_112 = (
    (39.730, 51.138),
    (72.270, 51.138),
    (56.000, 68.493),
    (42.463, 87.010),
    (69.537, 87.010),
)
# Karras et al., "StyleGAN", 2019: mean landmarks of FFHQ, as shares of the side.
_FFHQ = (
    (0.37691676, 0.46864664),
    (0.62285697, 0.46912813),
    (0.50123859, 0.61331904),
    (0.39308822, 0.72541100),
    (0.61150205, 0.72490465),
)


def _frozen(points: NDArray[np.float64]) -> Template:
    template = points.astype(np.float32)
    template.flags.writeable = False
    return template


def arcface(size: int) -> Template:
    """The ArcFace template for a crop of ``size`` pixels.

    Sizes that are a multiple of 128 keep InsightFace's wider framing (8 px of 128 on each side),
    all others the 112-px framing.
    """
    points = np.array(_ARCFACE_112)
    if size % 128 == 0:
        points[:, 0] += 8.0
        return _frozen(points * (size / 128))
    return _frozen(points * (size / 112))


def omokage(size: int) -> Template:
    """The ArcFace template with 8 px of 128 more on every side, scaled to ``size`` pixels."""
    return _frozen((np.array(_ARCFACE_112) + 8.0) * (size / 128))


def simswap(size: int) -> Template:
    """SimSwap's template, scaled to ``size`` pixels."""
    return _frozen(np.array(_SIMSWAP_112) * (size / 112))


def ffhq(size: int) -> Template:
    """FFHQ's template, scaled to ``size`` pixels."""
    return _frozen(np.array(_FFHQ) * size)
