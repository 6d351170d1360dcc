"""Which model files there are: the bundled ones and the cards of those the user added.

The bundled list is ``assets/models.toml``. A card is a small TOML file beside its files in the
user's model folder; both say name, file, sha256, bytes and licence.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import platformdirs
import tomlkit

from engines.atomic_file import write_atomically
from engines.errors import EngineError
from engines.toml_text import parse_toml

LONGEST_NAME = 100  # file systems take 255 bytes
State = Literal["ok", "missing", "damaged"]
OWN_SWAPPER = "omokage"
FAMILIES = ("simswap", "inswapper", "blendface")  # of generators that a user can add
BUNDLED = Path(__file__).resolve().parent.parent / "assets"
BUNDLED_LIST = "models.toml"
REINSTALL = "Install the application again."


@dataclass(frozen=True)
class ModelFile:
    """One network's file and what it must be."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    licence: str

    def read(self) -> bytes:
        """The file's content; ``EngineError`` where it is missing or not the one listed."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise EngineError(
                f"The model file {self.path.name} ({self.name}) cannot be read ({error.strerror}).",
                _remedy(self),
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise EngineError(
                f"The model file {self.path.name} ({self.name}) is damaged: its sha256 begins "
                f"{found[:12]}, expected {self.sha256[:12]}.",
                _remedy(self),
            )
        return data

    def state(self) -> State:
        """Whether the file is there and is the one listed (reads all of it)."""
        try:
            if not self.path.is_file():
                return "missing"
        except OSError:  # a name that no file system takes
            return "missing"
        try:
            self.read()
        except EngineError:
            return "damaged"
        return "ok"


@dataclass(frozen=True)
class ModelEntry:
    """One line of ``omokage models``."""

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    state: State


@dataclass(frozen=True)
class SwapperCard:
    """A swapper the user added: its family, its generator and, where it needs one, recogniser."""

    name: str
    family: str
    generator: ModelFile
    recognizer: ModelFile | None


class ModelStore:
    """The bundled models and the user's own.

    ``bundled`` is a folder with a ``models.toml``, ``user`` the folder of cards (need not exist).
    """

    def __init__(self, bundled: Path | None = None, user: Path | None = None) -> None:
        self._bundled = bundled if bundled is not None else BUNDLED
        self._user = user if user is not None else user_folder()

    @property
    def user(self) -> Path:
        """The folder of the user's cards."""
        return self._user

    def files(self) -> list[ModelFile]:
        """Every bundled file; ``EngineError`` where the list cannot be read."""
        return [_model_file(item, self._bundled) for item in self._items()]

    def networks(self) -> list[ModelFile]:
        """The bundled files without variants of one of them: what engines are built of."""
        plain = (item for item in self._items() if "variant" not in item)
        return [_model_file(item, self._bundled) for item in plain]

    def variant(self, file: ModelFile, kind: str) -> ModelFile | None:
        """The ``kind`` (``int8``) of this very file, where one is bundled.

        One that was made of another version of the network is none.
        """
        for item in self._items():
            if item.get("of") == file.sha256 and item.get("variant") == kind:
                return _model_file(item, self._bundled)
        return None

    def file(self, name: str) -> ModelFile:
        """One bundled file by name; ``EngineError`` where it is not listed."""
        for item in self.files():
            if item.name == name:
                return item
        raise EngineError(f"The bundled {BUNDLED_LIST} lists no {name}.", REINSTALL)

    def cards(self) -> tuple[list[SwapperCard], list[str]]:
        """The user's swappers, and a sentence for each card that cannot be used."""
        cards: list[SwapperCard] = []
        problems: list[str] = []
        try:
            paths = sorted(self._user.glob("*.toml"))
        except OSError as error:
            return [], [f"The models in {self._user} cannot be read ({error.strerror})."]
        for path in paths:
            try:
                cards.append(_card(_read_toml(path), path))
            except EngineError as error:
                problems.append(str(error))
        return cards, problems

    def card(self, name: str) -> SwapperCard:
        """A swapper the user added; ``EngineError`` where there is none of that name."""
        cards, problems = self.cards()
        for card in cards:
            if card.name == name:
                return card
        known = ", ".join([OWN_SWAPPER, *(card.name for card in cards)])
        raise EngineError(
            f"There is no swapper {name!r}; known are {known}. {' '.join(problems)}",
            "Add it with: omokage models add FILE.",
        )

    def swappers(self) -> list[str]:
        """Names for the setting ``swapper``, our own first."""
        return [OWN_SWAPPER, *(card.name for card in self.cards()[0])]

    def list(self) -> list[ModelEntry]:
        """Every file with its state; each file is read and hashed."""
        files = self.files()
        for card in self.cards()[0]:
            files.append(card.generator)
            if card.recognizer is not None:
                files.append(card.recognizer)
        return [
            ModelEntry(f.name, str(f.path), f.sha256, f.size_bytes, f.licence, f.state())
            for f in files
        ]

    def _items(self) -> builtins.list[dict[str, Any]]:
        items = _read_toml(self._bundled / BUNDLED_LIST).get("model", [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise EngineError(f"The model list in {self._bundled} has no [[model]] entries.")
        return items

    def save(
        self, name: str, family: str, licence: str, generator: bytes, recognizer: bytes | None
    ) -> SwapperCard:
        """Store a swapper's files and, last, its card; each appears whole or not at all.

        The name must be free and hold only letters, digits, ``-``, ``_`` and ``.``.
        """
        plain = name.replace("-", "").replace("_", "").replace(".", "")
        wrong = not (plain.isascii() and plain.isalnum()) or len(name) > LONGEST_NAME
        if wrong or name.startswith("."):
            raise EngineError(
                f"{name!r} is no name for a model.", "Use letters, digits, '-', '_' and '.'."
            )
        if name in self.swappers() or (self._user / f"{name}.toml").exists():
            raise EngineError(
                f"There is already a swapper called {name}.", "Give another one with --name."
            )
        document = tomlkit.document()
        document.add("name", tomlkit.item(name))
        document.add("family", tomlkit.item(family))
        parts = {"generator": generator, "recognizer": recognizer}
        try:
            self._user.mkdir(parents=True, exist_ok=True)
            for role, data in parts.items():
                if data is None:
                    continue
                file = f"{name}.{role}.onnx"
                write_atomically(self._user / file, data)
                document.add(role, tomlkit.item(_described(file, data, licence)))
            write_atomically(self._user / f"{name}.toml", tomlkit.dumps(document).encode())
        except OSError as error:
            for role in parts:
                with contextlib.suppress(OSError):
                    (self._user / f"{name}.{role}.onnx").unlink(missing_ok=True)
            raise EngineError(
                f"The model cannot be stored in {self._user} ({error.strerror})."
            ) from error
        return self.card(name)


def user_folder() -> Path:
    """Where the user's own models lie; below ``OMOKAGE_HOME`` where that is set."""
    home = os.environ.get("OMOKAGE_HOME", "")
    base = Path(home) if home else Path(platformdirs.user_data_dir("omokage", appauthor=False))
    return base / "models"


def _described(file: str, data: bytes, licence: str) -> dict[str, str | int]:
    digest = hashlib.sha256(data).hexdigest()
    return {"file": file, "sha256": digest, "bytes": len(data), "licence": licence}


def _remedy(file: ModelFile) -> str:
    if file.path.parent == BUNDLED:
        return REINSTALL
    return "Add the model again with: omokage models add FILE."


def _read_toml(path: Path) -> dict[str, Any]:
    remedy = REINSTALL if path.name == BUNDLED_LIST else f"Put it right or delete {path}."
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(
            f"The model list {path} cannot be read ({error.strerror}).", remedy
        ) from error
    except ValueError as error:  # not UTF-8, or no TOML
        raise EngineError(f"The model list {path} is damaged ({error}).", remedy) from error


def _card(table: Mapping[str, Any], path: Path) -> SwapperCard:
    name, family = table.get("name"), table.get("family")
    generator, recognizer = table.get("generator"), table.get("recognizer")
    if not (isinstance(name, str) and isinstance(family, str) and isinstance(generator, dict)):
        raise EngineError(f"The model card {path} lacks a name, a family or a generator.")
    return SwapperCard(
        name,
        family,
        _model_file({"name": name, **generator}, path.parent),
        None
        if not isinstance(recognizer, dict)
        else _model_file({"name": f"{name} recogniser", **recognizer}, path.parent),
    )


def _model_file(table: Mapping[str, Any], folder: Path) -> ModelFile:
    wanted: dict[str, type] = {"name": str, "file": str, "sha256": str, "bytes": int}
    for key, kind in wanted.items():
        if not isinstance(table.get(key), kind):
            raise EngineError(f"The model list in {folder} has an entry without a valid {key}.")
    name = table["file"]
    if "\0" in name or name in ("", "..") or Path(name).name != name:
        raise EngineError(
            f"The model list in {folder} has an entry whose file lies elsewhere.",
            "Put the file beside its card, and give its name alone.",
        )
    return ModelFile(
        table["name"],
        folder / table["file"],
        table["sha256"],
        table["bytes"],
        str(table.get("licence", "unknown")),
    )
