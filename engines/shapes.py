"""The fixed shapes that an engine is built for: one profile, or the few a free size needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engines.backend import shape_text
from engines.detector import NEAR_PX
from engines.errors import EngineError

Shape = tuple[int, ...]

# What the detector's callers ask for: the search of a 16:9 and of a 4:3 picture, following a face.
PICTURE_SIZES = ((192, 320), (256, 320), (NEAR_PX, NEAR_PX))
LEAST_SIDE, MOST_SIDE = 32, 640  # of any other picture
FACES = (1, 2, 4)  # of one frame, which a generator swaps in one run


@dataclass(frozen=True)
class Profile:
    """Least, best and most shape of each input, by name; all three alike where it is fixed."""

    least: Mapping[str, Shape]
    best: Mapping[str, Shape]
    most: Mapping[str, Shape]

    @property
    def fixed(self) -> bool:
        """Whether it holds one shape alone."""
        return dict(self.least) == dict(self.most)

    def takes(self, shapes: Mapping[str, Shape]) -> bool:
        """Whether every input lies between the least and the most."""
        return all(
            len(shape) == len(self.least[name])
            and all(
                low <= size <= high
                for low, size, high in zip(self.least[name], shape, self.most[name], strict=True)
            )
            for name, shape in shapes.items()
        )


def profiles_for(inputs: Mapping[str, Sequence[int | None]]) -> tuple[Profile, ...]:
    """The profiles of a network with these inputs (``None``: a dynamic axis).

    A free first axis becomes 1, and with a profile each, the numbers of ``faces_at_once``. A free
    height and width become ``PICTURE_SIZES`` and, last, any size up to ``MOST_SIDE``.
    ``EngineError`` for other free axes.
    """
    free = [name for name, shape in inputs.items() if None in tuple(shape)[1:]]
    if not free:
        return tuple(
            _one({name: _with_first(shape, count) for name, shape in inputs.items()})
            for count in faces_at_once(inputs)
        )
    for name in free:
        shape = tuple(inputs[name])
        if len(inputs) != 1 or len(shape) != 4 or shape[1] is None:
            raise EngineError(
                f"The input {name} has the shape {shape_text(shape)}; engines are built for "
                "networks whose pictures alone may have a free size."
            )

    def sized(height: int, width: int) -> dict[str, Shape]:
        return {
            name: (shape[0] or 1, shape[1] or 1, shape[2] or height, shape[3] or width)
            for name, shape in inputs.items()
        }

    fixed = [_one(sized(*size)) for size in PICTURE_SIZES]
    best = sized(*PICTURE_SIZES[0])
    return (
        *fixed,
        Profile(sized(LEAST_SIDE, LEAST_SIDE), best, sized(MOST_SIDE, MOST_SIDE)),
    )


def faces_at_once(inputs: Mapping[str, Sequence[int | None]]) -> tuple[int, ...]:
    """How many faces an engine of this network takes in one run; 1 is among them.

    More where every first axis is free and there are several inputs, as a generator has them (a
    face and whose it becomes): all others look at one picture at a time.
    """
    several = len(inputs) > 1 and all(shape and shape[0] is None for shape in inputs.values())
    return FACES if several else (1,)


def rules_digest() -> str:
    """A short text that differs where these rules would give a model other shapes."""
    rules = (PICTURE_SIZES, LEAST_SIDE, MOST_SIDE, FACES)
    return hashlib.sha256(repr(rules).encode()).hexdigest()[:8]


def profiles_text(profiles: Sequence[Profile]) -> str:
    """The shapes for people: ``target 1x3x128x128, gains 1x5344``."""
    return "; ".join(
        ", ".join(
            f"{name} {shape_text(profile.least[name])}"
            + ("" if profile.fixed else f" to {shape_text(profile.most[name])}")
            for name in profile.least
        )
        for profile in profiles
    )


def _one(shapes: Mapping[str, Shape]) -> Profile:
    return Profile(shapes, shapes, shapes)


def _with_first(shape: Sequence[int | None], count: int) -> Shape:
    return tuple(count if size is None else size for size in shape)
