"""Notes of the recordings under way: what a kill leaves behind is found at the next start.

A note is a small file that its writer holds locked. Locks end with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import secrets
import sys
from pathlib import Path
from typing import TextIO

import av

from app.errors import SinkError
from app.sinks.seal import Seal

log = logging.getLogger(__name__)

SUFFIX = ".json"
NAMES = ("part", "target")  # what a note has
SEAL = "seal"  # and what it has where credentials are due


class Note:
    """Of one recording; ``end`` it when its file is finished or given up."""

    def __init__(self, path: Path, file: TextIO, part: Path, target: Path) -> None:
        self._path, self._file = path, file
        self._words = {"part": str(part.absolute()), "target": str(target.absolute())}

    def begin(self) -> None:
        """Lock it and write it; ``OSError`` where that cannot be."""
        _lock(self._file)
        self._write()

    def seal(self) -> None:
        """Note that the file gets credentials; once is enough, and a disk may refuse."""
        if SEAL not in self._words:
            self._words[SEAL] = "due"
            with contextlib.suppress(OSError):
                self._write()

    def _write(self) -> None:
        self._file.seek(0)  # what is there is the start of it, or shorter
        self._file.write(json.dumps(self._words))
        self._file.flush()

    def end(self) -> None:
        """Forget it; may be called twice."""
        with contextlib.suppress(OSError):  # what a full disk did not take
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class Journal:
    """Notes in ``folder``, which need not exist; several programs may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, part: Path, target: Path) -> Note | None:
        """Note that ``part`` is being written and will be ``target``.

        None where that cannot be noted: a recording is worth more than its note.
        """
        path = self._folder / f"{secrets.token_hex(6)}{SUFFIX}"
        with contextlib.ExitStack() as undo:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                note = Note(path, path.open("x", encoding="utf-8"), part, target)
                undo.callback(note.end)
                note.begin()
            except OSError as error:
                log.warning("the recording of %s is not noted: %s", target, error)
                return None
            undo.pop_all()
        return note

    def rescue(self, seal: Seal | None = None) -> list[str]:
        """Bring what was cut off to its place, with the ``seal`` where one was due.

        A sentence about each file. It takes as long as copying the files that are sealed.
        """
        try:
            notes = sorted(self._folder.glob(f"*{SUFFIX}"))
        except OSError:
            return []
        found = []
        for note in notes:
            words = _abandoned(note)
            if words is not None:
                due = seal if SEAL in words else None
                sentence = _rescued(Path(words["part"]), Path(words["target"]), due)
                found += [sentence] if sentence else []
        return found


def _abandoned(note: Path) -> dict[str, str] | None:
    """What a note says that nobody holds any more; it is gone then.

    None also where it was cut off before it was whole: it is gone, too, and what it was to say.
    """
    try:
        with note.open("r+", encoding="utf-8", errors="replace") as file:
            _lock(file)
            text = file.read()
        words = _read(text)
        if words is not None and not all(isinstance(words.get(name), str) for name in NAMES):
            return None  # of another version
        note.unlink()
    except OSError:  # its writer runs
        return None
    return words


def _read(text: str) -> dict[str, str] | None:
    """What a note has; None where it is none."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, dict) else None


def _rescued(part: Path, target: Path, seal: Seal | None) -> str:
    """Move ``part`` to a free name at ``target``; what became of it, empty where it is gone."""
    cut = f"The recording {target.name} was cut off when Omokage was ended"
    try:
        if part.stat().st_size == 0:
            part.unlink()
            return f"{cut}, before its first picture."
        if not _playable(part):
            return f"{cut}; what is left, {part}, holds no picture that can be read."
        place = _free(target)
        part.rename(place)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{cut}; what was recorded until then is {part} ({error.strerror})."
    kept = f"{cut}; what was recorded until then is kept: {place}."
    if seal is not None:
        try:
            seal.file(place, place.suffix)
        except SinkError as error:
            log.warning("%s has no seal: %s", place, error)
            return f"{kept} It has no content credentials: {error}"
    return kept


def _playable(path: Path) -> bool:
    """Whether its first picture can be read."""
    try:
        with av.open(str(path)) as container:
            return next(container.decode(video=0), None) is not None
    except (av.FFmpegError, IndexError):
        return False


def _free(target: Path) -> Path:
    names = (
        target.with_name(f"{target.stem}{f' ({n})' if n else ''}{target.suffix}")
        for n in itertools.count()
    )
    return next(name for name in names if not name.exists())


if sys.platform == "win32":

    def _lock(file: TextIO) -> None:
        """Nothing to do: a file that is open cannot be removed there (``PermissionError``)."""

else:
    import fcntl

    def _lock(file: TextIO) -> None:
        """Take it, or raise ``OSError`` at once."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
