"""What is remembered, and what is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.memory import Memory


def test_it_remembers_across_processes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "engines.json"
    Memory(path).keep("a", {"x": 1})
    Memory(path).keep("b", {"x": 2})
    assert Memory(path).recall("a") == {"x": 1}
    assert Memory(path).recall("c") is None


def test_the_oldest_make_room(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "engines.json")
    for number in range(70):
        memory.keep(str(number), {"x": number})
    assert memory.recall("0") is None
    assert memory.recall("69") == {"x": 69}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 0}', '{"version": 1, "entries": 3}', "[" * 200_000]
)
def test_a_damaged_file_is_forgotten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engines.json"
    path.write_text(text)
    memory = Memory(path)
    assert memory.recall("a") is None
    memory.keep("a", {"x": 1})
    assert memory.recall("a") == {"x": 1}


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    memory = Memory(tmp_path / "file" / "engines.json")
    memory.keep("a", {"x": 1})
    assert memory.recall("a") is None
