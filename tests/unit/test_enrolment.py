"""Enrolment: collected from a camera or pictures, kept as numbers, deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.enrolment import LEAST_APART_S, WANTED, Enrolments
from app.errors import AppError, PictureError
from engines.loading import Engines
from tests.helpers.colour_engines import MeanRecognizer, colour_engines, picture_of


def engines(sha256: str = "a" * 64) -> Engines:
    return replace(colour_engines(), recognizer=MeanRecognizer(), recognizer_sha256=sha256)  # type: ignore[arg-type]


@pytest.fixture
def enrolments(tmp_path: Path) -> Enrolments:
    return Enrolments(tmp_path / "data" / "me.npz", engines())


def camera(colour: tuple[int, int, int] = (0, 0, 255), faces: int = 1) -> np.ndarray:
    """A grey picture with squares of one BGR colour."""
    pixels = np.full((240, 640, 3), 90, np.uint8)
    for number in range(faces):
        pixels[60:160, 40 + 200 * number : 140 + 200 * number] = colour
    return pixels


def test_a_few_seconds_before_the_camera_are_kept(enrolments: Enrolments) -> None:
    assert enrolments.load() is None
    enroller, at, looks = enrolments.begin(), 0.0, 0
    while enroller.share < 1:
        assert enroller.add(camera(), at) == ""
        at += LEAST_APART_S / 4
        looks += 1
    assert looks > 3 * WANTED  # frames of the same instant do not count
    kept = enrolments.save(enroller.templates)
    again = enrolments.load()
    assert again is not None
    assert np.array_equal(again.templates, kept.templates)
    assert (again.made_at, len(again.templates)) == (kept.made_at, WANTED)


def test_only_numbers_are_kept_and_deleted(enrolments: Enrolments, tmp_path: Path) -> None:
    enrolments.from_pictures([picture_of(tmp_path / "a.png", (100, 100, 120))])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["me.npz"]
    with np.load(tmp_path / "data" / "me.npz") as archive:
        assert set(archive) == {"templates", "made_at", "recognizer_sha256"}
    enrolments.delete()
    enrolments.delete()
    assert enrolments.load() is None
    assert list((tmp_path / "data").iterdir()) == []


def test_somebody_else_and_nobody_are_refused(enrolments: Enrolments) -> None:
    enroller = enrolments.begin()
    for n in range(4):
        assert enroller.add(camera(), n) == ""
    assert "no face" in enroller.add(np.full((240, 640, 3), 90, np.uint8), 5)
    assert "2 faces" in enroller.add(camera(faces=2), 6)
    assert "does not look like" in enroller.add(camera((255, 0, 0)), 7)
    assert enroller.share == 4 / WANTED
    for n in range(8, 16):  # it was the first ones that were odd
        enroller.add(camera((255, 0, 0)), n)
    assert enroller.share < 6 / WANTED
    assert float(enroller.templates[:, 0].min()) > 0.9


def test_pictures_of_two_people_are_refused(enrolments: Enrolments, tmp_path: Path) -> None:
    one = picture_of(tmp_path / "one.png", (100, 100, 120))
    other = picture_of(tmp_path / "other.png", (100, 100, 120), colour=(0, 0, 255))
    with pytest.raises(PictureError, match="somebody else"):
        enrolments.from_pictures([one, other])
    assert enrolments.load() is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no", b"\x93NUMPY"])
def test_a_damaged_file_is_a_sentence(
    enrolments: Enrolments, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "me.npz").write_bytes(damage)
    with pytest.raises(PictureError, match="damaged"):
        enrolments.load()


def test_another_recogniser_asks_to_enrol_again(enrolments: Enrolments, tmp_path: Path) -> None:
    enrolments.from_pictures([picture_of(tmp_path / "a.png", (100, 100, 120))])
    other = Enrolments(tmp_path / "data" / "me.npz", engines("b" * 64))
    with pytest.raises(PictureError, match="another recogniser"):
        other.load()


def test_without_a_recogniser_nobody_can_be_enrolled(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="recogniser"):
        Enrolments(tmp_path / "me.npz", colour_engines()).begin()
