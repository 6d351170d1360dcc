"""Faces that are harder to find: behind glasses, masks and hands, in the dark, turned away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.detector_material import Material, Picture
from training.detector_teacher import Floats
from training.recognizer_covers import Covers, bespectacled, darkened
from training.turning import nose_aside

KINDS = ("glasses", "mask", "hand", "dark")
TURNED = 0.3  # nose off the middle of the eyes, in eye distances: some 30 degrees and more
SEED = 3


def change(face: Picture, kind: str, covers: Covers, rng: Generator) -> Picture:
    """A copy of an aligned BGR square with its face changed as ``kind`` (one of ``KINDS``) says."""
    rim = face.shape[0] * 8 // 128  # the ArcFace crop lies this far inside
    changed = face.copy()
    if kind == "dark":
        return darkened(changed, rng)
    crop = np.ascontiguousarray(face[rim:-rim, rim:-rim, ::-1])
    if kind == "glasses":
        crop = bespectacled(crop, rng)
    else:
        crop = covers.masked(crop, rng) if kind == "mask" else covers.handed(crop, rng)
    changed[rim:-rim, rim:-rim] = crop[..., ::-1]
    return changed


def turned(points: Floats) -> NDArray[np.intp]:
    """Which of the faces with these points, n x 5 x 2, look to the side."""
    return np.flatnonzero(np.abs(nose_aside(points)) > TURNED)


def hard_materials(material: Material, covers: Covers) -> Iterator[tuple[str, Material]]:
    """``material`` with every face changed in each of the ways, and its turned faces alone."""
    for kind in KINDS:
        rng = np.random.default_rng(SEED)
        faces = [change(face, kind, covers, rng) for face in material.faces]
        yield kind, replace(material, faces=np.stack(faces))
    if len(chosen := turned(material.points)):
        yield "profile", material.of(chosen)
