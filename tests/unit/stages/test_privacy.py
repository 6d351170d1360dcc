"""The guard: its transitions as a table, and its promise as a property of every history."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from app.settings import PrivacySettings
from app.stages.losses import LINGER_S
from app.stages.privacy import Guard, Reason, Showing, Verdict
from app.stages.sight import Other, Sight
from engines.detector import Box

BOX, FAR = (10.0, 10.0, 40.0, 40.0), (300.0, 200.0, 40.0, 40.0)
SETTINGS = PrivacySettings(hold_ms=400, blur_ms=1000, empty_ms=3000)
STRICT = PrivacySettings(hold_ms=400, blur_ms=1000, empty_ms=3000, strict=True)
FACE, EMPTY = Sight({1: BOX}), Sight({})
DOUBT, FAILED = Sight({}, (BOX,)), Sight({}, (BOX,), failed=True)
BLIND, HERE, ELSEWHERE = Sight({}, blind=True), Sight({2: BOX}), Sight({2: FAR})
TWO, OTHER = Sight({1: BOX, 2: FAR}), Sight({1: BOX}, others=(Other(FAR),))
CUT, CUT_FACE = Sight({}, cut=True), Sight({2: FAR}, cut=True)
TAKEN = Sight({1: FAR}, jumped=frozenset({1}))
MINE, STRANGER = Sight({1: BOX}, persons={1: 0}), Sight({2: BOX}, persons={2: 1})
MINE_AGAIN = Sight({2: FAR}, persons={2: 0})
LIVE, HELD, BLURRED, SLATE = Showing.LIVE, Showing.HELD, Showing.BLURRED, Showing.SLATE


class Still:
    """A picture in which nothing has moved for ``seconds``."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def still_s(self, box: Box | None = None) -> float:
        return self.seconds

    def trail(self, box: Box, since_s: float) -> Box:
        return box


# name: frames as (time, sight, seconds nothing moved, expected)
TABLE = {
    "all is well": [(0, FACE, 0, LIVE), (1, FACE, 0, LIVE)],
    "lost and found": [(0, FACE, 0, LIVE), (0.1, EMPTY, 0, HELD), (0.2, FACE, 0, LIVE)],
    "lost for good": [
        (0, FACE, 0, LIVE),
        (1, EMPTY, 0, HELD),
        (1.5, EMPTY, 0, BLURRED),
        (2.5, EMPTY, 0, SLATE),
        (3.5, EMPTY, 2.9, SLATE),
    ],
    "nothing seen is no proof, however long": [(0, FACE, 0, LIVE)]
    + [(n, EMPTY, 0, HELD if n == 1 else BLURRED if n == 2 else SLATE) for n in range(1, 90)],
    "left, and nothing moves": [(0, FACE, 0, LIVE), (1, EMPTY, 0, HELD), (2, EMPTY, 3, LIVE)],
    "a start without a face": [
        (0, EMPTY, 0, BLURRED),
        (1, EMPTY, 1, BLURRED),
        (2, EMPTY, 2, SLATE),
    ],
    "an empty room from the start": [(0, EMPTY, 0, BLURRED), (1, EMPTY, 3, LIVE)],
    "something moves in the empty room": [
        (0, EMPTY, 9, LIVE),
        (8.9, EMPTY, 9, LIVE),
        (9, EMPTY, 0, BLURRED),
        (9.5, EMPTY, 0, BLURRED),
        (11, FACE, 0, LIVE),
    ],
    "found in its place under a new number": [
        (0, FACE, 0, LIVE),
        (0.1, EMPTY, 0, HELD),
        (0.2, HERE, 0, LIVE),
    ],
    "a newcomer elsewhere ends nothing": [
        (0, FACE, 0, LIVE),
        (0.1, ELSEWHERE, 0, HELD),
        (1, ELSEWHERE, 0, BLURRED),
        (1.1, ELSEWHERE, 0, BLURRED),
        (1.2, ELSEWHERE, 3, LIVE),
    ],
    "a stranger in its place ends nothing": [
        (0, MINE, 0, LIVE),
        (0.1, STRANGER, 0, HELD),
        (1, STRANGER, 0, BLURRED),
    ],
    "the same person elsewhere": [
        (0, MINE, 0, LIVE),
        (1, EMPTY, 0, HELD),
        (2, MINE_AGAIN, 0, LIVE),
    ],
    "a newcomer who takes the track ends nothing": [
        (0, FACE, 0, LIVE),
        (0.1, TAKEN, 0, HELD),
        (0.9, Sight({1: FAR}), 0, BLURRED),
    ],
    "one of two lost": [(0, TWO, 0, LIVE), (0.1, FACE, 0, HELD), (1, FACE, 0, BLURRED)],
    "doubtful, then hidden": [
        (0, FACE, 0, LIVE),
        (1, DOUBT, 0, HELD),
        (1.5, DOUBT, 0, BLURRED),
        (3, DOUBT, 0, SLATE),
    ],
    "a doubtful face in a still room": [(0, DOUBT, 9, BLURRED), (1, DOUBT, 9, BLURRED)],
    "failing": [
        (0, FACE, 0, LIVE),
        (1, FAILED, 0, HELD),
        (1.5, FAILED, 0, BLURRED),
        (2.5, FAILED, 0, SLATE),
        (2.6, FACE, 0, LIVE),
    ],
    "blind": [(0, BLIND, 9, BLURRED), (0.5, BLIND, 9, BLURRED), (1.4, BLIND, 9, SLATE)],
    "others hidden by choice": [(0, OTHER, 0, LIVE), (0.1, FACE, 0, LIVE)],
    "a cut without a face": [(0, FACE, 0, LIVE), (0.1, CUT, 0, BLURRED), (0.2, EMPTY, 0, BLURRED)],
    "a cut to a face": [(0, FACE, 0, LIVE), (0.1, CUT_FACE, 0, LIVE)],
    "the clock jumps back": [(9, FACE, 0, LIVE), (9.1, EMPTY, 0, HELD), (0, EMPTY, 0, HELD)],
    "the clock jumps ahead": [(0, TWO, 0, LIVE), (0.1, FACE, 0, HELD), (900, FACE, 0, BLURRED)],
}


