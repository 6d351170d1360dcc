"""Compiles the GPU kernels with the machine's C++ compiler, to run them without a GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engines.device.sources import kernels, source

SHIM = Path(__file__).with_name("cuda_on_cpu.h")
RUNNER = """
extern "C" void run_{name}(unsigned across, unsigned down, unsigned threads, void** a) {{
    gridDim = {{across, down, 1}};
    blockDim = {{threads, 1, 1}};
    for (blockIdx.y = 0; blockIdx.y < down; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < across; ++blockIdx.x)
            for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
                {name}({arguments});
}}
"""


def host_source() -> str:
    """The kernels behind the shim, and for each a function that runs a whole grid of it."""
    parts = [f'#line 1 "{SHIM.name}"', SHIM.read_text("utf-8"), source()]
    for kernel in kernels().values():
        arguments = ", ".join(f"*({t}*)a[{n}]" for n, t in enumerate(kernel.parameters))
        parts.append(RUNNER.format(name=kernel.name, arguments=arguments))
    return "\n".join(parts)


@lru_cache(maxsize=1)
def load() -> ctypes.CDLL:
    """The compiled kernels; the test is skipped where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) to run the GPU kernels on the CPU with")
    with TemporaryDirectory() as folder:
        text, library = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        text.write_text(host_source(), "utf-8")
        flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-Wno-unused"]
        command = [compiler, *flags, str(text), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]
        return ctypes.CDLL(str(library))


def run(name: str, threads: int, rows: int, arguments: list[object], block: int) -> None:
    """One launch: as many blocks of ``block`` threads as ``threads`` need, ``rows`` of them."""
    held = (ctypes.c_void_p * len(arguments))(
        *(ctypes.addressof(a) for a in arguments)  # type: ignore[arg-type]
    )
    across = -(-threads // block)
    getattr(load(), f"run_{name}")(
        ctypes.c_uint(across), ctypes.c_uint(rows), ctypes.c_uint(block), held
    )
