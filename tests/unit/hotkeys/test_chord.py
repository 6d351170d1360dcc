"""Keys as text, and who gets them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SettingsError
from app.hotkeys.chord import FUNCTION, MODIFIERS, NAMED, Chord, parse
from app.hotkeys.grab import unavailable
from app.hotkeys.plan import Wish, plan_keys
from app.hotkeys.windows import VIRTUAL_KEYS
from app.hotkeys.x11 import KEYSYMS

KEYS = st.sampled_from([*NAMED, *FUNCTION, *"ABCXYZ0189"])


@given(KEYS, st.sets(st.sampled_from(MODIFIERS)))
def test_a_chord_is_read_as_it_is_written(key: str, held: set[str]) -> None:
    chord = Chord(key, tuple(name for name in MODIFIERS if name in held))
    assert parse(str(chord)) == chord
    assert parse(str(chord).lower()) == chord


@given(st.text(max_size=12))
def test_any_text_is_a_chord_or_a_sentence(text: str) -> None:
    chord, remedy = None, ""
    try:
        chord = parse(text)
    except SettingsError as error:
        remedy = error.remedy
    assert parse(str(chord)) == chord if chord else "Ctrl+Shift+F9" in remedy


def test_keys_people_type_with_are_plain() -> None:
    assert parse("A").plain
    assert parse("Shift+Space").plain
    assert not parse("F9").plain
    assert not parse("Ctrl+A").plain


def test_every_named_key_is_known_to_both_systems() -> None:
    assert set(NAMED) | set(FUNCTION) == set(KEYSYMS) == set(VIRTUAL_KEYS)


def test_the_first_to_ask_has_the_key() -> None:
    wishes = [
        Wish("Swap", "Ctrl+F1", 1),
        Wish("Panic", "ctrl+f1", 2),
        Wish("Record", "Ctrl+V", 3),
        Wish("Badge", "Hyper+Q", 4),
        Wish("Nothing", "", 5),
    ]
    plan = plan_keys(wishes, {parse("Ctrl+V"): "paste"})
    assert {str(chord): wish.act for chord, wish in plan.bound.items()} == {"Ctrl+F1": 1}
    assert plan.conflicts[0] == "Ctrl+F1 already means Swap, so Panic has no key."
    assert plan.conflicts[1] == "Ctrl+V already means paste, so Record has no key."
    assert plan.conflicts[2].startswith("Badge has no key: 'Hyper+Q' names no key.")


@pytest.mark.parametrize(
    ("environment", "platform", "word"),
    [
        ({"DISPLAY": ":0"}, "linux", ""),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "linux", "Wayland"),
        ({}, "linux", "no X display"),
        ({}, "darwin", "macOS"),
        ({}, "win32", ""),
    ],
)
def test_where_keys_can_be_taken(environment: dict[str, str], platform: str, word: str) -> None:
    sentence = unavailable(environment, platform)
    assert word in sentence
    assert bool(word) == bool(sentence)
    assert not sentence or "omokage control" in sentence