@pytest.mark.parametrize("name", TABLE)
def test_transitions(name: str) -> None:
    guard = Guard()
    shown = [guard.step(at, sight, SETTINGS, Still(s)).showing for at, sight, s, _ in TABLE[name]]
    assert shown == [expected for *_, expected in TABLE[name]]


def test_strict_shows_no_room() -> None:
    guard = Guard()
    frames = [(0.0, EMPTY), (1.0, FACE), (1.1, EMPTY), (9.0, EMPTY)]
    shown = [guard.step(at, sight, STRICT, Still(99)).showing for at, sight in frames]
    assert shown == [SLATE, LIVE, SLATE, SLATE]


def test_a_lost_place_grows_and_the_whole_is_hidden_where_nobody_was_seen() -> None:
    guard = Guard()
    assert guard.step(0, EMPTY, SETTINGS, Still()).whole
    guard.step(1, FACE, SETTINGS, Still())
    shares = [guard.step(1 + n / 10, EMPTY, SETTINGS, Still()).places[0].share for n in range(1, 9)]
    assert shares == sorted(set(shares))
    verdict = guard.step(2, CUT, SETTINGS, Still())
    assert (verdict.showing, verdict.whole, verdict.reason) == (BLURRED, True, Reason.LOST)


def test_while_somebody_else_is_swapped_a_place_is_watched_for_a_while() -> None:
    guard, at = Guard(), 0.0
    guard.step(at, TWO, SETTINGS, Still())
    while at < LINGER_S - 0.5:
        at += 0.5
        verdict = guard.step(at, FACE, SETTINGS, Still())
        assert verdict.places
    assert guard.step(at + 1, FACE, SETTINGS, Still()).showing is LIVE


def test_somebody_who_was_hidden_by_choice_stays_hidden_when_lost() -> None:
    guard = Guard()
    guard.step(0, OTHER, SETTINGS, Still())
    for n in range(1, 150):
        assert guard.step(n / 10, FACE, SETTINGS, Still()).places[0].box == FAR


