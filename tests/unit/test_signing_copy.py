"""A file is signed in a copy beside it, and no rest of one stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from app.errors import SinkError
from app.provenance import signing_copy
from app.provenance.credentials import Credentials, read_credentials
from tests.helpers.signed_files import recorded, rests_in, signed_picture


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "data" / "key.pem"


# Takes the first half of a copy, says so, and waits to be killed.
KILLED_WHILE_SIGNING = """
import sys, time
from pathlib import Path
from app.provenance.signing_copy import signing_copy
with signing_copy(Path(sys.argv[1])) as (place, file):
    file.write(b"half")
    file.flush()
    print(place.name, flush=True)
    time.sleep(600)
"""


def test_what_a_kill_left_of_a_signing_is_removed_by_the_next(tmp_path: Path, key: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    command = [sys.executable, "-c", KILLED_WHILE_SIGNING, str(folder / "a.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            rest = child.stdout.readline().strip()
            assert rest.startswith(".a.mp4.")  # hidden, and no video by its name
            signed_picture(folder / "b.png", key)
            recorded(folder / "c.mp4", key, frames=5)
            assert rests_in(folder) == [rest]  # somebody is at work on it
        finally:
            child.kill()
    assert rests_in(folder) == [rest]
    other = folder / ".mine.signing"
    other.write_bytes(b"not ours")
    recorded(folder / "a.mp4", key, frames=5)
    assert rests_in(folder) == [other.name]


def _refused(times: int, number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuses the first ``times`` locks with an error ``number``; gives a list that gets the name
    of each file that is to be locked."""
    lock, asked = signing_copy._lock, list[str]()

    def refuse(file: IO[bytes]) -> None:
        asked.append(file.name)
        if len(asked) <= times:
            raise OSError(number, os.strerror(number))
        lock(file)

    monkeypatch.setattr(signing_copy, "_lock", refuse)
    return asked


def test_a_file_system_without_locks_is_no_hindrance(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _refused(99, errno.ENOLCK, monkeypatch)
    path = recorded(tmp_path / "a.mp4", key, frames=5)
    found = read_credentials(path, key)
    assert found is not None
    assert found.state == "own"
    assert len(asked) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "data"}


def test_a_copy_that_a_sweep_has_taken_is_given_up_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _refused(2, errno.EAGAIN, monkeypatch)
    with signing_copy.signing_copy(tmp_path / "a.mp4") as (place, _):
        assert asked[2:] == [str(place)]
        assert len(set(asked)) == 3


def test_a_signing_that_fails_leaves_the_file_as_it_was(tmp_path: Path, key: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(SinkError):
        Credentials(key).file(path, ".mp4")
    assert path.read_bytes() == b"no video"
    assert rests_in(tmp_path) == []
