"""Every face that was seen is owed: it is there again, or its place stays a loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stages.losses import LINGER_S, Loss, Losses
from app.stages.sight import Other, Sight
from engines.detector import Box

FACE, HAIR, ASIDE = (
    (200.0, 100.0, 80.0, 100.0),
    (215.0, 50.0, 30.0, 40.0),
    (20.0, 90.0, 80.0, 100.0),
)
STEP_S = 1 / 30


def history(*sights: Sight, moving: bool = True) -> tuple[Loss, ...]:
    """The losses after these frames."""
    losses = Losses()
    for n, sight in enumerate(sights):
        losses.note(sight, n * STEP_S, 3.4)
        resting = {loss.box: not moving for loss in losses.all}
        losses.release(sight, n * STEP_S, resting, strict=False)
        losses.remember(sight)
    return losses.all


def mine(box: Box, *, jumped: bool = False, person: int | None = 0, track: int = 1) -> Sight:
    persons = {} if person is None else {track: person}
    return Sight({track: box}, persons=persons, jumped=frozenset({track} if jumped else ()))


def test_a_false_face_that_takes_the_track_over_ends_nothing() -> None:
    missed = history(mine(FACE), Sight({}), mine(HAIR, jumped=True, person=None), mine(HAIR))
    assert FACE not in [loss.box for loss in missed]  # recognised: it was the same person
    for false in (mine(HAIR, person=None), mine(HAIR, person=7)):
        jump = mine(HAIR, jumped=True, person=None)
        for before in ((mine(FACE),), (mine(FACE), Sight({}))):
            left = history(*before, jump, *[false] * 90)
            assert [loss.box for loss in left] == [FACE]


def test_who_took_the_track_over_is_known_after_a_while_where_nobody_is_recognised() -> None:
    jump, after = mine(ASIDE, jumped=True, person=None), mine(ASIDE, person=None)
    assert history(mine(FACE, person=None), jump, *[after] * 10)
    assert not history(mine(FACE, person=None), jump, *[after] * 40)


def test_a_passer_by_does_not_stand_for_the_one_behind() -> None:
    """Seen side by side, they are two: one face before the other's place leaves one owed."""
    both = Sight({1: FACE}, others=(Other(ASIDE, track=2),))
    hidden = Sight({}, others=(Other(FACE, track=2),))
    taken = Sight({2: FACE})
    assert [loss.box for loss in history(both, hidden, *[taken] * 60)] == [FACE]
    back = Sight({2: ASIDE, 3: FACE}, persons={3: 0})
    assert not history(both, hidden, taken, back)


def test_who_was_hidden_and_goes_behind_the_swapped_one_is_owed() -> None:
    both = Sight({1: FACE}, others=(Other(ASIDE, track=2),))
    near = Sight({1: FACE}, others=(Other((190.0, 100.0, 80.0, 100.0), track=2),))
    alone = Sight({1: FACE})
    (loss,) = history(both, near, *[alone] * 30)
    assert not loss.performer
    assert not history(both, near, alone, both)


def test_who_moves_on_under_the_same_number_owes_nothing() -> None:
    path = [
        Sight({1: FACE}, others=(Other((20.0 + 70 * n, 90, 80, 100), track=2),)) for n in range(5)
    ]
    assert not history(*path)


@pytest.mark.parametrize("resting", [False, True])
def test_a_place_is_given_up_in_company_where_nothing_moves_in_it(resting: bool) -> None:
    two, one = Sight({1: FACE, 2: ASIDE}), Sight({1: FACE})
    assert bool(history(two, one, moving=not resting)) is not resting
    frames = round(LINGER_S / STEP_S) + 2
    assert not history(two, *[one] * frames)


places = st.sampled_from([FACE, HAIR, ASIDE, (150.0, 90.0, 90.0, 100.0), (400.0, 30.0, 60.0, 70.0)])


@given(
    st.lists(
        st.builds(
            Sight,
            swapped=st.dictionaries(st.integers(1, 3), places, max_size=2),
            others=st.lists(
                st.builds(Other, places, st.just(True), st.integers(4, 6)), max_size=2
            ).map(tuple),
            persons=st.dictionaries(st.integers(1, 3), st.integers(0, 1), max_size=3),
            jumped=st.frozensets(st.integers(1, 3), max_size=1),
        ),
        max_size=6,
    )
)
def test_who_was_swapped_is_covered_or_owed(before: list[Sight]) -> None:
    """After a frame in which a lone face was swapped it stays so, is found, or is a loss."""
    gone = history(*before, mine(FACE, track=9, person=3), Sight({}))
    assert FACE in [loss.box for loss in gone if loss.performer]
    strangers = history(*before, mine(FACE, track=9, person=3), mine(HAIR, track=8, person=2))
    assert FACE in [loss.box for loss in strangers if loss.performer]
