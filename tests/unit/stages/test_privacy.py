"""The transitions of the guard, as a table."""

from __future__ import annotations

import pytest

from app.settings import PrivacySettings
from app.stages.privacy import Guard, Showing, Sight

BOX = (10.0, 10.0, 40.0, 40.0)
SETTINGS = PrivacySettings(hold_ms=400, blur_ms=1000)
FACE, EMPTY = Sight({1: BOX}), Sight({})
DOUBT, FAILED = Sight({}, (BOX,)), Sight({}, (BOX,), failed=True)
BLIND, OTHER, NEW = Sight({}, blind=True), Sight({2: BOX}), Sight({3: BOX})
LIVE, HELD, BLURRED, SLATE = Showing.LIVE, Showing.HELD, Showing.BLURRED, Showing.SLATE

TABLE = {
    "all is well": [(0, FACE, LIVE), (1, FACE, LIVE)],
    "an empty room": [(0, EMPTY, LIVE), (9, EMPTY, LIVE)],
    "lost and found": [(0, FACE, LIVE), (0.1, EMPTY, HELD), (0.2, FACE, LIVE)],
    "found under a new number": [(0, FACE, LIVE), (0.1, EMPTY, HELD), (0.2, OTHER, LIVE)],
    "left": [(0, FACE, LIVE), (1, EMPTY, HELD), (1.5, EMPTY, BLURRED), (2.5, EMPTY, LIVE)],
    "doubtful stays hidden": [(0, FACE, LIVE), (1, DOUBT, HELD), (9, DOUBT, BLURRED)],
    "doubtful from the start": [(0, DOUBT, BLURRED), (1, FACE, LIVE)],
    "failing": [(0, FACE, LIVE), (1, FAILED, HELD), (1.5, FAILED, BLURRED), (2.5, FAILED, SLATE)],
    "failing at once": [(0, FAILED, BLURRED), (2, FAILED, SLATE), (3, FACE, LIVE)],
    "blind": [(0, BLIND, BLURRED), (0.5, BLIND, BLURRED), (2, BLIND, SLATE)],
    "the clock jumps back": [(9, FACE, LIVE), (9.1, EMPTY, HELD), (0, EMPTY, HELD)],
    "one of two lost": [
        (0, Sight({1: BOX, 2: BOX}), LIVE),
        (0.1, OTHER, HELD),
        (0.6, OTHER, BLURRED),
        (0.7, NEW, HELD),
    ],
}


@pytest.mark.parametrize("name", TABLE)
def test_transitions(name: str) -> None:
    guard = Guard()
    shown = [guard.step(now, sight, SETTINGS).showing for now, sight, _ in TABLE[name]]
    assert shown == [expected for _, _, expected in TABLE[name]]
