"""What ``omokage doctor`` looks at. Each part survives the absence of the others."""

from __future__ import annotations

import contextlib
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import __version__
from app.cli import machine
from app.cli.machine import Finding
from app.errors import AppError
from app.paths import config_path, data_dir
from engines.toml_text import parse_toml

if TYPE_CHECKING:
    from app.capture.listing import CameraEntry


@dataclass
class Examination:
    """All findings; ``problems`` keep something from working, ``notes`` do not."""

    version: str = __version__
    system: str = ""
    gpu: dict[str, Any] = field(default_factory=lambda: {"ok": False, "note": "not looked for."})
    packages: dict[str, str] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)
    chain: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    personas: list[str] = field(default_factory=list)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    folders: str = ""
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The document of ``doctor --json``."""
        return {"ok": self.ok} | asdict(self)


def examine() -> Examination:
    """Look at everything; takes a second or two, opens no camera."""
    found = Examination(system=_system(), packages=machine.installed())
    found.folders = f"settings {config_path()}, data {data_dir()}"
    found.problems += [
        *machine.check_python(sys.version_info[:2]),
        *machine.check_packages(found.packages, sys.version_info[:2]),
        *_check_folders(),
    ]
    found.notes += _check_settings()
    missing = machine.missing_libraries()
    found.problems += machine.library_findings(missing)
    found.notes += machine.check_display()
    found.gpu = _gpu()
    _look_at_models(found)
    _look_at_engines(found)
    _look_at_cameras(found)
    _look_at_outputs(found)
    return found


def _system() -> str:
    return (
        f"{platform.system()} {platform.release()} {platform.machine()}, {machine.processor()}, "
        f"Python {platform.python_version()}"
    )


def _gpu() -> dict[str, Any]:
    """The NVIDIA GPU that engines would run on, or why there is none."""
    from engines import cuda

    try:
        return {"ok": True} | asdict(cuda.find_gpu())
    except AppError as error:
        return {"ok": False, "note": error.what}


def _check_folders() -> Iterator[Finding]:
    for folder in {config_path().parent, data_dir()}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield Finding(
                f"The folder {folder} cannot be written ({error.strerror}).",
                "Change its owner or permissions, or set OMOKAGE_HOME to another folder.",
            )


def _check_settings() -> Iterator[Finding]:
    try:
        text = config_path().read_text(encoding="utf-8")
        parse_toml(text)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Finding(f"The settings file cannot be read ({error.strerror}).", "")
    except ValueError:
        yield Finding(
            f"The settings file {config_path()} is damaged.",
            "The next start keeps it aside and uses the defaults.",
        )


def _look_at_models(found: Examination) -> None:
    with _telling(found.problems):
        from app.faces import PERSONAS, read_personas
        from engines.manifest import ModelStore

        store = ModelStore()
        found.models = {entry.name: entry.state for entry in store.list()}
        found.problems += [Finding(problem, "") for problem in store.cards()[1]]
        for name, state in found.models.items():
            if state != "ok":
                fix = "Install Omokage again, or add the model."
                found.problems.append(Finding(f"The model {name} is {state}.", fix))
        found.personas = [face.name for face in read_personas(PERSONAS)]
        if not found.personas:
            found.problems.append(Finding("There are no personas.", "Install Omokage again."))


def _look_at_engines(found: Examination) -> None:
    with _telling(found.problems):
        from app.upgrade import tuner_for
        from engines.loading import load_engines

        engines = load_engines()
        tuner_for(engines, machine.processor()).run(threading.Event(), measure=False)
        tried = "; ".join(engines.report)
        found.engines.append(
            {"name": engines.engine, "device": engines.device, "ok": True, "note": tried}
        )
        found.chain = [rung.as_dict() for rung in engines.rungs()]
        engines.close()
        found.notes += machine.check_gpu(engines.device)
        found.notes += machine.check_openvino(found.packages)


def _look_at_cameras(found: Examination) -> None:
    with _telling(found.problems, found.notes):
        from app.capture.opening import list_cameras

        entries = list_cameras()
        devices = sorted(Path("/dev").glob("video*")) if sys.platform == "linux" else []
        found.problems += machine.check_camera_access(devices)
        found.cameras = [_camera(entry) for entry in entries]
        if not entries:
            found.notes.append(
                Finding("There is no camera.", "The window starts with the built-in demo instead.")
            )


def _camera(entry: CameraEntry) -> dict[str, Any]:
    from app.capture import v4l2

    formats, slows = v4l2.asked(entry.id)
    return {
        "id": entry.id,
        "name": entry.name,
        "identity": entry.identity,
        "usb_mbit": entry.usb_mbit,
        "formats": list(formats),
        "slows_in_the_dark": slows,
    }


def _look_at_outputs(found: Examination) -> None:
    with _telling(found.notes):
        from app.sinks.availability import look

        for kind, name, missing in look():
            found.outputs.append({"kind": kind, "ok": missing is None, "name": name})
            if missing is not None:
                found.notes.append(Finding(*missing))


@contextlib.contextmanager
def _telling(unloaded: list[Finding], failed: list[Finding] | None = None) -> Iterator[None]:
    """What the block cannot load or (``failed``) do becomes a finding; the examination goes on."""
    try:
        yield
    except ImportError as error:
        text = " ".join(str(error).split())
        fix = "Run: pip install --force-reinstall ."
        unloaded.append(Finding(f"A package cannot be loaded: {text}.", fix))
    except AppError as error:
        (unloaded if failed is None else failed).append(Finding(error.what, error.remedy))
