"""What a person may be shown when something goes wrong."""

from __future__ import annotations


def one_sentence(text: str) -> None:
    """What a person is shown: on one line, short, without a traceback, ended by a full stop."""
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 500
    assert text.endswith((".", "?", "…")), text
