"""The training set in memory: pictures, the teacher's embeddings, and batches drawn from them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engines.detector import Detector
from engines.onnx_backend import OnnxBackend
from training.data import FaceRow, load_pictures, read_index
from training.landmarks import Landmarks
from training.lids import closed, eye_points
from training.memory import digest, digest_of, digest_of_faces, save
from training.teacher import CROP_PX
from training.turning import turns

UNLABELLED = ("", "", "")
SQUARE_PX, MARGIN_PX = 128, 8
ARRAYS = ("pictures", "embeddings", "recognised", "others", "turn", "eyes")


@dataclass(frozen=True, eq=False)
class Faces:
    """Aligned squares n x 128 x 128 x 3 uint8 RGB, unit embeddings n x d, their index rows.

    ``embeddings`` are the teacher's, ``recognised`` those of the recogniser that the generator is
    given in use, ``others`` (n x 0 without one) those of a third network. ``turn`` says how far
    heads are turned, see ``turning.turns``; ``eyes``, n x 2 x 6 x 2, where the lids are
    (``lids.eye_points``), 0 where that is not known.
    """

    rows: Sequence[FaceRow]
    pictures: NDArray[np.uint8]
    embeddings: NDArray[np.float32]
    recognised: NDArray[np.float32]
    others: NDArray[np.float32]
    turn: NDArray[np.float32]
    eyes: NDArray[np.float32]

    def __post_init__(self) -> None:
        arrays = [getattr(self, name) for name in ARRAYS]
        if len({len(self.rows), *map(len, arrays)}) != 1:
            raise ValueError("rows, pictures, embeddings, turns and eyes must be as many")

    def pick(self, chosen: Sequence[int]) -> Faces:
        """The faces at these places."""
        place = np.asarray(chosen, int)
        arrays = (getattr(self, name)[place] for name in ARRAYS)
        return Faces([self.rows[n] for n in place], *arrays)

    @staticmethod
    def joined(parts: Sequence[Faces]) -> Faces:
        """Several folders' faces as one."""
        if len(parts) == 1:
            return parts[0]
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS]
        return Faces([row for part in parts for row in part.rows], *arrays)

    def batch(
        self,
        chosen: NDArray[np.int64],
        size: int,
        mirrored: NDArray[np.bool_] | None = None,
        shut: NDArray[np.floating] | None = None,
    ) -> Tensor:
        """Pictures as n x 3 x size x size in [0, 1], eyes ``shut`` by so much of their opening."""
        pictures = self.pictures[chosen]
        for n in np.flatnonzero(shut if shut is not None else ()):
            pictures[n] = closed(pictures[n], self.eyes[chosen[n]], float(shut[n]))
        found = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        if mirrored is not None:
            found = torch.where(torch.from_numpy(mirrored).view(-1, 1, 1, 1), found.flip(3), found)
        if size != SQUARE_PX:
            found = F.interpolate(found, size=(size, size), mode="area")
        return found.contiguous(memory_format=torch.channels_last)

    def filler(self, chosen: NDArray[np.int64]) -> Tensor:
        """Share of padded rows at the top of each picture."""
        return torch.tensor([self.rows[n].filler_top for n in chosen])


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws faces by their set's weight, and other photos of the same person."""

    faces: Faces
    shares: NDArray[np.float64]
    others: Mapping[int, Sequence[int]]

    @staticmethod
    def of(
        faces: Faces, weights: Mapping[str, float], balance: float = 0.0, turned: float = 0.0
    ) -> Sampler:
        """``weights``: how often a face of a set is drawn, 1 where the set is not named.

        ``balance``: 0 draws a labelled group as often as it has faces, 1 every group alike.
        ``turned``: how much more often a head is drawn for each eye distance its nose is aside.
        """
        share = np.array([weights.get(row.set, 1.0) for row in faces.rows], float)
        share *= 1 + turned * faces.turn
        groups = [(row.age, row.gender, row.race) for row in faces.rows]
        sizes = Counter(group for group in groups if group != UNLABELLED)
        for n, group in enumerate(groups):
            if group != UNLABELLED:
                share[n] *= (sizes.total() / len(sizes) / sizes[group]) ** balance
        people: dict[str, list[int]] = defaultdict(list)
        for n, row in enumerate(faces.rows):
            people[row.identity].append(n)
        others = {
            n: [m for m in group if m != n]
            for group in people.values()
            if len(group) > 1
            for n in group
        }
        return Sampler(faces, share / share.sum(), others)

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.choice(len(self.shares), count, p=self.shares)

    def other_photo(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """For each face another photo of the same person, or itself where there is none."""
        return np.array([rng.choice(self.others.get(int(n), [int(n)])) for n in chosen])


def load(
    folder: Path,
    teacher: nn.Module,
    cache: Path,
    recognizer: nn.Module | None = None,
    detector: Path | None = None,
    landmarks: Path | None = None,
    third: nn.Module | None = None,
) -> Faces:
    """Read the data folder; decoded pictures, embeddings, turns and eyes are kept in ``cache`` for
    next time, under names that other pictures or other networks do not have.

    Without our own recogniser the teacher's embeddings stand for those in use; without a detector
    nobody is known to be turned, and without ``landmarks`` (OpenSeeFace) nobody's eyes are known.
    """
    rows, data = read_index(folder), digest_of_faces(folder)
    pictures_file = cache / f"faces_{data}.npy"
    if not pictures_file.exists():
        save(pictures_file, load_pictures(folder, rows, SQUARE_PX))
    pictures = np.load(pictures_file, mmap_mode="r")
    networks = {"embeddings": teacher} | ({"recognised": recognizer} if recognizer else {})
    networks |= {"others": third} if third else {}
    found = {}
    for name, network in networks.items():
        file = cache / f"{name}_{data}_{digest_of_network(network)}.npy"
        if not file.exists():
            save(file, embed(pictures, network))
        found[name] = np.load(file)
    embeddings = found["embeddings"]
    recognised = found.get("recognised", embeddings)
    others = found.get("others", np.zeros((len(rows), 0), np.float32))
    turn = np.zeros(len(rows), np.float32)
    if detector is not None:
        file = cache / f"turn_{data}_{digest_of(detector)}.npy"
        if not file.exists():
            network = Detector(OnnxBackend(detector.read_bytes(), detector.name))
            save(file, turns(pictures, network))
            network.close()
        turn = np.load(file)
    eyes = np.zeros((len(rows), 2, 6, 2), np.float32)
    if landmarks is not None:
        file = cache / f"eyes_{data}_{digest_of(landmarks)}.npy"
        if not file.exists():
            save(file, eye_points(pictures, Landmarks(landmarks)))
        eyes = np.load(file)
    return Faces(rows, pictures, embeddings, recognised, others, turn, eyes)


def digest_of_network(network: nn.Module) -> str:
    """A short name for a network's weights."""
    return digest(b"".join(value.numpy().tobytes() for value in network.state_dict().values()))


def embed(pictures: NDArray[np.uint8], network: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
    """A recogniser's embeddings of squares n x 128 x 128 x 3."""
    inner = slice(MARGIN_PX, MARGIN_PX + CROP_PX)
    found = []
    with torch.no_grad():
        for start in range(0, len(pictures), 64):
            crops = torch.from_numpy(pictures[start : start + 64, inner, inner].copy())
            found.append(network(crops.permute(0, 3, 1, 2).float() / 255).numpy())
    return np.concatenate(found)
