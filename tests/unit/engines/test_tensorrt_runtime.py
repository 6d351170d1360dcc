"""Which runtime is there, why not, and how to get one."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import pytest

from engines import built, cuda, tensorrt_runtime
from engines.errors import EngineError
from engines.tensorrt_runtime import how_to_install, how_to_use, load_runtime


@pytest.fixture(autouse=True)
def _fresh() -> None:
    tensorrt_runtime._load.cache_clear()
    yield
    tensorrt_runtime._load.cache_clear()


def _installed(
    monkeypatch: pytest.MonkeyPatch, *names: str, fault: Exception | None = None
) -> None:
    """Only these modules can be imported; ``fault`` is raised by each."""
    plain = importlib.import_module

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3)

    def load(name: str) -> ModuleType:
        if name not in ("tensorrt", "tensorrt_rtx"):
            return plain(name)
        if fault is not None:
            raise fault
        if name not in names:
            raise ModuleNotFoundError(name)
        module = ModuleType(name)
        module.__version__ = "1.2.3"
        module.ILogger = ILogger
        return module

    monkeypatch.setattr(importlib, "import_module", load)


def test_the_full_one_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "tensorrt", "tensorrt_rtx")
    assert load_runtime().name == "TensorRT"
    assert load_runtime("TensorRT-RTX").for_any_gpu
    assert how_to_use() == "Run: python build_engines.py"


def test_the_other_one_serves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "tensorrt_rtx")
    trt = load_runtime()
    assert (trt.name, trt.version, trt.targets) == ("TensorRT-RTX", "1.2.3", ())
    assert built.why_not("TensorRT") == "TensorRT is not installed."


def test_none_gets_a_sentence_and_the_way_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch)
    with pytest.raises(EngineError) as caught:
        load_runtime()
    assert caught.value.what == "TensorRT is not installed. TensorRT-RTX is not installed."
    assert "pip install" in how_to_use("Linux")
    assert how_to_use("Linux").endswith("Then run: python build_engines.py")


def test_one_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, fault=OSError("libtensorrt.so.1: cannot\nopen"))
    with pytest.raises(EngineError, match=r"cannot be loaded \(libtensorrt\.so\.1: cannot open"):
        load_runtime()


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("Linux", ("omokage[tensorrt]", "pypi.nvidia.com", "580", "apt install")),
        ("Windows", ("omokage[tensorrt]", "pypi.nvidia.com", "580", "nvidia.com/drivers")),
        ("Darwin", ("Linux and Windows only",)),
    ],
)
def test_how_to_get_one(system: str, words: tuple[str, ...]) -> None:
    said = how_to_install(system)
    assert all(word in said for word in words)


def test_the_log_keeps_the_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "tensorrt")
    trt = load_runtime()
    trt.logger.log(1, "first")
    trt.logger.log(1, "second\n  line")
    trt.logger.log(2, "a warning")
    assert trt.complaint() == "second line"
    assert trt.complaint() == ""


def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    bindings = SimpleNamespace(
        cudaDriverGetVersion=lambda: (0, 0),
        cudaGetErrorString=lambda code: (0, b"no CUDA-capable device"),
        cudaGetDeviceCount=lambda: (100, 0),
        cudaSetDevice=lambda number: (0,),
        cudaGetDeviceProperties=lambda number: (
            0,
            SimpleNamespace(name=b"RTX 4090\0\0", major=8, minor=9, totalGlobalMem=24),
        ),
    )
    monkeypatch.setattr(cuda, "_bindings", lambda: bindings)
    with pytest.raises(EngineError, match="There is no NVIDIA driver"):
        cuda.find_gpu()
    bindings.cudaDriverGetVersion = lambda: (0, 13010)
    with pytest.raises(EngineError, match=r"No NVIDIA GPU can be used \(no CUDA-capable device"):
        cuda.find_gpu()
    bindings.cudaGetDeviceCount = lambda: (0, 1)
    assert cuda.find_gpu() == cuda.Gpu("RTX 4090", "8.9", 24, "13.1")
