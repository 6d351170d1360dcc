"""A training recipe: one TOML file, one frozen dataclass, unknown keys are errors."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import get_args

from training.losses import Matching
from training.model import GeneratorShape


@dataclass(frozen=True)
class Recipe:
    """All that decides a run besides the data."""

    size: int = 128  # side of the pictures trained on, a multiple of 16, at most 128
    steps: int = 100_000
    seed: int = 1
    swaps: int = 12  # pictures a step given another person's face
    repairs: int = 12  # pictures a step to be brought back to a known original
    moved: int = 0  # of the swaps, how many are made once more from a target moved a little
    blinking: float = 0.0  # share of the pictures drawn whose eyes are closed, see lids.closed
    dimmed: float = 0.0  # share of the pictures drawn that stand in little or coloured light
    bearded: float = 0.0  # share of the repairs that get a beard or lose it, see disturb.bearded
    # Repairs start from the last step's swaps; this share starts from a spoiled original instead,
    # and all do for the first ``spoiled_steps`` steps.
    spoiled_share: float = 0.3
    spoiled_steps: int = 300
    # How spoiled: cells a side that the blur keeps, and how far the face is warped.
    spoil_cells: tuple[int, int] = (10, 28)
    spoil_warp: float = 0.045
    # Share of the swaps' targets that are blurred as well, so that who they show is not to be seen.
    veiled_share: float = 0.0
    embedding_noise: float = 0.4  # see disturb.noisy
    appearance_noise: float = 0.3  # the same to the appearance
    source_strength: float = 1.5  # see disturb.crops: how the photos it is read from are spoiled
    # Share of the embeddings given that are our own recogniser's; the others are the teacher's.
    recognised_share: float = 0.5
    generator_rate: float = 4e-4
    # Of Muon, which moves the identity blocks' convolutions: a step's share of a weight's length.
    # At 0 Adam moves these, too.
    turn: float = 0.0
    discriminator_rate: float = 4e-4
    beta1: float = 0.5
    beta2: float = 0.99
    averaging: float = 0.998  # of the weights that are evaluated and exported
    penalty_every: int = 16
    # Weights of the losses; swaps first, repairs from ``repair`` on. Those on identity begin at
    # ``identity_start`` of what is said here and are whole after ``identity_steps`` steps of a run:
    # a discriminator that knows little yet lets pass whatever the recognisers like.
    identity_start: float = 1.0
    identity_steps: int = 1
    identity: float = 10.0
    plain_share: float = 0.0  # of the swaps shown to the recognisers, see disturb.plainer
    second_identity: float = 0.0  # the same by our own recogniser
    third_identity: float = 0.0  # the same by one of another school, see faceres.py
    leaving: float = 0.0  # swap likened to its target by the teacher, and by the third
    adversarial: float = 1.0
    matching: float = 1.0  # discriminator features, swap against its target
    # Erase from the embeddings, in what is told of a source and in the losses on identity, what
    # tells a head's pose, open lips and a smile.
    forgetting: bool = False
    expression: float = 0.0  # swap read for pose, expression and gaze as its target
    tone: float = 4.0  # coarse light and colour, swap against its target
    chroma: float = 0.0  # colour of 4-px cells in the face, swap against its target
    drawn: float = 0.0  # edges at the face's rim that its target has not
    restless: float = 0.0  # detail that neither its target nor its source has nearby
    outside: float = 10.0  # swap against its target, outside the face
    steady: float = 0.0  # a moved target's swap against its swap, moved alike
    closed: float = 2.0  # mask below 1 in the middle of the face
    repair: float = 15.0
    edges: float = 10.0
    repair_matching: float = 3.0  # all discriminator features, repair against the original
    perceptual: float = 0.0  # our recogniser's maps, the last repairs against their originals
    perceived: int = 6  # how many of them
    penalty: float = 1.0
    matching_layers: Matching = "weak"  # see losses.feature_matching
    crop_strength: float = 1.0  # see disturb.crops
    half_precision: bool = False  # networks in bfloat16; losses, weights and optimisers are not
    compiled: bool = False  # torch.compile of the generator: minutes once, then twice as fast
    checkpoint_every: int = 500
    sheet_every: int = 250
    shape: GeneratorShape = field(default_factory=GeneratorShape)
    discriminator: tuple[int, ...] = (32, 64, 96, 128)
    # Whether repairs, too, are told from originals. They are softer and swaps are rougher than a
    # photo: what marks the ones as made speaks for the others.
    repairs_judged: bool = True
    projected: bool = False  # discriminator on our recogniser's frozen maps, see discriminator.py
    sets: Mapping[str, float] = field(default_factory=dict)  # how often a set's faces are drawn
    # 0: a labelled group (age, gender, race) is drawn as often as it has faces; 1: all alike.
    balance: float = 0.0
    # How much more often a head is drawn for each eye distance that its nose is off the middle.
    turned: float = 0.0

    @property
    def reads(self) -> bool:
        """Whether expressions are read at all."""
        return self.forgetting or self.expression > 0


def read_recipe(file: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in ``file``, with ``changes`` ("key = value", as a line of it) made.

    :raises ValueError: on a key that no recipe has, with the nearest one that it has.
    """
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    values |= tomllib.loads("\n".join(changes))
    check_keys(values, Recipe, file)
    if values.get("matching_layers", "weak") not in get_args(Matching):
        raise ValueError(f"{file.name}: matching_layers is one of {', '.join(get_args(Matching))}")
    if "shape" in values:
        check_keys(values["shape"], GeneratorShape, file)
        values["shape"] = GeneratorShape(**values["shape"])
    for name in ("discriminator", "spoil_cells"):
        if name in values:
            values[name] = tuple(values[name])
    return Recipe(**values)


def check_keys(values: Mapping[str, object], kind: type, file: Path) -> None:
    """
    :raises ValueError: on a key that the dataclass ``kind`` has not, with the nearest one it has.
    """
    known = [item.name for item in fields(kind)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise ValueError(f"{file.name}: no setting is called {key}{hint}")
