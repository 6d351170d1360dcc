"""Make the built-in personas: embeddings of people who do not exist, and their portraits.

python -m training.personas --data DIR --teacher FILE --models DIR --output DIR

Only synthetic faces go in. A persona that comes near a real person of the data is refused.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.evaluate import OnnxSwapper
from training.faces import Faces, load
from training.teacher import Teacher

SYNTHETIC = ("sfhq", "sfhq_t2i", "faker")
NEIGHBOURS = 3
ANCHOR_WEIGHT = 2.0
NEAREST_REAL = 0.5  # the highest cosine to a real person that is let pass
PORTRAIT_PX = 256
CHOSEN = Path(__file__).with_name("personas.toml")
NOTE = "A person who does not exist: mixed from synthetic faces (SFHQ, MIT; faker.js, CC0 1.0)."


@dataclass(frozen=True, eq=False)
class Persona:
    """``embedding`` has unit length; ``anchor`` is the place of its first ingredient."""

    id: str
    name: str
    anchor: int
    ingredients: tuple[str, ...]
    embedding: NDArray[np.float32]
    nearest_real: float


def mix(faces: Faces, entry: dict[str, str]) -> Persona:
    """
    :raises ValueError: when the anchor is no synthetic face of the data, or the mixture comes
        nearer to a real person than ``NEAREST_REAL``.
    """
    synthetic = np.array([row.set in SYNTHETIC for row in faces.rows])
    found = [n for n, row in enumerate(faces.rows) if row.file == entry["anchor"] and synthetic[n]]
    if not found:
        raise ValueError(f"{entry['id']}: {entry['anchor']} is no synthetic face of the data")
    anchor = found[0]
    likeness = np.where(synthetic, faces.embeddings @ faces.embeddings[anchor], -1)
    likeness[anchor] = -1
    near = np.argsort(-likeness)[:NEIGHBOURS]
    mixed = ANCHOR_WEIGHT * faces.embeddings[anchor] + faces.embeddings[near].sum(0)
    mixed = (mixed / np.linalg.norm(mixed)).astype(np.float32)
    nearest = float((faces.embeddings[~synthetic] @ mixed).max())
    if nearest >= NEAREST_REAL:
        raise ValueError(f"{entry['id']} is too near a real person, cosine {nearest:.2f}")
    files = tuple(faces.rows[n].file for n in (anchor, *near))
    return Persona(entry["id"], entry["name"], anchor, files, mixed, nearest)


def listing(personas: list[Persona]) -> str:
    """``personas.toml`` as the application reads it."""
    parts = [f'# {NOTE}\nlicence = "Apache-2.0"\n']
    for persona in personas:
        parts.append(
            f'\n[[persona]]\nid = "{persona.id}"\nname = "{persona.name}"\n'
            f"ingredients = {list(persona.ingredients)!r}\n"
            f"nearest_real_cosine = {persona.nearest_real:.3f}\n"
        )
    return "".join(parts).replace("'", '"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path("assets"))
    parser.add_argument("--output", type=Path, default=Path("assets/personas"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    given = parser.parse_args()

    faces = load(given.data, Teacher(given.teacher), given.cache)
    chosen = tomllib.loads(CHOSEN.read_text(encoding="utf-8"))["persona"]
    personas = [mix(faces, entry) for entry in chosen]
    embeddings = np.stack([persona.embedding for persona in personas])
    targets = faces.pick([persona.anchor for persona in personas]).pictures
    made = OnnxSwapper(given.models)(targets, embeddings)
    given.output.mkdir(parents=True, exist_ok=True)
    for persona, portrait in zip(personas, made, strict=True):
        large = cv2.resize(portrait, (PORTRAIT_PX, PORTRAIT_PX), interpolation=cv2.INTER_LANCZOS4)
        cv2.imwrite(str(given.output / f"{persona.id}.png"), large[..., ::-1])
        print(f"{persona.name}: nearest real person {persona.nearest_real:.2f}")
    named = {persona.id: persona.embedding for persona in personas}
    np.savez(given.output / "embeddings.npz", **named)
    (given.output / "personas.toml").write_text(listing(personas), encoding="utf-8")


if __name__ == "__main__":
    main()
