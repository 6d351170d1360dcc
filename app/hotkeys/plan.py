"""Which key does what: every wish checked against the others, each refusal one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import SettingsError
from app.hotkeys.chord import Chord, parse

T = TypeVar("T")


@dataclass(frozen=True)
class Wish(Generic[T]):
    """``label`` is what the user reads, ``key`` a chord's text or empty, ``act`` what it means."""

    label: str
    key: str
    act: T


@dataclass(frozen=True)
class Plan(Generic[T]):
    """``bound`` are the keys that have a meaning; ``conflicts`` one sentence for each refused."""

    bound: Mapping[Chord, Wish[T]]
    conflicts: tuple[str, ...] = ()


def plan_keys(wishes: Iterable[Wish[T]], reserved: Mapping[Chord, str]) -> Plan[T]:
    """The first to ask has a key; ``reserved`` are those of the window, with their meaning."""
    bound: dict[Chord, Wish[T]] = {}
    conflicts: list[str] = []
    for wish in wishes:
        if not wish.key:
            continue
        try:
            chord = parse(wish.key)
        except SettingsError as error:
            conflicts.append(f"{wish.label} has no key: {error}")
            continue
        holder = bound[chord].label if chord in bound else reserved.get(chord)
        if holder is not None:
            conflicts.append(f"{chord} already means {holder}, so {wish.label} has no key.")
        else:
            bound[chord] = wish
    return Plan(bound, tuple(conflicts))
