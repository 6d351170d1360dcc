"""Words of sentences that users read."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
