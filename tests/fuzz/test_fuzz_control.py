"""Commands of the local control API: understood whole, or refused with a sentence."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from app.control import commands
from app.errors import AppError
from tests.fuzz.mutations import FUZZ, damaged
from tests.helpers.sentences import one_sentence

WORDS = sorted(commands.WORDS)
FIELDS = sorted({name for word in commands.WORDS.values() for name in word.fields})
SEEDS = [
    json.dumps({"id": 1, "do": name} | dict.fromkeys(commands.WORDS[name].fields, value)).encode()
    for name in WORDS
    for value in (True, "demo", 0.5, ["a"])
]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


def read_or_refused(text: str | bytes) -> None:
    try:
        request = commands.read(text)
    except AppError as error:
        one_sentence(str(error))
        return
    assert request is not None


@FUZZ
@given(damaged(SEEDS, words=(b"{", b"[" * 3000, b'"', b"1e999", b"NaN", b"\\ud800", b"null")))
@example(b"[" * 100_000)
@example(b'{"id": ' + b"9" * 5000 + b"}")
@example(b"\xff\xfe")
def test_damaged_commands(data: bytes) -> None:
    read_or_refused(data)


@FUZZ
@given(
    st.sampled_from(WORDS),
    st.dictionaries(st.sampled_from([*FIELDS, "id", "other"]), VALUES, max_size=4),
)
def test_any_values_in_any_command(word: str, fields: dict[str, object]) -> None:
    read_or_refused(json.dumps({"do": word} | fields))


@FUZZ
@given(st.sampled_from(WORDS), st.data())
def test_any_values_in_the_fields_it_has(word: str, data: st.DataObject) -> None:
    fields = {name: data.draw(VALUES) for name in commands.WORDS[word].fields}
    read_or_refused(json.dumps({"do": word} | fields))
