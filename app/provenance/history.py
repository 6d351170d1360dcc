"""What became of consents: one small file per event, written once and never changed.

A file's name says what happened to which consent, so that a withdrawal holds even where the rest of
its file is damaged or was written by a newer version. Files that say nothing to us are left alone.
"""

from __future__ import annotations

import contextlib
import enum
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tomlkit

from app.errors import ConsentError, brief
from app.provenance.consent import ConsentRecord, from_table, to_table
from engines.atomic_file import write_atomically
from engines.toml_text import parse_toml

VERSION = 1
SETTLED_NS = 3_000_000_000  # a folder changed within so long may change again under the same time
# What reading a file that others may have altered can raise.
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, ConsentError)
_NAME = re.compile(r"(?P<at>\d{8}T\d{12}Z)-(?P<event>[a-z]+)-(?P<id>[0-9a-f]{16})\.toml")


class What(enum.Enum):
    """What can happen to a consent."""

    GRANTED = "granted"
    REVOKED = "revoked"
    REMOVED = "removed"  # the kept face was deleted


@dataclass(frozen=True)
class Event:
    """One thing that happened, at an ISO 8601 time in UTC; ``record`` is what was granted.

    ``problem`` is a sentence where a part of the file could not be understood.
    """

    what: What
    consent_id: str
    at: str
    note: str = ""
    record: ConsentRecord | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Reading:
    """The folder as it was; ``settled`` where the same ``stamp`` means the same files."""

    stamp: int
    settled: bool
    events: Mapping[str, Event]  # by file name, oldest first
    ended: Mapping[str, Event]  # by consent
    foreign: tuple[str, ...]


_NOTHING = _Reading(0, False, {}, {}, ())


class History:
    """The events in ``folder``, which need not exist. May be used by several threads.

    Reading is cheap while nothing changes (one look at the folder), so that it can be done for
    every frame, and sees what another process wrote.
    """

    def __init__(self, folder: Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._clock_ns = clock_ns
        self._last = _NOTHING

    def events(self) -> list[Event]:
        """All events, oldest first; ``ConsentError`` where the folder cannot be read."""
        return list(self._read().events.values())

    def foreign(self) -> tuple[str, ...]:
        """Names of files that are not understood, such as those of a newer version."""
        return self._read().foreign

    def ended(self) -> Mapping[str, Event]:
        """By consent, how it ended: revoked, else that its face was removed."""
        return self._read().ended

    def append(
        self, what: What, consent_id: str, note: str = "", record: ConsentRecord | None = None
    ) -> None:
        """Add an event that happens now; ``ConsentError`` where it cannot be written."""
        now = datetime.now(UTC)
        document = tomlkit.document()
        document.update(version=VERSION, event=what.value, consent_id=consent_id)
        document.update(at=now.isoformat(timespec="microseconds"), note=note.strip())
        if record is not None:
            document["consent"] = to_table(record)
        name = f"{now:%Y%m%dT%H%M%S%f}Z-{what.value}-{consent_id}.toml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / name, tomlkit.dumps(document).encode())
        except OSError as error:
            raise ConsentError(
                f"The consent cannot be recorded in {self._folder} ({error.strerror}).",
                "Without a record the face is not used.",
            ) from error

    def _read(self) -> _Reading:
        last = self._last
        try:
            stamp = self._folder.stat().st_mtime_ns
            if last.settled and stamp == last.stamp:
                return last
            names = [path.name for path in self._folder.iterdir() if path.suffix == ".toml"]
        except FileNotFoundError:
            return _NOTHING
        except OSError as error:
            raise ConsentError(
                f"The consent records in {self._folder} cannot be read ({error.strerror}).",
                "Without them no added face is used.",
            ) from error
        events: dict[str, Event] = {}
        foreign: list[str] = []
        for name in sorted(names):
            event = last.events.get(name) or self._event(name)
            if event is None:
                foreign.append(name)
            else:
                events[name] = event
        settled = self._clock_ns() - stamp > SETTLED_NS
        ends = (What.REMOVED, What.REVOKED)  # the later one wins
        ended = {e.consent_id: e for what in ends for e in events.values() if e.what is what}
        self._last = _Reading(stamp, settled, events, ended, tuple(foreign))
        return self._last

    def _event(self, name: str) -> Event | None:
        """What a file says; None where not even its name is understood."""
        match = _NAME.fullmatch(name)
        if match is None or match["event"] not in {what.value for what in What}:
            return None
        what, consent_id, at = What(match["event"]), match["id"], match["at"]
        with contextlib.suppress(ValueError):
            at = datetime.strptime(at, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC).isoformat()
        try:
            table = parse_toml((self._folder / name).read_text(encoding="utf-8"))
            note = str(table.get("note", ""))
            record = from_table(table["consent"]) if what is What.GRANTED else None
        except DAMAGE as error:
            return Event(what, consent_id, at, problem=f"{name} is damaged ({brief(error)}).")
        if record is not None and record.consent_id != consent_id:
            return Event(what, consent_id, at, problem=f"{name} was changed after it was written.")
        return Event(what, consent_id, at, note, record)
