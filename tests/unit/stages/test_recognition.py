"""Telling people apart, a look at a time."""

from __future__ import annotations

import numpy as np

from app.frame import Face
from app.stages.recognition import AGAIN, FIRST_LOOKS, Recognition, Who
from engines import templates
from engines.errors import EngineError
from tests.helpers.fake_engines import detection

ANNA, BELA = np.eye(2, 8, dtype=np.float32)
HALF = ((ANNA + BELA) / np.sqrt(2)).astype(np.float32)  # like both by .71
PIXELS = np.zeros((360, 640, 3), np.uint8)


class Script:
    """Answers the embedding a test sets."""

    name, crop_size, template = "script", 112, templates.arcface(112)

    def __init__(self) -> None:
        self.answer = ANNA
        self.crops: list[np.ndarray] = []
        self.failing = False

    @property
    def calls(self) -> int:
        return len(self.crops)

    def embed(self, crop: np.ndarray) -> np.ndarray:
        self.crops.append(crop)
        if self.failing:
            raise EngineError("no")
        return self.answer

    def close(self) -> None:
        pass


def face(track: int, x: float = 100) -> Face:
    found = detection(x, 100, 80)
    return Face(found.box, found.landmarks, found.score, track)


def look(known: Recognition, *faces: Face, me: np.ndarray | None = None, times: int = 1) -> None:
    for _ in range(times):
        known.look(PIXELS, faces, (), me)


def test_a_person_is_known_again_under_another_track() -> None:
    script = Script()
    known = Recognition(script)
    look(known, face(1))
    assert known.person(1) == 0
    look(known)
    script.answer = BELA
    look(known, face(2, 300), times=FIRST_LOOKS)
    assert known.person(2) == 1
    look(known)
    script.answer = ANNA
    look(known, face(3, 200))
    assert known.person(3) == 0


def test_a_face_and_its_mirror_image_are_looked_at_by_turns() -> None:
    script = Script()
    known = Recognition(script)
    pixels = np.random.default_rng(1).integers(0, 255, PIXELS.shape, np.uint8)
    for _ in range(FIRST_LOOKS):
        known.look(pixels, [face(1)], (), None)
    one, *others = script.crops
    assert len(others) == FIRST_LOOKS - 1
    for n, crop in enumerate(others, 1):
        assert np.array_equal(crop, one[:, ::-1] if n % 2 else one)


def test_a_newcomer_is_nobody_until_looked_at_often_enough() -> None:
    script = Script()
    known = Recognition(script)
    look(known, face(1))
    look(known)
    script.answer = BELA
    look(known, face(2))
    assert known.person(2) is None


def test_me_at_once_but_other_only_after_several_looks() -> None:
    script, me = Script(), ANNA[None]
    known = Recognition(script)
    look(known, face(1), me=me)
    assert known.who(1) is Who.ME
    script.answer = BELA
    look(known, face(2, 300), me=me)
    assert known.who(2) is Who.UNKNOWN
    look(known, face(2, 300), me=me, times=FIRST_LOOKS)
    assert known.who(2) is Who.OTHER


def test_one_odd_look_does_not_change_who_it_is() -> None:
    script, me = Script(), ANNA[None]
    known = Recognition(script)
    look(known, face(1), me=me, times=FIRST_LOOKS)
    script.answer = BELA
    look(known, face(1), me=me, times=12)  # one more look falls due
    assert known.who(1) is Who.ME
    look(known, face(1), me=me, times=60)
    assert known.who(1) is Who.OTHER


def test_a_jump_begins_anew() -> None:
    script, me = Script(), ANNA[None]
    known = Recognition(script)
    look(known, face(1), me=me, times=FIRST_LOOKS)
    script.answer = BELA
    known.look(PIXELS, [face(1, 400)], {1}, me)
    assert known.who(1) is Who.UNKNOWN


def test_looks_are_few_and_failures_say_nothing() -> None:
    script = Script()
    known = Recognition(script)
    look(known, face(1), times=100)
    assert script.calls < 20
    script.failing = True
    look(known, face(2), times=10)
    assert known.person(2) is None
    nobody = Recognition(None)
    look(nobody, face(1), times=3)
    assert (nobody.person(1), nobody.who(1)) == (None, Who.UNKNOWN)


def test_a_patient_look_comes_after_the_frame_or_with_the_next_one() -> None:
    for called in (True, False):
        script = Script()
        known = Recognition(script)
        for _ in range(FIRST_LOOKS + AGAIN - 1):
            known.look(PIXELS, [face(1)], (), None, patient=True)
        assert script.calls == FIRST_LOOKS  # somebody new is looked at without patience
        known.look(PIXELS, [face(1)], (), None, patient=True)
        assert script.calls == FIRST_LOOKS
        if called:
            known.catch_up(PIXELS, None)
            assert script.calls == FIRST_LOOKS + 1
        known.look(PIXELS, [face(1)], (), None, patient=True)
        assert script.calls == FIRST_LOOKS + 1


def test_templates_of_another_length_are_not_me() -> None:
    known = Recognition(Script())
    look(known, face(1), me=np.eye(1, 4, dtype=np.float32), times=5)
    assert known.who(1) is Who.UNKNOWN
