"""The built-in personas as they are shipped."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.provenance.consent import Basis
from app.source_face import SourceFace, read_personas

FOLDER = Path(__file__).parents[2] / "assets" / "personas"
NEAREST = 0.35  # the highest cosine two personas may have


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
        assert cv2.Laplacian(grey, cv2.CV_64F).var() > 100, persona.name


def test_embeddings_have_unit_length(personas: list[SourceFace]) -> None:
    for persona in personas:
        assert persona.embedding.shape == (128,)
        assert float(np.linalg.norm(persona.embedding)) == pytest.approx(1, abs=1e-5)


def test_personas_differ(personas: list[SourceFace]) -> None:
    for one, other in combinations(personas, 2):
        assert float(one.embedding @ other.embedding) < NEAREST, (one.name, other.name)
        assert np.abs(one.thumbnail.astype(int) - other.thumbnail.astype(int)).mean() > 10
