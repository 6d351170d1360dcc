"""Make the built-in personas: portraits of people who do not exist.

python -m training.personas --data DIR --teacher FILE --landmarks FILE --output DIR

Only synthetic faces go in. A persona that comes near a real person of the data, or near another
persona, is refused. ``--landmarks``: 66 points (OpenSeeFace), as for ``training.composite_face``.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.composite_face import SIDE, landmarks
from training.composite_portrait import portrait
from training.data import load_pictures
from training.faces import SQUARE_PX, Faces, embed, load
from training.teacher import Teacher

SYNTHETIC = ("sfhq", "sfhq_t2i", "faker")
NEAREST_REAL = 0.5  # from this cosine to a real person on, a persona is refused
NEAREST_PERSONA = 0.4  # and from this cosine to another persona on
CHOSEN = Path(__file__).with_name("personas.toml")
NOTE = "People who do not exist: means of synthetic faces (SFHQ, MIT; faker.js, CC0 1.0)."


@dataclass(frozen=True, eq=False)
class Persona:
    """``picture``: SIDE x SIDE BGR; ``embedding``: the teacher's of it, of unit length."""

    id: str
    name: str
    ingredients: tuple[str, ...]
    picture: NDArray[np.uint8]
    embedding: NDArray[np.float32]
    nearest_real: float


@dataclass(frozen=True, eq=False)
class Kitchen:
    """What personas are made with: the data, the teacher and the landmark network."""

    data: Path
    faces: Faces
    teacher: Teacher
    points: onnxruntime.InferenceSession

    def make(self, id: str, name: str, ingredients: Sequence[str]) -> Persona:
        """The mean of the ingredients' faces.

        :raises ValueError: when an ingredient is no synthetic face of the data, or the persona
            comes nearer to a real person than ``NEAREST_REAL``.
        """
        rows = self.faces.rows
        synthetic = np.array([row.set in SYNTHETIC for row in rows])
        place = {row.file: n for n, row in enumerate(rows) if synthetic[n]}
        files = tuple(f"{ingredient}.jpg" for ingredient in ingredients)
        if missing := [file for file in files if file not in place]:
            raise ValueError(f"{id}: {missing[0]} is no synthetic face of the data")
        chosen = [place[file] for file in files]
        squares = load_pictures(self.data, [rows[n] for n in chosen], SIDE)
        pictures = [square[..., ::-1].astype(np.float32) for square in squares]
        picture = portrait(pictures, [landmarks(self.points, each) for each in pictures])

        small = cv2.resize(picture[..., ::-1], (SQUARE_PX, SQUARE_PX), interpolation=cv2.INTER_AREA)
        embedding = embed(small[None].astype(np.uint8), self.teacher)[0]
        nearest = float((self.faces.embeddings[~synthetic] @ embedding).max())
        if nearest >= NEAREST_REAL:
            raise ValueError(f"{id} is too near a real person, cosine {nearest:.2f}")
        return Persona(id, name, files, picture, embedding, nearest)


def nearest_pair(personas: Sequence[Persona]) -> tuple[float, str, str]:
    """The highest cosine between two personas, and their ids."""
    every = np.stack([persona.embedding for persona in personas])
    cosines = every @ every.T - 2 * np.eye(len(every))
    one, other = np.unravel_index(cosines.argmax(), cosines.shape)
    return float(cosines[one, other]), personas[one].id, personas[other].id


def listing(personas: Sequence[Persona]) -> str:
    """``personas.toml`` as the application reads it."""
    parts = [f'# {NOTE}\nlicence = "Apache-2.0"\n']
    for persona in personas:
        files = "".join(f'    "{file}",\n' for file in persona.ingredients)
        parts.append(
            f'\n[[persona]]\nid = "{persona.id}"\nname = "{persona.name}"\n'
            f"ingredients = [\n{files}]\n"
            f"nearest_real_cosine = {persona.nearest_real:.3f}\n"
        )
    return "".join(parts)


def session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--landmarks", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("assets/personas"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    given = parser.parse_args()

    teacher = Teacher(given.teacher)
    kitchen = Kitchen(
        data=given.data,
        faces=load(given.data, teacher, given.cache),
        teacher=teacher,
        points=session(given.landmarks),
    )
    chosen = tomllib.loads(CHOSEN.read_text(encoding="utf-8"))["persona"]
    personas = [kitchen.make(**entry) for entry in chosen]
    for persona in personas:
        print(f"{persona.name}: nearest real person {persona.nearest_real:.2f}")
    cosine, one, other = nearest_pair(personas)
    print(f"nearest pair: {one} and {other}, {cosine:.3f}")
    if cosine >= NEAREST_PERSONA:
        raise SystemExit(f"{one} and {other} are too much alike")
    given.output.mkdir(parents=True, exist_ok=True)
    for persona in personas:
        cv2.imwrite(str(given.output / f"{persona.id}.png"), persona.picture)
    (given.output / "personas.toml").write_text(listing(personas), encoding="utf-8")


if __name__ == "__main__":
    main()
