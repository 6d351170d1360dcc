"""Damaged files of every kind: cut, spliced, with bytes changed, repeated and put in."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same few in every run of the tests; thousands of others by hand:
# OMOKAGE_FUZZ=5000 python -m pytest tests/fuzz
FUZZ = settings(
    max_examples=int(os.environ.get("OMOKAGE_FUZZ", "25")),
    derandomize="OMOKAGE_FUZZ" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of the test
)
NASTY = (
    b"\x00",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00" * 64,
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xef\xbb\xbf",
)

Edit = tuple[str, float, bytes, float]


def damaged(seeds: Sequence[bytes], *, words: Sequence[bytes] = NASTY) -> st.SearchStrategy[bytes]:
    """One of ``seeds`` with up to eight edits; ``words`` are what is put in."""
    edit = st.tuples(
        st.sampled_from(("set", "insert", "delete", "repeat", "cut")),
        st.floats(0, 1),
        st.one_of(st.sampled_from(list(words)), st.binary(min_size=1, max_size=4)),
        st.floats(0, 1),
    )
    return st.builds(_edited, st.sampled_from(list(seeds)), st.lists(edit, max_size=8))


def _edited(seed: bytes, edits: list[Edit]) -> bytes:
    data = bytearray(seed)
    for kind, place, word, length in edits:
        at = int(place * len(data))
        span = int(length**4 * (len(data) - at))  # mostly short
        if kind == "set":
            data[at : at + len(word)] = word
        elif kind == "insert":
            data[at:at] = word
        elif kind == "delete":
            del data[at : at + span]
        elif kind == "repeat":
            data[at:at] = data[at : at + min(span, 4096)]
        elif place > 0.5:  # cutting off most of it finds nothing new
            del data[at:]
    return bytes(data)
