"""Source faces: consent first, one face, kept whole or not at all, gone when removed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ConsentError, PictureError
from app.faces import FaceLibrary, read_personas
from app.portraits import LANDMARKS, SIDE
from app.provenance.consent import Basis
from engines.appearance import JoinedRecognizer
from tests.helpers.colour_engines import MeanRecognizer, colour_engines, picture_of, write_personas


@pytest.fixture
def library(tmp_path: Path) -> FaceLibrary:
    return FaceLibrary(tmp_path / "faces", colour_engines(), personas=tmp_path / "none")


def test_a_face_is_kept_and_found_again(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "ana.png", (200, 100, 150))
    added = library.add([path], " Ana  B ", Basis.OWN_FACE, "Ana", "a note")
    again = FaceLibrary(tmp_path / "faces", colour_engines(), personas=tmp_path / "none")
    for face in (added, again.get(added.face_id), again.get("ana b")):
        assert face is not None
        assert face.name == "Ana B"
        assert not face.builtin
        assert face.thumbnail.shape == (SIDE, SIDE, 3)
        assert face.thumbnail[128, 128, 2] > 200  # the red square is in its middle
        assert face.consent.basis is Basis.OWN_FACE
        assert face.consent.note == "a note"
        assert face.consent.covers(hashlib.sha256(path.read_bytes()).hexdigest())
        assert np.isclose(np.linalg.norm(face.embedding), 1)
    kept = {p.name for p in (tmp_path / "faces" / added.face_id).iterdir()}
    assert kept == {"face.toml", "face-1.png", "embedding.npy"}


def test_an_identity_is_prepared_for_the_swapper(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    face = library.add([path], "Ana", Basis.OWN_FACE, "Ana")
    identity = library.identity(face)
    assert identity.face_id == face.face_id
    assert identity.name == "Ana"
    assert np.array_equal(identity.embedding, face.embedding)
    assert identity.prepared.swapper == "paint"


def test_another_recogniser_embeds_the_kept_squares(tmp_path: Path) -> None:
    first = FaceLibrary(tmp_path / "faces", colour_engines(), personas=tmp_path / "none")
    paths = [picture_of(tmp_path / f"{n}.png", (200, 100, 150 + n)) for n in range(3)]
    face = first.add(paths, "Ana", Basis.OWN_FACE, "Ana")
    other = colour_engines("arcface-512")
    FaceLibrary(tmp_path / "faces", other, personas=tmp_path / "none").identity(face)
    recognizer = other.swapper.recognizer
    assert isinstance(recognizer, MeanRecognizer)
    assert len(recognizer.seen) == 3


def test_several_pictures_are_averaged(library: FaceLibrary, tmp_path: Path) -> None:
    red = picture_of(tmp_path / "r.png", (200, 100, 200))
    blue = picture_of(tmp_path / "b.png", (200, 100, 200), colour=(0, 0, 255))
    both = library.add([red, blue], "Both", Basis.SYNTHETIC, "nobody").embedding
    assert np.isclose(both[0], both[2], atol=0.02)
    assert np.isclose(np.linalg.norm(both), 1)


@pytest.mark.parametrize(
    ("faces", "part"),
    [
        ((), "no face to be found in a.png"),
        (((10, 10, 90), (200, 10, 100)), "There are 2 faces in a.png"),
        (tuple((10 + 120 * n, 10, 80) for n in range(5)), "There are 5 faces"),
        (((10, 10, 41),), "41 pixels wide, at least 60"),
    ],
)
def test_a_picture_that_is_no_source_face(
    library: FaceLibrary, tmp_path: Path, faces: Any, part: str
) -> None:
    with pytest.raises(PictureError, match=part):
        library.add([picture_of(tmp_path / "a.png", *faces)], "A", Basis.OWN_FACE, "A")
    assert library.list() == []


def test_a_clearly_dominant_face_is_the_one(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (10, 10, 200), (300, 10, 60))
    library.add([path], "A", Basis.OWN_FACE, "A")


def test_a_pasted_picture(library: FaceLibrary, tmp_path: Path) -> None:
    data = picture_of(tmp_path / "a.png", (200, 100, 150)).read_bytes()
    assert library.add_bytes(data, "Ana", Basis.OWN_FACE, "Ana").name == "Ana"
    with pytest.raises(PictureError, match="the picture is empty"):
        library.add_bytes(b"", "Ana", Basis.OWN_FACE, "Ana")


def test_no_face_without_a_basis(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    with pytest.raises(ConsentError, match="basis"):
        library.add([path], "Ana", None, "Ana")  # type: ignore[arg-type]
    with pytest.raises(ConsentError, match="whose face"):
        library.add([path], "Ana", Basis.WRITTEN, "")
    with pytest.raises(ConsentError, match="no consent record"):
        library.identity_of([path])
    assert library.list() == []


def test_consent_for_a_picture_used_once(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    library.record_consent(path, Basis.WRITTEN, "Ana")
    assert library.identity_of([path]).face_id == "a"
    assert library.list() == []  # nothing but the record was kept
    other = picture_of(tmp_path / "b.png", (210, 100, 150))
    assert library.consent_for(other) is None


def test_a_kept_face_covers_its_picture(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    library.add([path], "Ana", Basis.OWN_FACE, "Ana")
    assert library.consent_for(path) is not None


def test_removal_leaves_nothing_but_the_record(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    face = library.add([path], "Ana", Basis.OWN_FACE, "Ana")
    library.remove(face.face_id)
    assert library.list() == []
    assert [p.name for p in (tmp_path / "faces").iterdir()] == [".consent"]  # what was agreed
    assert library.consent_for(path) is None
    assert path.exists()
    for wrong in (face.face_id, "..", "", ".consent", "a/b"):
        with pytest.raises(PictureError, match="no face"):
            library.remove(wrong)


def test_a_face_of_many_photos_counts_like_one_of_one(tmp_path: Path) -> None:
    """Means of photos shorten who it is and how it looks unequally."""
    engines = colour_engines()
    joined = JoinedRecognizer(MeanRecognizer("a"), MeanRecognizer("b"), 3)
    engines.swapper.recognizer = joined  # type: ignore[misc]
    library = FaceLibrary(tmp_path / "faces", engines, personas=tmp_path / "none")
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    one, many = (
        replace(library.add([path], name, Basis.OWN_FACE, name), embedding=unit_of(*halves))
        for name, halves in (
            ("One", ([1, 0, 0], [0, 0, 1])),
            ("Many", ([0, 0.9, 0], [0, 0.4, 0])),
        )
    )
    mean = library.identity_of([one, many]).embedding
    np.testing.assert_allclose(mean, unit_of([1, 1, 0], [0, 1, 1]), atol=1e-6)


def unit_of(*halves: list[float]) -> np.ndarray:
    whole = np.concatenate(halves).astype(np.float32)
    return whole / np.linalg.norm(whole)


def test_what_a_kill_left_is_swept(library: FaceLibrary, tmp_path: Path) -> None:
    for name, age_s in ((".removed-1a", 0), (".adding-old", 3600), (".adding-new", 0)):
        folder = tmp_path / "faces" / name
        folder.mkdir(parents=True)
        (folder / "face-1.png").write_bytes(b"somebody")
        os.utime(folder, (time.time() - age_s,) * 2)
    assert library.list() == []
    assert [path.name for path in (tmp_path / "faces").iterdir()] == [".adding-new"]


@pytest.mark.parametrize("damage", [None, b"name = ["])
def test_an_identity_made_before_the_removal_is_refused(
    library: FaceLibrary, tmp_path: Path, damage: bytes | None
) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    face, other = (library.add([path], name, Basis.OWN_FACE, name) for name in ("Ana", "Bo"))
    alone, joined, left = (library.identity_of(f) for f in ([face], [other, face], [other]))
    assert (alone.permit(), joined.permit(), left.permit()) == ("", "", "")
    if damage is not None:  # then whose consent it was cannot be noted
        (tmp_path / "faces" / face.face_id / "face.toml").write_bytes(damage)
    library.remove(face.face_id)
    assert "removed" in alone.permit()
    assert "removed" in joined.permit()
    assert left.permit() == ""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("face.toml", b"name = ["),
        ("face.toml", b"\xff\xfe"),
        ("face.toml", b"name = 'a'"),
        ("face.toml", b"name = 'a'\nrecognizer = 'b'\nconsent = 3"),
        ("face.toml", b"name = 'a'\nrecognizer = 'b'\n[consent]\nperson = 'x'"),
        ("embedding.npy", b""),
        ("embedding.npy", b"no array"),
        ("face-1.png", b"no picture"),
    ],
)
def test_a_damaged_face_costs_only_itself(
    library: FaceLibrary, tmp_path: Path, name: str, data: bytes
) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    bad = library.add([path], "Bad", Basis.OWN_FACE, "Ana")
    good = library.add([path], "Good", Basis.OWN_FACE, "Ana")
    damaged = tmp_path / "faces" / bad.face_id / name
    damaged.write_bytes(data)
    assert [face.face_id for face in library.list()] == [good.face_id]
    assert len(library.problems) == 1
    assert bad.face_id in library.problems[0]
    assert damaged.read_bytes() == data  # left as it was
    damaged.unlink()
    library.list()
    assert len(library.problems) == 1


def test_a_disk_that_refuses_leaves_nothing(
    library: FaceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(PictureError, match="No space left"):
        library.add([path], "Ana", Basis.OWN_FACE, "Ana")
    assert list((tmp_path / "faces").iterdir()) == []


def test_personas_come_first_and_stay(tmp_path: Path) -> None:
    personas = write_personas(tmp_path / "personas")
    library = FaceLibrary(tmp_path / "faces", colour_engines(), personas=personas)
    own = picture_of(tmp_path / "a.png", (200, 100, 150))
    library.add([own], "Ana", Basis.OWN_FACE, "Ana")
    assert [face.name for face in library.list()] == ["Mio", "Ana"]
    mio = library.get("mio")
    assert mio is not None
    assert mio.builtin
    assert mio.consent.basis is Basis.SYNTHETIC
    np.testing.assert_allclose(library.identity(mio).embedding, [0, 1, 0], atol=1e-4)
    with pytest.raises(PictureError, match="cannot be removed"):
        library.remove("mio")
    library.record_consent(own, Basis.OWN_FACE, "Ana")
    assert library.identity_of([mio, own]).name == "Mio + a"


@pytest.mark.parametrize("name", ["personas.toml", "mio.png"])
def test_damaged_personas_get_a_sentence(tmp_path: Path, name: str) -> None:
    personas = write_personas(tmp_path / "personas")
    (personas / name).write_bytes(b"persona = [{}]")
    with pytest.raises(PictureError):
        read_personas(personas)


def test_the_kept_square_has_the_known_geometry() -> None:
    assert LANDMARKS.shape == (5, 2)
    assert 0 < LANDMARKS.min() < LANDMARKS.max() < SIDE


def _archive(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, a=np.ones(3))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 cut off"),
        lambda path: path.write_bytes(path.read_bytes()[:90]),
        lambda path: np.save(path, np.full(3, np.nan, np.float32)),
        _archive,
    ],
    ids=["empty", "cut archive", "cut", "no numbers", "archive"],
)
def test_a_damaged_embedding_leaves_the_face_out_and_is_said(
    library: FaceLibrary, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    face = library.add([path], "Ana", Basis.OWN_FACE, "Ana")
    damage(tmp_path / "faces" / face.face_id / "embedding.npy")
    again = FaceLibrary(tmp_path / "faces", colour_engines(), personas=tmp_path / "none")
    assert again.list() == []
    assert "damaged" in again.problems[0]


@pytest.mark.parametrize("name", ["personas.toml", "mio.png"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"persona = [3]", None])
def test_damaged_personas_are_one_sentence(tmp_path: Path, name: str, data: bytes | None) -> None:
    folder = write_personas(tmp_path / "personas")
    if data is None:
        (folder / name).write_bytes((folder / name).read_bytes()[:9])
    else:
        (folder / name).write_bytes(data)
    with pytest.raises(PictureError, match=r"personas in .* are damaged .*Install Omokage again"):
        read_personas(folder)


def test_a_library_that_cannot_be_read_keeps_the_personas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    personas = write_personas(tmp_path / "personas")
    library = FaceLibrary(folder, colour_engines(), personas=personas)

    def refused(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert [face.name for face in library.list()] == ["Mio"]
    assert "Permission denied" in library.problems[0]


def test_a_name_that_is_no_text_is_kept_readable(library: FaceLibrary, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", (200, 100, 150))
    assert library.add([path], "b\udcff d", Basis.SYNTHETIC, "nobody").name == "b? d"
