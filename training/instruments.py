"""Everything that is read off pictures, once a picture, by all networks of the harness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.gaze import Gaze, gaze_error
from training.judges import Recogniser
from training.landmarks import Landmarks, expression, pose
from training.memory import Memory, digest_of
from training.squares import Floats, Squares

READABLE = 8.0  # hundredths of the eye's width between a gaze and its mirror image's


@dataclass(frozen=True, eq=False)
class Reading:
    """What n pictures say: unit ``embeddings`` by judge, ``points`` n x 66 x 2, KID ``features``,
    head rotations n x 3 x 3, expressions n x 9, gaze n x 2 x 2 or None."""

    embeddings: Mapping[str, Floats]
    points: Floats
    features: Floats
    poses: Floats
    expressions: Floats
    gaze: Floats | None

    def pick(self, chosen: NDArray[np.int64]) -> Reading:
        """The pictures at these places."""
        return Reading(
            {name: found[chosen] for name, found in self.embeddings.items()},
            self.points[chosen],
            self.features[chosen],
            self.poses[chosen],
            self.expressions[chosen],
            None if self.gaze is None else self.gaze[chosen],
        )


class Instruments:
    """The judges, the landmark network and, where given, the gaze network.

    ``digests`` name each judge's and network's file, for ``remembered``.
    """

    def __init__(
        self,
        judges: Sequence[Recogniser],
        landmarks: Landmarks,
        gaze: Gaze | None,
        memory: Memory | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        self.judges, self.landmarks, self._gaze = tuple(judges), landmarks, gaze
        self._memory, self._digests = memory, dict(digests or {})

    def __call__(
        self, pictures: Squares, *, remembered: bool = False, only_eyes: bool = False
    ) -> Reading:
        """Read n pictures; with ``remembered`` (real pictures) from the cache where it can be.

        ``only_eyes`` leaves the judges out.
        """

        def kept(name: str, measure: Callable[[], Floats]) -> Floats:
            network = self._digests.get(name)
            if not remembered or self._memory is None or network is None:
                return measure()
            return self._memory(name, network, pictures, measure)

        def packed() -> Floats:
            faces = self.landmarks(pictures)
            return np.concatenate([faces.points.reshape(len(pictures), -1), faces.features], 1)

        judges = () if only_eyes else self.judges
        embeddings = {j.name: kept(j.name, partial(j, pictures)) for j in judges}
        both = kept("landmarks", packed)
        points, features = both[:, : 66 * 2].reshape(-1, 66, 2), both[:, 66 * 2 :]
        gaze = None
        if self._gaze is not None:
            looking = self._gaze
            gaze = kept("gaze", lambda: looking(pictures, points))
        return Reading(embeddings, points, features, pose(points), expression(points), gaze)

    def readable(self, pictures: Squares, reading: Reading) -> NDArray[np.bool_] | None:
        """Where the mirrored picture gives the mirrored gaze: eyes in sight, not behind dark glass.

        Of real pictures, which are remembered. None without a gaze network.
        """
        looking = self._gaze
        if looking is None or reading.gaze is None:
            return None
        mirrored = self(np.ascontiguousarray(pictures[:, :, ::-1]), remembered=True, only_eyes=True)
        if mirrored.gaze is None:
            return None
        back = mirrored.gaze[:, ::-1] * (-1, 1)
        return np.asarray(gaze_error(back, reading.gaze) < READABLE)


def digests(**files: Path | None) -> dict[str, str]:
    """Digests by name of the files that are given."""
    return {name: digest_of(file) for name, file in files.items() if file is not None}
