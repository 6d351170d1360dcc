"""Kept faces and personas after the networks they were embedded with have changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.faces import FaceLibrary
from app.portraits import embed
from app.provenance.consent import Basis
from app.source_face import SourceFace, squares_of
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from tests.helpers import tiny_models
from tests.helpers.colour_engines import ColourDetector, colour_engines, picture_of, write_personas

BOTH = tiny_models.EMBEDDING + tiny_models.LOOKS


class Home:
    """A user's faces, opened by one version of the networks after another."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self.personas = write_personas(folder / "personas")
        self.faces = folder / "faces"

    def engines(self, looks: int, *, recognizer: bytes = b"", appearance: bytes = b"") -> Engines:
        """Networks with ``looks`` values of appearance, and a detector of drawn faces."""
        bundle = tiny_models.bundle(self._folder / f"assets {looks}", looks=looks)
        for name, data in (("recognizer", recognizer), ("appearance", appearance)):
            if data:
                tiny_models.put(bundle, name, data)
        engines = load_engines(models=ModelStore(bundle, self._folder / "own"))
        self._opened.enter_context(closing(engines))
        return replace(engines, detector=ColourDetector())  # type: ignore[arg-type]  # a stand-in

    def library(self, engines: Engines) -> FaceLibrary:
        """The library as it finds the folders."""
        return FaceLibrary(self.faces, engines, personas=self.personas)

    def added(self, library: FaceLibrary, count: int = 1) -> SourceFace:
        """A face of so many pictures, red to purple."""
        pictures = [
            picture_of(self._folder / f"{n}.png", (200, 100, 150), colour=(250, 0, 20 * n))
            for n in range(count)
        ]
        return library.add(pictures, "Ana", Basis.OWN_FACE, "Ana")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with ExitStack() as opened:
        yield Home(tmp_path, opened)


@pytest.mark.parametrize(("before", "after"), [(0, BOTH - 128), (BOTH - 128, 0), (128, 64)])
def test_a_kept_face_is_embedded_anew_from_its_squares(home: Home, before: int, after: int) -> None:
    kept = home.added(home.library(home.engines(before)), 3)
    engines = home.engines(after)
    face = home.library(engines).get(kept.face_id)
    assert face is not None
    identity = home.library(engines).identity(face)
    assert identity.embedding.shape == (128 + after,)
    wanted = embed(squares_of(kept), engines.swapper.recognizer)
    np.testing.assert_allclose(identity.embedding, wanted, atol=1e-6)
    assert kept.embedding is not None
    assert kept.embedding.shape == (128 + before,)


def test_another_appearance_network_of_the_same_width_embeds_anew(home: Home) -> None:
    before = home.engines(128)
    kept = home.added(home.library(before))
    after = home.engines(128, appearance=tiny_models.appearance(seed=12))
    assert kept.recognizer == before.swapper.recognizer.name != after.swapper.recognizer.name
    embedding = home.library(after).identity(kept).embedding
    assert kept.embedding is not None
    np.testing.assert_allclose(embedding[:128], kept.embedding[:128], atol=1e-6)
    assert np.abs(embedding[128:] - kept.embedding[128:]).max() > 0.05


@pytest.mark.parametrize("looks", [0, 128])
def test_another_recogniser_of_the_same_width_embeds_anew(home: Home, looks: int) -> None:
    before = home.engines(looks)
    kept = home.added(home.library(before), 3)
    after = home.engines(looks, recognizer=tiny_models.recognizer(bias=9.0))
    assert kept.recognizer == before.swapper.recognizer.name != after.swapper.recognizer.name
    embedding = home.library(after).identity(kept).embedding
    wanted = embed(squares_of(kept), after.swapper.recognizer)
    np.testing.assert_allclose(embedding, wanted, atol=1e-6)
    assert kept.embedding is not None
    assert np.abs(embedding[:128] - kept.embedding[:128]).max() > 0.05


def test_an_embedding_of_another_width_than_its_name_says_costs_nothing(home: Home) -> None:
    library = home.library(home.engines(128))
    kept, mio = home.added(library), library.get("mio")
    assert mio is not None
    np.save(home.faces / kept.face_id / "embedding.npy", np.eye(1, 128, dtype=np.float32)[0])
    odd = library.get(kept.face_id)
    assert odd is not None
    assert odd.embedding is not None
    assert odd.embedding.shape == (128,)
    np.testing.assert_allclose(library.identity(odd).embedding, kept.embedding, atol=1e-6)
    assert library.identity_of([mio, odd]).embedding.shape == (BOTH,)


def test_personas_are_embedded_from_their_pictures(home: Home) -> None:
    engines = home.engines(128)
    library = home.library(engines)
    mio = library.get("mio")
    assert mio is not None
    wanted = embed([mio.thumbnail], engines.swapper.recognizer)
    np.testing.assert_allclose(library.identity(mio).embedding, wanted, atol=1e-6)


def test_a_face_is_embedded_anew_once(home: Home) -> None:
    engines = colour_engines("another")
    library = home.library(engines)
    for _ in range(3):
        mio = library.get("mio")
        assert mio is not None
        library.identity(mio)
    assert len(engines.swapper.recognizer.seen) == 1  # type: ignore[attr-defined]  # a stand-in
