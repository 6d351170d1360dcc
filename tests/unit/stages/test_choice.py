"""Which faces are swapped, to whom, and what becomes of the others."""

from __future__ import annotations

import numpy as np

from app.frame import Face
from app.settings import DetectorSettings
from app.stages.choice import Choice, Chooser
from app.stages.recognition import Recognition, Who
from tests.helpers.fake_engines import detection

SIZE = (640, 360)


def face(track: int, x: float, y: float, side: float) -> Face:
    found = detection(x, y, side)
    return Face(found.box, found.landmarks, found.score, track)


class Told(Recognition):
    """Knows what a test tells it."""

    def __init__(
        self,
        who: dict[int, Who] | None = None,
        person: dict[int, int] | None = None,
        me: np.ndarray | None = None,
    ):
        super().__init__(None)
        self._me = me
        self.known, self.people = who or {}, person or {}

    def who(self, track: int) -> Who:
        return self.known.get(track, Who.UNKNOWN)

    def person(self, track: int) -> int | None:
        return self.people.get(track)


def choose(chooser: Chooser, how: str, *faces: Face, told: Recognition | None = None) -> Choice:
    settings = DetectorSettings(faces=how, max_faces=3)
    return chooser.choose(faces, SIZE, settings, told or Recognition(None))


def ids(choice: Choice) -> tuple[list[int], list[int], list[int]]:
    return (
        [one.track_id for one, _ in choice.swap],
        [one.track_id for one in choice.pending],
        [one.track_id for one in choice.others],
    )


def test_largest_sticks_until_another_is_clearly_larger() -> None:
    chooser, first = Chooser(), face(1, 50, 50, 100)
    assert ids(choose(chooser, "largest", first)) == ([1], [], [])
    assert ids(choose(chooser, "largest", first, face(2, 300, 50, 110))) == ([1], [], [2])
    assert ids(choose(chooser, "largest", first, face(2, 300, 50, 140))) == ([2], [], [1])
    assert ids(choose(chooser, "largest")) == ([], [], [])


def test_who_comes_back_takes_the_swap_from_a_passer_by() -> None:
    chooser, told = Chooser(), Told(person={1: 0, 2: 1, 3: 0})
    first, passing, back = face(1, 50, 50, 100), face(2, 60, 50, 110), face(3, 50, 50, 100)
    assert ids(choose(chooser, "largest", first, told=told)) == ([1], [], [])
    assert ids(choose(chooser, "largest", passing, told=told)) == ([2], [], [])
    assert ids(choose(chooser, "largest", passing, back, told=told)) == ([3], [], [2])


def test_centre_takes_the_middle_one_and_sticks() -> None:
    chooser, middle, side = Chooser(), face(1, 280, 140, 60), face(2, 20, 140, 120)
    assert ids(choose(chooser, "centre", middle, side)) == ([1], [], [2])
    near = face(3, 310, 130, 90)
    assert ids(choose(chooser, "centre", middle, near)) == ([1], [], [3])
    assert ids(choose(chooser, "centre", face(1, 520, 140, 60), near)) == ([3], [], [1])


def test_all_is_limited_and_does_not_jump() -> None:
    chooser = Chooser()
    three = [face(n, 20 + 120 * n, 20, 60 + 10 * n) for n in (1, 2, 3)]
    assert ids(choose(chooser, "all", *three)) == ([3, 2, 1], [], [])
    larger = face(4, 500, 20, 120)
    assert ids(choose(chooser, "all", *three, larger)) == ([3, 2, 1], [4], [])


def test_me_swaps_nobody_else() -> None:
    told = Told({1: Who.OTHER, 2: Who.ME})
    faces = face(1, 20, 20, 200), face(2, 300, 20, 80), face(3, 500, 20, 90)
    assert ids(choose(Chooser(), "me", *faces, told=told)) == ([2], [3], [1])


def test_each_gets_the_source_of_the_person() -> None:
    told = Told(person={1: 1, 2: 0})
    faces = face(1, 20, 20, 100), face(2, 300, 20, 80), face(3, 500, 20, 90)
    choice = choose(Chooser(), "each", *faces, told=told)
    assert {one.track_id: source for one, source in choice.swap} == {1: 1, 2: 0}
    assert ids(choice)[1] == [3]


def test_each_gives_the_enrolled_face_the_first_source() -> None:
    me = np.eye(1, 8, dtype=np.float32)
    chooser, faces = Chooser(), (face(1, 20, 20, 100), face(2, 300, 20, 80))

    def sources(who: dict[int, Who]) -> dict[int, int]:
        told = Told(who, {1: 0, 2: 1}, me)
        return {one.track_id: n for one, n in choose(chooser, "each", *faces, told=told).swap}

    assert sources({1: Who.OTHER}) == {1: 1, 2: 2}
    assert sources({1: Who.OTHER, 2: Who.ME}) == {1: 1, 2: 0}
    assert sources({1: Who.ME, 2: Who.OTHER}) == {1: 0, 2: 1}