def test_what_moved_off_from_a_lost_place_is_hidden_too() -> None:
    class Moving(Still):
        def trail(self, box: Box, since_s: float) -> Box:
            x, y, width, height = box
            return (x, y, width + 900 * since_s, height)

    guard = Guard()
    guard.step(0, TWO, SETTINGS, Moving())
    for n in range(1, 14):
        verdict = guard.step(n / 10, FACE, SETTINGS, Moving())
        right = max(p.box[0] + p.box[2] * (1 + p.share) / 2 for p in verdict.places)
        assert right >= 330 + 90 * n
    assert len(guard.step(3, FACE, SETTINGS, Moving()).places) == 1


def test_a_camera_that_is_moved_as_the_face_is_lost_hides_everything() -> None:
    guard = Guard()
    guard.step(0, FACE, SETTINGS, Still())
    assert guard.step(0.1, Sight({}, swept=True), SETTINGS, Still()).whole
    assert guard.step(0.2, EMPTY, SETTINGS, Still()).whole
    assert guard.step(0.3, FACE, SETTINGS, Still()).showing is LIVE


boxes = st.sampled_from([BOX, FAR, (14.0, 12.0, 40.0, 40.0), (150.0, 60.0, 80.0, 90.0)])
sights = st.builds(
    Sight,
    swapped=st.dictionaries(st.integers(1, 4), boxes, max_size=3),
    bare=st.lists(boxes, max_size=2).map(tuple),
    others=st.lists(st.builds(Other, boxes, st.booleans()), max_size=2).map(tuple),
    persons=st.dictionaries(st.integers(1, 4), st.integers(0, 2), max_size=3),
    jumped=st.frozensets(st.integers(1, 4), max_size=2),
    failed=st.booleans(),
    blind=st.booleans(),
    cut=st.booleans(),
)


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens, what is not known to be safe is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self.guard, self.at = Guard(), 0.0
        self.still = Still()

    def see(self, elapsed: float, sight: Sight, settings: PrivacySettings) -> Verdict:
        self.at += elapsed
        amiss = sight.failed or sight.blind
        verdict = self.guard.step(self.at, sight, settings, self.still)
        if verdict.showing is LIVE:
            assert not amiss
            assert not sight.bare
            if not sight.swapped:
                assert not settings.strict
                assert not sight.others
                assert self.still.seconds >= settings.empty_ms / 1000
        if not sight.swapped and verdict.showing is BLURRED:
            assert verdict.whole or verdict.places  # never the picture as it is
        if not sight.swapped and verdict.showing is HELD:
            assert any(place.held for place in verdict.places)
        if sight.blind and verdict.showing is not SLATE:
            assert verdict.whole
        if settings.strict and not sight.swapped:
            assert verdict.showing is SLATE
        for place in verdict.places:
            assert place.share * min(place.box[2:]) >= 1.5 * 40 - 1e-6
        return verdict

    @rule(elapsed=st.floats(-2, 3), sight=sights, strict=st.booleans())
    def anything(self, elapsed: float, sight: Sight, strict: bool) -> None:
        self.see(elapsed, sight, STRICT if strict else SETTINGS)

    @rule(seconds=st.sampled_from([0.0, 1.0, 2.9, 3.0, 30.0]))
    def rest(self, seconds: float) -> None:
        self.still.seconds = seconds

    @rule(sight=sights.filter(lambda s: s.failed or s.blind))
    def a_lasting_fault_ends_in_a_slate(self, sight: Sight) -> None:
        for _ in range(20):
            verdict = self.see(0.1, sight, SETTINGS)
        assert verdict.showing is SLATE

    @precondition(lambda self: self.still.seconds < 3)
    @rule(sight=sights.filter(lambda s: not s.swapped))
    def a_lasting_absence_ends_in_a_slate(self, sight: Sight) -> None:
        for _ in range(20):
            verdict = self.see(0.1, sight, SETTINGS)
        assert verdict.showing is SLATE

    @rule()
    def a_swapped_face_alone_becomes_live_again(self) -> None:
        self.still.seconds = 30.0
        for _ in range(3):
            verdict = self.see(0.1, Sight({9: BOX}), SETTINGS)
        assert verdict.showing is LIVE


AnyHistory.TestCase.settings = hypothesis_settings(
    max_examples=50, stateful_step_count=15, deadline=None
)
TestAnyHistory = AnyHistory.TestCase
