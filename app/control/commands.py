"""The commands another program, or a key, can give; read from JSON, checked completely.

The words and their fields are documented in docs/control.md.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ControlError, SettingsError
from app.scenes import MOST_FACES
from app.settings import Settings, fields_of, with_value

LONGEST_TEXT = 200  # characters of a name
FASTEST_MS, SLOWEST_MS, USUAL_MS = 100, 60_000, 250  # between two reports
TOPICS = ("state", "metrics")
PLACES = next(s.choices or () for s in fields_of(Settings()) if s.path == "badge.position")
NEXT = "next"


@dataclass(frozen=True)
class Swap:
    """Turn the swap on or off; None: the other way."""

    on: bool | None = None


@dataclass(frozen=True)
class Panic:
    """Hide the picture at once."""


@dataclass(frozen=True)
class Resume:
    """Show the picture again after ``Panic``."""


@dataclass(frozen=True)
class ShowFaces:
    """Use these faces (ids or names of the library); several are averaged."""

    faces: tuple[str, ...]


@dataclass(frozen=True)
class NextFace:
    """Use the face behind this one in the library."""


@dataclass(frozen=True)
class ShowScene:
    """Show a scene."""

    name: str


@dataclass(frozen=True)
class NextScene:
    """Show the scene behind this one."""


@dataclass(frozen=True)
class Look:
    """Change the mask or the badge: values by dotted path, each checked against its setting.

    A badge's ``badge.position`` may be ``NEXT``.
    """

    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """Start a recording, or finish it; None: the other way."""

    on: bool | None = None


@dataclass(frozen=True)
class AskFor:
    """Answer with the state, the metrics, the faces or the scenes."""

    what: str


@dataclass(frozen=True)
class Subscribe:
    """Report ``topics`` from now on: the state when it changed, metrics always."""

    topics: tuple[str, ...]
    interval_ms: int = USUAL_MS


Action = (
    Swap | Panic | Resume | ShowFaces | NextFace | ShowScene | NextScene | Look | Record | AskFor
)
Command = Action | Subscribe


@dataclass(frozen=True)
class Request:
    """A command, and the id its answer is to carry (text, number or None)."""

    command: Command
    request_id: str | int | None = None


@dataclass(frozen=True)
class _Word:
    """How the fields of a word are read; ``fields`` are the names it may have."""

    fields: tuple[str, ...]
    make: Callable[[Mapping[str, Any]], Command]


def read(text: str | bytes) -> Request:
    """The request in a JSON text; ``ControlError`` for any other.

    An ``UnreadableError`` carries the id, where there was one.

    Nothing in it is used before all of it was checked.
    """
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        raise ControlError("The command is no JSON.") from None
    if not isinstance(table, dict):
        raise ControlError("A command is a JSON object with a field do.")
    request_id = table.pop("id", None)
    if request_id is not None and (
        not isinstance(request_id, (str, int))
        or isinstance(request_id, bool)
        or len(str(request_id)[: LONGEST_TEXT + 1]) > LONGEST_TEXT
    ):
        raise ControlError("The id of a command is a short text or a whole number.")
    try:
        return Request(from_table(table), request_id)
    except ControlError as error:
        raise UnreadableError(error, request_id) from error


class UnreadableError(ControlError):
    """A command that cannot be understood, and the id its sentence belongs to."""

    def __init__(self, error: ControlError, request_id: str | int | None) -> None:
        super().__init__(error.what, error.remedy)
        self.request_id = request_id


def from_table(table: Mapping[str, Any]) -> Command:
    """The command of a JSON object without its id."""
    name = table.get("do")
    if not isinstance(name, str):
        raise ControlError("A command needs a field do.", f"One of: {', '.join(WORDS)}.")
    word = WORDS.get(name)
    if word is None:
        close = difflib.get_close_matches(name[:LONGEST_TEXT], WORDS, 1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(WORDS)}."
        raise ControlError(f"There is no command {_short(name)}.", hint)
    fields = {key: value for key, value in table.items() if key != "do"}
    for key in fields:
        if key not in word.fields:
            known = f"It has: {', '.join(word.fields)}." if word.fields else "It has none."
            raise ControlError(f"Command {name} has no field {_short(key)}.", known)
    return word.make(fields)


def _short(text: str) -> str:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return json.dumps(shown)


def _switch(fields: Mapping[str, Any]) -> bool | None:
    on = fields.get("on", "toggle")
    if on == "toggle":
        return None
    if not isinstance(on, bool):
        raise ControlError('The field on is true, false or "toggle".')
    return on


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise ControlError(f"The field {what} is a text of 1 to {LONGEST_TEXT} letters.")
    return value


def _faces(fields: Mapping[str, Any]) -> ShowFaces:
    given = fields.get("face")
    if not isinstance(given, list):
        return ShowFaces((_text(given, "face"),))
    if not 1 <= len(given) <= MOST_FACES:
        raise ControlError(f"The field face is a name, or a list of 1 to {MOST_FACES}.")
    return ShowFaces(tuple(_text(face, "face") for face in given))


def _look(section: str) -> Callable[[Mapping[str, Any]], Look]:
    def make(fields: Mapping[str, Any]) -> Look:
        if not fields:
            raise ControlError(f"Command {section} changes nothing.", "Name a field and its value.")
        changes = {f"{section}.{name}": value for name, value in fields.items()}
        for path, value in changes.items():
            if (path, value) == ("badge.position", NEXT):
                continue
            try:
                with_value(Settings(), path, value)
            except (SettingsError, OverflowError) as error:
                raise ControlError(_short_sentence(error)) from error
        return Look(changes)

    return make


def _short_sentence(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 300 else text[:300] + "…"


def _resume(fields: Mapping[str, Any]) -> Resume:
    if fields.get("confirm") is not True:
        raise ControlError("Showing the picture again is a deliberate act.", "Add confirm: true.")
    return Resume()


def _subscribe(fields: Mapping[str, Any]) -> Subscribe:
    topics, interval = fields.get("to", list(TOPICS)), fields.get("interval_ms", USUAL_MS)
    if not isinstance(topics, list) or any(topic not in TOPICS for topic in topics):
        raise ControlError(f"The field to is a list of: {', '.join(TOPICS)}.")
    whole = isinstance(interval, int) and not isinstance(interval, bool)
    if not whole or not FASTEST_MS <= interval <= SLOWEST_MS:
        raise ControlError(f"The field interval_ms is {FASTEST_MS} to {SLOWEST_MS}.")
    return Subscribe(tuple(topic for topic in TOPICS if topic in topics), interval)


def _of(section: str) -> tuple[str, ...]:
    part = getattr(Settings(), section)
    return tuple(item.name for item in dataclasses.fields(part))


def _ask(what: str) -> _Word:
    return _Word((), lambda _: AskFor(what))


WORDS: dict[str, _Word] = {
    "swap": _Word(("on",), lambda fields: Swap(_switch(fields))),
    "panic": _Word((), lambda _: Panic()),
    "resume": _Word(("confirm",), _resume),
    "source": _Word(("face",), _faces),
    "next-source": _Word((), lambda _: NextFace()),
    "scene": _Word(("name",), lambda fields: ShowScene(_text(fields.get("name"), "name"))),
    "next-scene": _Word((), lambda _: NextScene()),
    "mask": _Word(_of("mask"), _look("mask")),
    "badge": _Word(("position", "size"), _look("badge")),
    "record": _Word(("on",), lambda fields: Record(_switch(fields))),
    "state": _ask("state"),
    "metrics": _ask("metrics"),
    "sources": _ask("sources"),
    "scenes": _ask("scenes"),
    "subscribe": _Word(("to", "interval_ms"), _subscribe),
}
