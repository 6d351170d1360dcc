"""Commands: what is understood, and that anything else is one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control.commands import (
    WORDS,
    AskFor,
    Look,
    NextScene,
    Panic,
    Record,
    Request,
    Resume,
    ShowFaces,
    ShowScene,
    Subscribe,
    Swap,
    UnreadableError,
    read,
)
from app.control.performing import changed
from app.errors import ControlError
from app.settings import Settings


@pytest.mark.parametrize(
    ("table", "command"),
    [
        ({"do": "swap"}, Swap(None)),
        ({"do": "swap", "on": False}, Swap(False)),
        ({"do": "panic"}, Panic()),
        ({"do": "resume", "confirm": True}, Resume()),
        ({"do": "source", "face": "Aoi"}, ShowFaces(("Aoi",))),
        ({"do": "source", "face": ["Aoi", "Bruno"]}, ShowFaces(("Aoi", "Bruno"))),
        ({"do": "scene", "name": "Evening"}, ShowScene("Evening")),
        ({"do": "next-scene"}, NextScene()),
        ({"do": "mask", "feather": 0.2}, Look({"mask.feather": 0.2})),
        ({"do": "badge", "position": "next"}, Look({"badge.position": "next"})),
        ({"do": "record", "on": True}, Record(True)),
        ({"do": "state"}, AskFor("state")),
        ({"do": "subscribe"}, Subscribe(("state", "metrics"))),
        ({"do": "subscribe", "to": ["metrics"], "interval_ms": 100}, Subscribe(("metrics",), 100)),
    ],
)
def test_understood(table: dict[str, Any], command: object) -> None:
    assert read(json.dumps({**table, "id": 7})) == Request(command, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "no JSON"),
        ("[]", "JSON object"),
        ("{}", "field do"),
        ('{"do": "panik"}', "Did you mean panic?"),
        ('{"do": "swap", "onn": true}', 'no field "onn". It has: on.'),
        ('{"do": "swap", "on": 1}', "true, false"),
        ('{"do": "resume"}', "deliberate"),
        ('{"do": "source", "face": []}', "1 to 16"),
        ('{"do": "source", "face": ""}', "1 to 200"),
        ('{"do": "mask", "feather": 9}', "mask.feather is 9.0, expected 0.0 to 0.3"),
        ('{"do": "mask", "feather": NaN}', "mask.feather"),
        ('{"do": "mask", "kind": "hul"}', "expected one of: hull"),
        ('{"do": "mask"}', "changes nothing"),
        ('{"do": "badge", "enabled": false}', 'no field "enabled"'),
        ('{"do": "subscribe", "interval_ms": 5}', "100 to 60000"),
        ('{"do": "subscribe", "to": "state"}', "list of"),
        ('{"do": "state", "id": 1.5}', "id of a command"),
        ("[" * 3000, "no JSON"),
    ],
)
def test_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ControlError) as refused:
        read(text)
    assert words in str(refused.value)


def test_a_refusal_keeps_the_id() -> None:
    with pytest.raises(UnreadableError) as refused:
        read('{"do": "swap", "on": "maybe", "id": "x"}')
    assert refused.value.request_id == "x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = sorted({name for word in WORDS.values() for name in word.fields} | {"id"})


def attempt(text: str | bytes) -> tuple[Request | None, str]:
    try:
        return read(text), ""
    except ControlError as error:
        return None, str(error)


@given(st.binary() | st.text() | JSON.map(json.dumps))
def test_any_message_is_a_request_or_a_sentence(text: str | bytes) -> None:
    request, sentence = attempt(text)
    assert request is not None or 0 < len(sentence) < 1000


@given(st.sampled_from(sorted(WORDS)), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
def test_any_fields_are_a_command_that_fits_the_settings_or_a_sentence(
    word: str, fields: dict[str, Any]
) -> None:
    request, sentence = attempt(json.dumps({**fields, "do": word}))
    if request is None:
        assert 0 < len(sentence) < 1000
    elif isinstance(request.command, Swap | Look):
        assert isinstance(changed(Settings(), request.command), Settings)


def test_the_badge_goes_round_its_corners() -> None:
    settings, seen = Settings(), []
    for _ in range(4):
        settings = changed(settings, Look({"badge.position": "next"}))
        seen.append(settings.badge.position)
    assert sorted(seen) == ["bottom left", "bottom right", "top left", "top right"]
    assert settings.badge == Settings().badge
