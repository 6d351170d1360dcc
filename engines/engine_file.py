"""Engines on disk: a cache of built files, each beside a record of what it was built from.

An engine is valid for one model file, one kind of GPU and one version of its runtime. Whatever
does not fit is refused with a sentence, never tried.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import platformdirs

from engines.atomic_file import write_atomically
from engines.errors import EngineError

CheckState = Literal["passed", "failed", "not run"]
ANY_GPU = "any"  # built ahead of time for every GPU of a compute capability
FORMAT = 1
SUFFIX, RECORD_SUFFIX, RUNTIME_CACHE_SUFFIX = ".engine", ".json", ".jit"
TIMING_CACHE = "timing.cache"
_LEFTOVER_AGE_S = 24 * 3600.0  # a temporary file this old belongs to no build that still runs


@dataclass(frozen=True)
class EngineKey:
    """What an engine was, or is to be, built from and for.

    ``shapes`` is ``rules_digest``'s text; ``gpu`` a name or ``ANY_GPU``.
    """

    model: str
    model_sha256: str
    precision: str
    shapes: str
    gpu: str
    compute_capability: str
    runtime: str
    runtime_version: str

    @property
    def file_name(self) -> str:
        """The engine's file name: every part that makes it valid, readable where it can be."""
        parts = (
            self.model,
            self.model_sha256[:12],
            self.precision,
            self.shapes,
            self.gpu,
            f"sm{self.compute_capability.replace('.', '')}",
            self.runtime,
            self.runtime_version,
        )
        return "_".join(_plain(part) for part in parts) + SUFFIX


@dataclass(frozen=True)
class EngineRecord:
    """The file beside an engine: its key, its hash, and what came of the numeric check.

    ``kept_float`` names the layers that stayed float32 beyond the usual ones; ``check_sentence``
    says what was compared, ``cast_sentence`` the same of the float16 network before it was built;
    ``shapes_text`` is for people.
    """

    key: EngineKey
    sha256: str
    bytes: int
    check: CheckState
    check_sentence: str
    kept_float: str = ""
    cast_sentence: str = ""
    shapes_text: str = ""
    seconds: float = 0.0
    driver_cuda: str = ""

    def as_json(self) -> dict[str, Any]:
        """Its document."""
        return {"format": FORMAT} | asdict(self)


