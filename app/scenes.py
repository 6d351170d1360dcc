"""Scenes: a look under a name, kept as TOML. Source faces, mask, light, badge and a key.

A scene is a value; showing one replaces settings and identity between two frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

from app.errors import SettingsError
from app.hotkeys.chord import parse
from app.settings import (
    BadgeSettings,
    ColorSettings,
    MaskSettings,
    Settings,
    from_mapping,
    with_value,
)
from engines.atomic_file import write_atomically
from engines.toml_text import parse_toml

PARTS = ("mask", "color", "badge")
LONGEST_NAME = 40
MOST_SCENES = 50
MOST_FACES = 16
VERSION = 1
MOST_PEOPLE = 8  # that can be swapped in a frame


def further_of(settings: Settings) -> tuple[str, ...]:
    """The faces of the second person and those after, as ``settings.further_faces`` has them."""
    return tuple(settings.further_faces.split())


def joined(further: Iterable[str]) -> str:
    """For ``settings.further_faces``."""
    return " ".join(further)


def remembering(before: Settings, after: Settings) -> Settings:
    """``after``, knowing which faces were swapped ``before`` each person got their own."""
    chosen = before.detector.faces
    return after if chosen == "each" else with_value(after, "faces_before", chosen)


@dataclass(frozen=True)
class Scene:
    """``faces`` are ids of the library (several are averaged); ``key`` is a chord, or empty.

    ``further`` are the faces of the second person and those after, where each gets their own.
    """

    name: str
    faces: tuple[str, ...]
    mask: MaskSettings = field(default_factory=MaskSettings)
    color: ColorSettings = field(default_factory=ColorSettings)
    badge: BadgeSettings = field(default_factory=BadgeSettings)
    key: str = ""
    further: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or self.name != tidy_name(self.name):
            raise SettingsError(
                f"A scene cannot be called {self.name!r}.",
                f"Use 1 to {LONGEST_NAME} letters in one line.",
            )
        if not 1 <= len(self.faces) <= MOST_FACES or not all(self.faces):
            raise SettingsError(
                f"Scene {self.name} has {len(self.faces)} faces, expected 1 to {MOST_FACES}."
            )
        if len(self.further) >= MOST_PEOPLE or any(
            " " in face or not face for face in self.further
        ):
            raise SettingsError(
                f"Scene {self.name} has {len(self.further)} further people, expected at most "
                f"{MOST_PEOPLE - 1}, each with the id of a face."
            )
        if self.key:
            parse(self.key)

    def applied_to(self, settings: Settings) -> Settings:
        """The settings while this scene is shown."""
        look = {part: getattr(self, part) for part in PARTS}
        shown = dataclasses.replace(
            settings, source_face=self.faces[0], further_faces=joined(self.further), **look
        )
        shown = remembering(settings, shown)
        return with_value(shown, "detector.faces", "each" if self.further else shown.faces_before)

    def shown_by(self, settings: Settings, face_id: str) -> bool:
        """Whether these settings, with the identity called ``face_id``, are this scene."""
        same = all(getattr(self, part) == getattr(settings, part) for part in PARTS)
        return same and face_id == "+".join(self.faces) and self.further == _present(settings)


def scene_of(name: str, settings: Settings, faces: Iterable[str], key: str = "") -> Scene:
    """The look of ``settings`` under a name."""
    look = {part: getattr(settings, part) for part in PARTS}
    key = str(parse(key)) if key else ""
    return Scene(tidy_name(name), tuple(faces), key=key, further=_present(settings), **look)


def _present(settings: Settings) -> tuple[str, ...]:
    """The further people's faces that are in use."""
    return further_of(settings) if settings.detector.faces == "each" else ()


