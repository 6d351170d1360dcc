"""Settings: round trip, checks, damaged files, atomic writes."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.errors import SettingsError
from app.settings import (
    Settings,
    fields_of,
    from_mapping,
    get_value,
    with_value,
)
from app.settings_file import MIRROR_MOVED, load, save
from engines.atomic_file import AS_ANY_FILE, write_atomically


def test_every_default_is_within_its_own_limits() -> None:
    for spec in fields_of(Settings()):
        assert with_value(Settings(), spec.path, spec.default) == Settings()
        assert spec.label, spec.path
        assert spec.help, spec.path


def test_round_trip(tmp_path: Path) -> None:
    settings = with_value(Settings(), "mask.feather", 0.2)
    settings = with_value(settings, "capture.source", 'Kamera "Zwölf"\n')
    save(settings, tmp_path / "deep" / "settings.toml")
    assert load(tmp_path / "deep" / "settings.toml") == (settings, [])


def test_missing_file_gives_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == (Settings(), [])


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("mask.feather", 0.9, "0.0 to 0.3"),
        ("mask.feather", float("nan"), "expected 0.0 to 0.3"),
        ("mask.kind", "square", "hull, rectangle"),
        ("swap", 1, "expected a bool"),
        ("detector.interval", 2.5, "expected a int"),
        ("detector.interval", True, "expected a int"),
        ("mask.nothing", 1, "no setting"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(path: str, value: object, part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        with_value(Settings(), path, value)


def test_a_bad_value_costs_only_itself() -> None:
    settings, problems = from_mapping(
        {"version": 1, "swap": False, "mask": {"feather": 7, "top": 0.1}, "old": {"thing": 1}}
    )
    assert settings.swap is False
    assert settings.mask.top == 0.1
    assert settings.mask.feather == Settings().mask.feather
    assert len(problems) == 2


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"swap = ", b"[mask\nfeather"])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(data)
    settings, problems = load(path)
    assert settings == Settings()
    assert len(problems) == 1
    assert (tmp_path / "settings.toml.damaged").read_bytes() == data


def test_an_older_file_is_brought_up_to_date_once(tmp_path: Path) -> None:
    """Its mirror turned the outputs, too: that ends, and the user is told."""
    path = tmp_path / "settings.toml"
    path.write_text("version = 1\nmirror = true\nswap = false\n")
    settings, problems = load(path)
    assert (settings.mirror, settings.outputs.mirror, settings.swap) == (True, False, False)
    assert problems == [MIRROR_MOVED]
    assert load(path) == (settings, [])
    path.write_text("version = 1\nmirror = false\n")
    assert load(path) == (with_value(Settings(), "mirror", False), [])


def test_save_where_a_folder_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be saved"):
        save(Settings(), tmp_path / "settings.toml")
    assert [p.name for p in tmp_path.iterdir()] == ["settings.toml"]


def test_write_atomically_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no mode")
def test_write_atomically_is_private_unless_told(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "secret", b"")
        write_atomically(tmp_path / "picture", b"", AS_ANY_FILE)
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "picture").stat().st_mode & 0o777 == 0o640


def test_write_atomically_takes_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.floats(), st.text(), st.none())))
def test_any_mapping_gives_valid_settings(values: dict[str, object]) -> None:
    settings, _ = from_mapping(values)
    for spec in fields_of(settings):
        with_value(settings, spec.path, get_value(settings, spec.path))
    assert dataclasses.is_dataclass(settings)
