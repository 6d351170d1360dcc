"""The real driver's calls, through NVIDIA's own bindings, against a stand-in for its library."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines.device.sources import kernels
from engines.errors import EngineError
from tests.helpers import kernels_on_cpu

STAND_IN = Path(kernels_on_cpu.__file__).with_name("libcuda_stand_in.h")
TABLE = """
#include <vector>
struct KernelOnCpu {{
    const char* name;
    void (*run)(unsigned, unsigned, unsigned, void**);
    std::vector<size_t> sizes;
}};
static const KernelOnCpu KERNELS[] = {{{rows}}};
"""


def _library(folder: Path) -> None:
    """``libcuda.so.1`` in ``folder``."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++ or clang++) to make a stand-in driver with")
    rows = ",\n".join(
        f'{{"{k.name}", run_{k.name}, {{{", ".join(f"sizeof({t})" for t in k.parameters)}}}}}'
        for k in kernels().values()
    )
    text = folder / "stand_in.cpp"
    parts = [kernels_on_cpu.host_source(), TABLE.format(rows=rows), STAND_IN.read_text("utf-8")]
    text.write_text("\n".join(parts), "utf-8")
    flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
    command = [compiler, *flags, str(text), "-o", str(folder / "libcuda.so.1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in driver is a Linux library")
def test_the_chain_runs_through_the_bindings(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    pytest.importorskip("cuda.bindings.nvrtc")
    _library(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.chain_on_stand_in", str(tmp_path)],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["name"] == "Stand-in GPU"
    assert report["version"] == "13.0"
    assert report["capability"] == [8, 9]
    assert report["problem"] == ""
    assert report["worst"] <= 2
    assert report["changed"] > 1000
    # What is before and after the tests' network, which waits, in either slot.
    assert report["graphs"] == 4
    assert report["compiled_anew"]


def test_without_a_driver_there_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    from engines.device.cuda_driver import CudaDriver

    if ctypes.util.find_library("cuda") or ctypes.util.find_library("nvcuda"):
        pytest.skip("this machine has an NVIDIA driver")
    with pytest.raises(EngineError, match="no NVIDIA") as caught:
        CudaDriver(tmp_path)
    assert "nvidia-smi" in caught.value.remedy
