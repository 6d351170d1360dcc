"""The built-in personas as they are shipped."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.portraits import embed
from app.provenance.consent import Basis
from app.source_face import SourceFace, read_personas
from engines import families
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.recognizer import SAME_PERSON

FOLDER = Path(__file__).parents[2] / "assets" / "personas"


@pytest.fixture(scope="module")
def personas() -> list[SourceFace]:
    return read_personas(FOLDER)


def test_there_are_eight_with_names_of_their_own(personas: list[SourceFace]) -> None:
    assert len(personas) == 8
    assert len({persona.face_id for persona in personas}) == 8
    assert len({persona.name.casefold() for persona in personas}) == 8
    assert all(persona.consent.basis is Basis.SYNTHETIC for persona in personas)


def test_no_other_picture_lies_in_the_folder(personas: list[SourceFace]) -> None:
    assert {path.stem for path in FOLDER.glob("*.png")} == {p.face_id for p in personas}


def test_portraits_are_square_and_in_focus(personas: list[SourceFace]) -> None:
    for persona in personas:
        assert persona.thumbnail.shape == (256, 256, 3), persona.name
        grey = cv2.cvtColor(persona.thumbnail, cv2.COLOR_BGR2GRAY)
        face = grey[80:200, 72:184]  # hair and room are out of focus
        assert cv2.Laplacian(face, cv2.CV_64F).var() > 100, persona.name


def test_nobody_takes_two_personas_for_one(personas: list[SourceFace]) -> None:
    """By their pictures, which is what a generator that is told of appearance is given."""
    file = ModelStore().file("recognizer")
    recognizer = families.omokage_recognizer(OnnxBackend(file.read(), file.name))
    seen = [embed([persona.thumbnail], recognizer) for persona in personas]
    recognizer.close()
    for one, other in combinations(range(len(personas)), 2):
        names = (personas[one].name, personas[other].name)
        assert float(seen[one] @ seen[other]) < SAME_PERSON, names


def test_portraits_differ(personas: list[SourceFace]) -> None:
    for one, other in combinations(personas, 2):
        assert np.abs(one.thumbnail.astype(int) - other.thumbnail.astype(int)).mean() > 10
