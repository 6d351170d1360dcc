"""The settings' file: TOML, written whole or not at all, brought up to date when it is old."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from app.errors import SettingsError
from app.settings import Settings, from_mapping
from engines.atomic_file import write_atomically
from engines.toml_text import parse_toml

VERSION = 2
MIRROR_MOVED = (  # version 1 turned the outputs, too
    "The mirror is now the preview's alone: others see you the right way round. "
    "Mirrored, under Outputs, turns it for them as well."
)


def load(path: Path) -> tuple[Settings, list[str]]:
    """Read a settings file; defaults where there is none.

    A damaged file is moved aside (``.damaged``) so that nothing in it is lost, and said so. One of
    an older version is rewritten, with a sentence about what changed in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = parse_toml(text)
        settings, problems = from_mapping(values)
        return settings, [*problems, *_migrated(values, settings, path)]
    except FileNotFoundError:
        return Settings(), []
    except OSError as error:
        return Settings(), [f"The settings file {path} cannot be read ({error.strerror})."]
    except ValueError:  # not UTF-8, or no TOML
        aside = path.with_suffix(path.suffix + ".damaged")
        with contextlib.suppress(OSError):
            path.replace(aside)
        return Settings(), [f"The settings file was damaged; it was kept as {aside.name}."]


def _migrated(values: Mapping[str, Any], settings: Settings, path: Path) -> list[str]:
    """Bring a file of an older version up to date; what the user should know of it."""
    if values.get("version") != 1:
        return []
    with contextlib.suppress(SettingsError):  # it is told again at the next start
        save(settings, path)
    return [MIRROR_MOVED] if values.get("mirror") is True else []


def save(settings: Settings, path: Path) -> None:
    """Write whole or not at all; ``SettingsError`` where the disk refuses.

    What TOML cannot hold of a text (a file name that is not UTF-8) becomes a question mark.
    """
    document = tomlkit.document()
    document.add("version", tomlkit.item(VERSION))
    for name, value in dataclasses.asdict(settings).items():
        document.add(name, tomlkit.item(value))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, tomlkit.dumps(document).encode(errors="replace"))
    except OSError as error:
        raise SettingsError(
            f"The settings cannot be saved to {path} ({error.strerror}).",
            "They are kept until the window is closed.",
        ) from error
