"""An exported file is there whole, for everybody, or the former one stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from training.asset_file import write_asset


def test_it_is_written_into_a_new_folder_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    write_asset(path, b"one")
    assert path.read_bytes() == b"one"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044


def test_a_write_that_fails_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_asset(path, b"one")
    with pytest.raises(TypeError):
        write_asset(path, "no bytes")  # type: ignore[arg-type]  # it fails in the middle
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
