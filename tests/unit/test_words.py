"""Words of sentences that users read."""

from __future__ import annotations

import pytest

from app.words import counted


@pytest.mark.parametrize(
    ("count", "wanted"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames"), (21, "21 frames")]
)
def test_one_is_no_plural(count: int, wanted: str) -> None:
    assert counted(count, "frame") == wanted
