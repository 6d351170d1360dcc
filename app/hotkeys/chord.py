"""A key with its modifiers, as people write it: ``Ctrl+Shift+F9``."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import SettingsError

MODIFIERS = ("Ctrl", "Alt", "Shift", "Meta")
NAMED = (
    *("Esc", "Space", "Tab", "Return", "Backspace", "Ins", "Del", "Pause"),
    *("Home", "End", "PgUp", "PgDown", "Left", "Up", "Right", "Down"),
)
FUNCTION = tuple(f"F{number}" for number in range(1, 25))
_KEYS = {name.casefold(): name for name in (*NAMED, *FUNCTION)}
_MODIFIERS = {name.casefold(): name for name in MODIFIERS}
EXAMPLE = "Write it like Ctrl+Shift+F9."


@dataclass(frozen=True)
class Chord:
    """``key`` is a letter, a digit or one of ``NAMED`` and ``FUNCTION``; modifiers in their order.

    Letters are capital. The text is Qt's portable one.
    """

    key: str
    modifiers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((*self.modifiers, self.key))

    @property
    def plain(self) -> bool:
        """Whether taking it from every program would take a key people type with."""
        return self.key not in FUNCTION and set(self.modifiers) <= {"Shift"}


def parse(text: str) -> Chord:
    """The chord a text names; ``SettingsError`` where it names none."""
    *before, last = (part.strip() for part in text.split("+"))
    held = [_MODIFIERS.get(part.casefold(), "") for part in before]
    key = _KEYS.get(last.casefold(), "")
    if len(last) == 1 and last.isascii() and last.isalnum():
        key = last.upper()
    if not key or "" in held or len(set(held)) != len(held):
        raise SettingsError(f"{text!r} names no key.", EXAMPLE)
    return Chord(key, tuple(name for name in MODIFIERS if name in held))
