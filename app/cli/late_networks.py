"""What the user should know of networks that are opened while the picture runs."""

from __future__ import annotations

from engines.loading import Engines


def mishap_of(engines: Engines) -> str:
    """What went wrong with one; empty for nothing."""
    failure = "" if engines.reserve is None else engines.reserve.failure
    return f"Hands before the face are painted over: {failure}" if failure else ""
