"""TOML from files that people edit, or that are not what they should be."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 16  # tables and arrays within each other; ours need three


def parse_toml(text: str) -> dict[str, Any]:
    """The tables in ``text``; ``ValueError`` for whatever is no TOML, or nested without end.

    ``tomllib`` runs out of stack on deep nesting, and so does everything that walks its result.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level: list[Any] = [values]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ValueError("it is nested too deeply")
    return values


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, dict | list)]
    return [inner for inner in value if isinstance(inner, dict | list)]
