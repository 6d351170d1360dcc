"""Compiles the kernels for a card with NVRTC, once: the result is kept in a cache folder."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically
from engines.errors import EngineError

# Multiply-add in one step rounds differently from the host's arithmetic: off. Division and square
# root are exact by default.
OPTIONS = ("--std=c++17", "--fmad=false")
REMEDY = 'Install the NVIDIA compiler of this program: pip install "omokage[gpu]".'


def architecture(major: int, minor: int) -> str:
    """What to compile for: this card's machine code, or code that newer cards translate.

    ``sm_89`` where the compiler knows the card, else ``compute_N`` of the newest it does know.
    """
    wanted = 10 * major + minor
    known = supported()
    if wanted in known:
        return f"sm_{wanted}"
    older = [number for number in known if number <= wanted]
    if not older:
        raise EngineError(
            f"The GPU has compute capability {major}.{minor}, the compiler starts at "
            f"{known[0] / 10:.1f}.",
            "Use the CPU, or a newer card.",
        )
    return f"compute_{max(older)}"


def supported() -> list[int]:
    """Compute capabilities the compiler knows, times ten, ascending."""
    nvrtc = _nvrtc()
    return sorted(_checked(nvrtc, nvrtc.nvrtcGetSupportedArchs())[0])


def compile_source(text: str, target: str, options: tuple[str, ...] = OPTIONS) -> bytes:
    """Machine code for ``sm_N``, PTX for ``compute_N``; ``EngineError`` with the first message."""
    nvrtc = _nvrtc()
    program = _checked(nvrtc, nvrtc.nvrtcCreateProgram(text.encode(), b"omokage.cu", 0, [], []))[0]
    try:
        flags = [f"--gpu-architecture={target}".encode(), *(o.encode() for o in options)]
        status = nvrtc.nvrtcCompileProgram(program, len(flags), flags)[0]
        if int(status) != 0:
            raise EngineError(f"The GPU kernels do not compile ({_first_error(nvrtc, program)}).")
        if target.startswith("sm_"):
            size = _checked(nvrtc, nvrtc.nvrtcGetCUBINSize(program))[0]
            code = bytearray(size)
            _checked(nvrtc, nvrtc.nvrtcGetCUBIN(program, code))
        else:
            size = _checked(nvrtc, nvrtc.nvrtcGetPTXSize(program))[0]
            code = bytearray(size)
            _checked(nvrtc, nvrtc.nvrtcGetPTX(program, code))
        return bytes(code)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def cached(text: str, target: str, folder: Path) -> bytes:
    """As ``compile_source``, kept in ``folder``; a cache that cannot be written is done without."""
    try:
        return cache_path(text, target, folder).read_bytes()
    except OSError:
        return renewed(text, target, folder)


def renewed(text: str, target: str, folder: Path) -> bytes:
    """As ``cached``, in place of what is there."""
    code = compile_source(text, target)
    with contextlib.suppress(OSError):  # a full or read-only disk costs the next start a second
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(cache_path(text, target, folder), code)
    return code


def cache_path(text: str, target: str, folder: Path) -> Path:
    """Where the code is kept: named by all that it depends on."""
    nvrtc = _nvrtc()
    version = _checked(nvrtc, nvrtc.nvrtcVersion())
    key = "\n".join((text, target, *OPTIONS, repr(version)))
    return folder / f"kernels-{hashlib.sha256(key.encode()).hexdigest()[:24]}-{target}.bin"


def _nvrtc() -> Any:
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # loads the library
    except (ImportError, RuntimeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise EngineError(f"The GPU kernels cannot be compiled ({line}).", REMEDY) from error
    return nvrtc


def _checked(nvrtc: Any, answer: tuple[Any, ...]) -> list[Any]:
    status, *values = answer
    if int(status) != 0:
        raise EngineError(f"The GPU compiler failed ({nvrtc.nvrtcResult(status).name}).", REMEDY)
    return values


def _first_error(nvrtc: Any, program: Any) -> str:
    size = _checked(nvrtc, nvrtc.nvrtcGetProgramLogSize(program))[0]
    log = bytearray(size)
    _checked(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
    lines = log.decode(errors="replace").strip("\0\n ").splitlines()
    return next((line for line in lines if "error" in line), "no message")