def tidy_name(text: str) -> str:
    """Without line breaks, double spaces and what cannot be shown; cut at ``LONGEST_NAME``."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:LONGEST_NAME].strip()


class SceneBook:
    """The scenes in their order; each change is on disk before it is seen. Used by one thread.

    ``path`` need not exist. ``problems`` are sentences about what of it was left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scenes, self.problems = _read(path)

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """All of them; a value that may be read from any thread."""
        return self._scenes

    def get(self, name: str) -> Scene:
        """The scene of this name, in any case; ``SettingsError`` where there is none."""
        for scene in self._scenes:
            if scene.name.casefold() == name.casefold():
                return scene
        names = ", ".join(scene.name for scene in self._scenes)
        known = f"There are: {names}." if names else "Save one in the window first."
        raise SettingsError(f"There is no scene {name!r}.", known)

    def after(self, name: str | None) -> Scene:
        """The one behind ``name``, the first one behind the last and where ``name`` is None."""
        if not self._scenes:
            raise SettingsError("There is no scene yet.", "Save one in the window first.")
        names = [scene.name for scene in self._scenes]
        place = names.index(name) + 1 if name in names else 0
        return self._scenes[place % len(names)]

    def shown(self, settings: Settings, face_id: str) -> str | None:
        """The name of the scene that is shown, if any is."""
        return next((s.name for s in self._scenes if s.shown_by(settings, face_id)), None)

    def put(self, scene: Scene, *, instead_of: str | None = None) -> None:
        """Keep a scene at the end, or in the place of one; ``SettingsError`` where it cannot be."""
        others = [other for other in self._scenes if other.name != instead_of]
        for other in others:
            if other.name.casefold() == scene.name.casefold():
                raise SettingsError(f"There is a scene {other.name} already.", "Use another name.")
            if scene.key and other.key == scene.key:
                raise SettingsError(f"{scene.key} belongs to scene {other.name}.")
        if len(others) == len(self._scenes):
            if len(others) >= MOST_SCENES:
                raise SettingsError(f"There are {MOST_SCENES} scenes, the most that are kept.")
            self._keep([*self._scenes, scene])
        else:
            self._keep([scene if old.name == instead_of else old for old in self._scenes])

    def remove(self, name: str) -> None:
        """Forget a scene."""
        gone = self.get(name)
        self._keep([scene for scene in self._scenes if scene is not gone])

    def _keep(self, scenes: Iterable[Scene]) -> None:
        kept = tuple(scenes)
        document = tomlkit.document()
        document.add("version", tomlkit.item(VERSION))
        tables = tomlkit.aot()
        for scene in kept:
            tables.append(tomlkit.item(dataclasses.asdict(scene)))
        document.add("scene", tables)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, tomlkit.dumps(document).encode())
        except OSError as error:
            raise SettingsError(
                f"The scenes cannot be kept in {self._path} ({error.strerror}).",
                "Free the disk or allow writing there.",
            ) from error
        self._scenes = kept


def _read(path: Path) -> tuple[tuple[Scene, ...], tuple[str, ...]]:
    try:
        tables = parse_toml(path.read_text(encoding="utf-8")).get("scene", [])
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        return (), (f"The scenes in {path} cannot be read ({error.strerror}).",)
    except ValueError:  # not UTF-8, or no TOML
        aside = path.with_suffix(path.suffix + ".damaged")
        with contextlib.suppress(OSError):
            path.replace(aside)
        return (), (f"The scenes' file was damaged; it was kept as {aside.name}.",)
    scenes: dict[str, Scene] = {}
    problems: list[str] = []
    for table in tables if isinstance(tables, list) else []:
        try:
            scene, left_out = _scene(table)
        except SettingsError as error:
            problems.append(f"A scene was left out: {error}")
            continue
        problems.extend(f"In scene {scene.name}: {sentence}" for sentence in left_out)
        scenes.setdefault(scene.name.casefold(), scene)
    return tuple(scenes.values()), tuple(problems)


def _scene(table: object) -> tuple[Scene, list[str]]:
    if not isinstance(table, Mapping):
        raise SettingsError("it is no table.")
    faces: Any = table.get("faces", [])
    if not isinstance(faces, list):
        raise SettingsError("its faces are no list.")
    look = {part: table[part] for part in PARTS if part in table}
    settings, left_out = from_mapping(look)
    further: Any = table.get("further", [])
    if not isinstance(further, list):
        raise SettingsError("its further faces are no list.")
    texts = [face for face in faces if isinstance(face, str)]
    scene = scene_of(str(table.get("name", "")), settings, texts, str(table.get("key", "")))
    others = tuple(face for face in further if isinstance(face, str))
    return dataclasses.replace(scene, further=others), left_out
