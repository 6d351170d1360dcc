"""No raw face leaves the pipeline, with the bundled networks; and the measure would see one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.faces import FaceLibrary
from app.frame import Frame
from app.pipeline import Pipeline
from app.settings import Settings
from app.stages.identity import Identity
from app.timing import Timing
from benchmarks.leak_measure import likeness
from benchmarks.leak_scenes import SCENES
from benchmarks.leaks import ALL, Shot, count_leaks, demo_shots, rawest
from engines.loading import Engines, load_engines

SETTINGS = Settings(mirror=False)


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    loaded = load_engines(engine="onnx")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def identity(engines: Engines) -> Identity:
    library = FaceLibrary(Path("/nonexistent"), engines)
    return library.identity(library.list()[0])


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    return demo_shots(0, 24, 480)


@pytest.fixture(scope="module")
def others() -> list[Shot]:
    return demo_shots(200, 24, 480)


@pytest.mark.parametrize("scene", ALL)
def test_no_face_is_shown_raw(
    scene: str, engines: Engines, identity: Identity, shots: list[Shot], others: list[Shot]
) -> None:
    count = count_leaks(ALL[scene](shots, others), engines, identity, SETTINGS)
    assert count.faces > 0
    assert count.found_raw >= 0.95 * count.faces  # the measure sees raw faces, marked and badged
    assert count.where == []


def test_the_measure_tells_a_raw_part_from_a_hidden_face(shots: list[Shot]) -> None:
    pixels, face = shots[0].pixels, shots[0].faces[0]
    x, y, width, height = (round(value) for value in face)
    same = likeness(pixels, pixels, face)
    assert same is not None
    assert same.raw
    hidden = pixels.copy()
    hidden[y : y + height, x : x + width] = 128
    gone = likeness(pixels, hidden, face)
    assert gone is not None
    assert not gone.raw
    eyes = hidden.copy()
    band = np.s_[y + height // 6 : y + height // 2, x : x + width]
    eyes[band] = pixels[band]
    seen = likeness(pixels, eyes, face)
    assert seen is not None
    assert seen.raw


def test_a_raw_mouth_below_a_swap_is_seen(
    engines: Engines, identity: Identity, shots: list[Shot]
) -> None:
    """A swap that was pasted too high."""
    pixels, face = shots[0].pixels, shots[0].faces[0]
    x, y, width, height = (round(value) for value in face)
    done = Pipeline(engines, Timing()).process(Frame(pixels.copy(), 0, 0.0), SETTINGS, identity)
    swapped = likeness(pixels, done.frame.pixels, face)
    assert swapped is not None
    assert not swapped.raw
    shifted = done.frame.pixels.copy()
    low = np.s_[y + round(0.64 * height) : y + height, x : x + width]
    shifted[low] = pixels[low]
    seen = likeness(pixels, shifted, face)
    assert seen is not None
    assert seen.raw


def test_half_a_raw_face_is_seen_beside_what_is_before_it(shots: list[Shot]) -> None:
    """What stands before a face is changed, the face behind it is not: that is a leak."""
    x, y, width, height = shots[0].faces[0]
    board = (x + 0.65 * width, y - height, 2 * width, 3 * height)
    shot = Shot(shots[0].pixels, shots[0].faces, before=((board,),))
    after = shot.pixels.copy()
    after[:, round(board[0]) : round(board[0] + board[2])] = 128
    alone = likeness(shot.pixels, after, shot.faces[0])
    assert alone is not None
    assert not alone.raw
    seen = rawest(shot, after, 0)
    assert seen is not None
    assert seen.raw


def test_the_counter_counts(
    engines: Engines, identity: Identity, shots: list[Shot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.pixel_work.on_host.check_swap", lambda *_: None
    )  # a guard that looks away
    scene = SCENES["swapper gives back"](shots, shots)
    count = count_leaks(scene, engines, identity, SETTINGS)
    assert count.leaks >= 10
