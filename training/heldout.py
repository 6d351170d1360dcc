"""The people a swapper is judged on: held out of all training, drawn with a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data import FaceRow, load_pictures, read_index
from training.memory import digest, digest_of_faces, save
from training.squares import Squares

SEED = 11
MOST_FILLER = 0.4  # of a picture's height: more, and the forehead is gone
SQUARE_PX = 128


@dataclass(frozen=True, eq=False)
class People:
    """Squares n x 128 x 128 x 3 uint8 RGB and their index rows."""

    rows: Sequence[FaceRow]
    pictures: Squares

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.pictures):
            raise ValueError(f"{len(self.rows)} rows, but {len(self.pictures)} pictures")

    def pick(self, chosen: Sequence[int] | NDArray[np.int64]) -> People:
        """The faces at these places."""
        place = np.asarray(chosen, int)
        return People([self.rows[n] for n in place], self.pictures[place])

    @property
    def filler(self) -> NDArray[np.float64]:
        """Share of padded rows at the top of each picture, n."""
        return np.array([row.filler_top for row in self.rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Target n is given source n, who is another person.

    ``twice`` and ``again`` are two photos each of the same people, for self swaps.
    """

    targets: People
    sources: People
    twice: People
    again: People

    @staticmethod
    def of(people: People, count: int, seed: int = SEED) -> Pairs:
        """One photo a person. No one is target and source where there are 2 x ``count`` people;
        otherwise some are both, never in one pair.

        :raises ValueError: with fewer than two people.
        """
        first = {row.identity: n for n, row in reversed(list(enumerate(people.rows)))}
        order = np.random.default_rng(seed).permutation(list(first.values()))
        if len(order) < 2:
            raise ValueError(f"two people held out are needed, the data has {len(order)}")
        count = min(count, len(order) - 1)
        targets, sources = order[:count], order[-count:]
        second: dict[str, int] = {}
        for n, row in enumerate(people.rows):
            if first[row.identity] != n:
                second.setdefault(row.identity, n)
        both = [(first[name], n) for name, n in sorted(second.items())][:count]
        return Pairs(
            people.pick(targets),
            people.pick(sources),
            people.pick([a for a, _ in both]),
            people.pick([b for _, b in both]),
        )


def held_out(data: Path, cache: Path) -> People:
    """The held-out faces of a data folder; decoded pictures are kept in ``cache``."""
    return _loaded(data, cache, [row for row in _usable(data) if row.held_out])


def reference(data: Path, cache: Path, count: int, seed: int = SEED) -> People:
    """Other real people, one photo each, none of them held out: what real pictures look like."""
    rows = {row.identity: row for row in _usable(data) if not row.held_out}
    names = sorted(rows)
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return _loaded(data, cache, [rows[names[n]] for n in chosen])


def _usable(data: Path) -> list[FaceRow]:
    return [row for row in read_index(data) if row.filler_top <= MOST_FILLER]


def _loaded(data: Path, cache: Path, rows: list[FaceRow]) -> People:
    names = "\n".join([digest_of_faces(data), *(f"{row.shard}/{row.file}" for row in rows)])
    file = cache / f"pictures_{digest(names.encode())}.npy"
    if not file.exists():
        save(file, load_pictures(data, rows, SQUARE_PX))
    return People(rows, np.load(file))
