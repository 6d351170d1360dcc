"""Single checks of a machine: Python, packages, shared libraries, display, GPU, camera rights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

NEEDED = ("numpy", "PySide6-Essentials", "av", "pillow", "platformdirs", "tomlkit", "tqdm")
OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
RUNTIME = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
OPTIONAL = ("openvino", "tensorrt", "tensorrt-rtx", "cuda-python")

# Shared libraries Qt loads on Linux -> the Debian package that brings each.
QT_ALWAYS = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
QT_X11 = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: a sentence, and what to do (may be empty)."""

    what: str
    fix: str


def installed() -> dict[str, str]:
    """Version of each package that matters, of those that are installed."""
    versions = {}
    for name in (*NEEDED, *OPENCV, *RUNTIME, *OPTIONAL, "PySide6"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def processor() -> str:
    """The processor's name and the cores this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        name = next(names, "") or name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def check_python(version: tuple[int, int]) -> Iterator[Finding]:
    """Python 3.11 or newer."""
    if version < (3, 11):
        yield Finding(
            f"Python is {version[0]}.{version[1]}, at least 3.11 is needed.",
            "Make the virtual environment with a newer Python.",
        )


def check_packages(versions: Mapping[str, str], python: tuple[int, int]) -> Iterator[Finding]:
    """Missing packages, and those that overwrite or break each other."""
    for name in NEEDED:
        if name not in versions:
            yield Finding(f"The package {name} is missing.", f"Run: pip install {name}")
    for what, names, keep in (
        ("OpenCV", OPENCV, "opencv-python-headless"),
        ("ONNX Runtime", RUNTIME, "onnxruntime"),
    ):
        there = [name for name in names if name in versions]
        if not there:
            yield Finding(f"{what} is missing.", f"Run: pip install {keep}")
        if len(there) > 1:
            best = "onnxruntime-gpu" if "onnxruntime-gpu" in there else keep
            yield Finding(
                f"{len(there)} packages bring {what} and overwrite each other: {', '.join(there)}.",
                f"Run: pip uninstall -y {' '.join(there)} && pip install {best}",
            )
    for name in ("PySide6-Essentials", "PySide6"):
        if version_of(versions.get(name, "0")) >= (6, 12) and python < (3, 12):
            yield Finding(
                f"{name} {versions[name]} ends the process after some thousand calls on "
                f"Python {python[0]}.{python[1]}.",
                f'Run: pip install "{name}<6.12"',
            )
            break


def version_of(text: str) -> tuple[int, ...]:
    """Major and minor number of a version text."""
    numbers = [part for part in text.split(".")[:2] if part.isdecimal()]
    return tuple(int(part) for part in numbers)


def missing_libraries() -> list[str]:
    """The shared libraries Qt will ask for and the system does not have (Linux only)."""
    if sys.platform != "linux":
        return []
    return [name for name in (*QT_ALWAYS, *QT_X11) if not _loadable(name)]


def _loadable(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def library_findings(missing: Iterable[str]) -> Iterator[Finding]:
    """One finding for all of them, with the Debian packages to install."""
    packages = [(QT_ALWAYS | QT_X11)[name] for name in missing]
    if packages:
        yield Finding(
            f"The window needs shared libraries that are missing: {', '.join(missing)}.",
            f"On Debian or Ubuntu run: sudo apt install {' '.join(packages)}",
        )


def check_display(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether a window can be shown (Linux only)."""
    if sys.platform != "linux":
        return
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        yield Finding(
            "There is no display, so the window cannot open here.",
            "Use swap, bench and run --headless, or start under xvfb-run.",
        )


def check_gpu(device: str) -> Iterator[Finding]:
    """An NVIDIA GPU that the engine in use leaves idle."""
    there = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
    if there and device.upper().startswith("CPU"):
        from engines.tensorrt_runtime import how_to_use

        yield Finding("There is an NVIDIA GPU, but the networks run on the CPU.", how_to_use())


def check_openvino(
    versions: Mapping[str, str], flags: Iterable[str] | None = None
) -> Iterator[Finding]:
    """A processor on which OpenVINO would be about twice as fast, and no OpenVINO.

    ``flags`` are the processor's abilities as Linux calls them (default: this one's).
    """
    able = {"avx512_bf16", "amx_bf16"} & set(_processor_flags() if flags is None else flags)
    if able and "openvino" not in versions:
        yield Finding(
            "This processor calculates in bfloat16, which ONNX Runtime does not use and OpenVINO "
            "does: the swap may take half the time.",
            'Run: pip install "omokage[openvino]"',
        )


def _processor_flags() -> list[str]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("flags"):
                return line.partition(":")[2].split()
    return []


def check_camera_access(devices: Iterable[Path]) -> Iterator[Finding]:
    """Cameras the user may not read."""
    barred = [str(path) for path in devices if not os.access(path, os.R_OK | os.W_OK)]
    if barred:
        yield Finding(
            f"You may not use {', '.join(barred)}.",
            "Run: sudo usermod -aG video $USER, then log in again.",
        )