class EngineFiles:
    """A folder of engines; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self) -> list[EngineRecord]:
        """Every readable record by model name; one damaged, or not of its name, is no engine."""
        found = []
        for path in sorted(self.folder.glob(f"*{RECORD_SUFFIX}")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                record = _record(json.loads(path.read_text(encoding="utf-8")))
                if self.path(record.key) == path.with_suffix(SUFFIX):
                    found.append(record)
        return sorted(found, key=lambda record: record.key.file_name)

    def path(self, key: EngineKey) -> Path:
        """Where the engine with this key lies."""
        return self.folder / key.file_name

    def jit_cache(self, key: EngineKey) -> Path:
        """Where the runtime keeps what it compiles for an engine; the folder is made."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
        return self.path(key).with_suffix(RUNTIME_CACHE_SUFFIX)

    def find(self, key: EngineKey) -> EngineRecord | None:
        """The record of just this engine, whatever its check said; it may have any GPU's name."""
        wanted = {key, replace(key, gpu=ANY_GPU)}
        fitting = [record for record in self.records() if record.key in wanted]
        return max(fitting, key=lambda r: (r.check == "passed", r.key.gpu == key.gpu), default=None)

    def usable(self, key: EngineKey) -> EngineRecord:
        """The engine for this key in any precision, FP16 first; ``EngineError`` says why none is.

        Only an engine whose numeric check passed is used.
        """
        precisions = [key, *(replace(key, precision=p) for p in ("fp16", "fp32"))]
        found = [record for k in precisions if (record := self.find(k)) is not None]
        for record in found:
            if record.check == "passed":
                return record
        raise EngineError(self.missing(key, found), build_command(key.model))

    def read(self, record: EngineRecord) -> bytes:
        """The engine's bytes; ``EngineError`` where they are not those recorded."""
        path = self.path(record.key)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise EngineError(
                f"The engine {path.name} cannot be read ({error.strerror}).",
                build_command(record.key.model),
            ) from error
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise EngineError(
                f"The engine {path.name} is damaged.", build_command(record.key.model)
            )
        return data

    def save(self, record: EngineRecord, plan: bytes) -> None:
        """Store an engine and, last, its record, which makes it valid."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path(record.key), plan)
        self.save_record(record)

    def save_record(self, record: EngineRecord) -> None:
        """Store what is known of an engine that is there."""
        text = json.dumps(record.as_json(), indent=1)
        with self._writing():
            write_atomically(self.path(record.key).with_suffix(RECORD_SUFFIX), text.encode())

    def remove(self, key: EngineKey) -> None:
        """Delete an engine, its record first."""
        path = self.path(key)
        with self._writing():
            for suffix in (RECORD_SUFFIX, SUFFIX, RUNTIME_CACHE_SUFFIX):
                path.with_suffix(suffix).unlink(missing_ok=True)

    def remove_superseded(self, key: EngineKey) -> None:
        """Delete older engines of the same model for the same GPU, and leftovers of killed builds.

        What belongs to another GPU stays: a folder may be shared.
        """
        for record in self.records():
            other = record.key
            same = (other.model, other.gpu, other.compute_capability, other.runtime) == (
                key.model,
                key.gpu,
                key.compute_capability,
                key.runtime,
            )
            if same and other != key:
                self.remove(other)
        with self._writing():
            for path in self.folder.glob(".*"):
                with contextlib.suppress(FileNotFoundError):  # of a build that ended meanwhile
                    if time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S:
                        path.unlink()

    def timing_cache(self) -> bytes:
        """What the runtime timed before; empty where there is none."""
        with contextlib.suppress(OSError):
            return (self.folder / TIMING_CACHE).read_bytes()
        return b""

    def save_timing_cache(self, data: bytes) -> None:
        """Keep it for the next build."""
        if data:
            with self._writing():
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(self.folder / TIMING_CACHE, data)

    def refusal(self, record: EngineRecord, key: EngineKey) -> str:
        """Why an engine there is not the one asked for; empty where it is and may be used."""
        other = record.key
        if not self.path(other).is_file():
            return "its file is missing"
        if other.model_sha256 != key.model_sha256:
            return "it was built from another version of the model"
        if (other.runtime, other.runtime_version) != (key.runtime, key.runtime_version):
            return (
                f"it was built by {other.runtime} {other.runtime_version}, this is {key.runtime} "
                f"{key.runtime_version}"
            )
        same_gpu = other.gpu in (ANY_GPU, key.gpu)
        if not same_gpu or other.compute_capability != key.compute_capability:
            return f"it was built for {_gpu_text(other)}, this is {_gpu_text(key)}"
        if other.shapes != key.shapes:
            return "it was built for other picture sizes"
        if record.check == "failed":
            return f"it did not pass its check: {record.check_sentence}"
        if record.check == "not run":
            return f"its check was {record.check_sentence}"
        return ""

    def missing(self, key: EngineKey, found: Sequence[EngineRecord] = ()) -> str:
        """Why there is no engine to use: none at all, or what is wrong with those ``found``."""
        others = list(found) or [
            record for record in self.records() if record.key.model == key.model
        ]
        if not others:
            return f"No engine was built for {key.model} yet."
        reason = self.refusal(others[-1], key) or "its file cannot be used"
        return f"The engine of {key.model} is not used: {reason.rstrip('.')}."

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError(
                f"The folder {self.folder} cannot be written ({error.strerror}).",
                "Make room there, or change its owner or permissions.",
            ) from error


def engines_folder() -> Path:
    """Where engines are kept; below ``OMOKAGE_HOME`` where that is set."""
    home = os.environ.get("OMOKAGE_HOME", "")
    base = Path(home) if home else Path(platformdirs.user_cache_dir("omokage", appauthor=False))
    return base / "engines"


def build_command(model: str) -> str:
    """What to do about an engine that is not there."""
    return f"Run: python build_engines.py --model {model}"


def _gpu_text(key: EngineKey) -> str:
    name = "any GPU" if key.gpu == ANY_GPU else key.gpu
    return f"{name} of compute capability {key.compute_capability}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "none"


def _record(document: dict[str, Any]) -> EngineRecord:
    values = dict(document)
    if values.pop("format") != FORMAT:
        raise ValueError("a record of another version")
    key = EngineKey(**values.pop("key"))
    record = EngineRecord(key, **values)
    if record.check not in ("passed", "failed", "not run"):
        raise ValueError("an unknown state")
    for name, value in (values | asdict(key)).items():
        if not isinstance(value, int | float if name in ("bytes", "seconds") else str):
            raise ValueError(f"{name} is of another kind")
    return record
