"""TensorRT or TensorRT-RTX, whichever is installed; the only file that imports either.

Both have the same interface. TensorRT-RTX is on the package index, for desktop GPUs from Turing on
(compute capability 7.5, 8.x, 12.x), and builds engines without a GPU; the full TensorRT also knows
data centre GPUs and builds only on the GPU the engine is for.
"""

from __future__ import annotations

import importlib
import logging
import platform
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engines.errors import EngineError

log = logging.getLogger(__name__)

MODULES = {"TensorRT": "tensorrt", "TensorRT-RTX": "tensorrt_rtx"}  # the faster one first


@dataclass(frozen=True)
class TensorRT:
    """An imported runtime: its name, version, module, and the logger that keeps its complaints."""

    name: str
    version: str
    module: Any = field(repr=False, compare=False)
    logger: Any = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Name and short version, e.g. ``TensorRT-RTX 1.7``."""
        return f"{self.name} {'.'.join(self.version.split('.')[:2])}"

    @property
    def for_any_gpu(self) -> bool:
        """Whether it builds without the GPU that the engine is for."""
        return self.name == "TensorRT-RTX"

    @property
    def targets(self) -> tuple[str, ...]:
        """Compute capabilities it builds for without the GPU."""
        kinds = getattr(self.module, "ComputeCapability", None)
        names = [name[2:] for name in dir(kinds) if name.startswith("SM")] if kinds else []
        return tuple(f"{name[:-1]}.{name[-1]}" for name in sorted(names, key=int))

    def target(self, compute_capability: str) -> Any:
        """The runtime's word for a compute capability; ``EngineError`` where it knows it not."""
        if compute_capability not in self.targets:
            raise EngineError(
                f"{self.name} {self.version} cannot build for compute capability "
                f"{compute_capability}; it can for {', '.join(self.targets) or 'this GPU alone'}."
            )
        name = "SM" + compute_capability.replace(".", "")
        return getattr(self.module.ComputeCapability, name)

    def complaint(self) -> str:
        """The last error it logged since the last call, in one line; may be empty."""
        return str(self.logger.take())


def load_runtime(name: str | None = None) -> TensorRT:
    """The runtime called ``name``, else the first that is installed, the full TensorRT before.

    ``EngineError`` says why there is none, and what to do.
    """
    reasons = []
    for candidate in MODULES if name is None else (name,):
        try:
            return _load(candidate)
        except EngineError as error:
            reasons.append(error.what)
    raise EngineError(" ".join(reasons), how_to_install())


def how_to_install(system: str | None = None) -> str:
    """What a user of this system (``platform.system()``) does to get a runtime."""
    system = system if system is not None else platform.system()
    if system not in ("Linux", "Windows"):
        return "TensorRT runs on Linux and Windows only."
    quoted = '"omokage[tensorrt]"'
    driver = "sudo apt install nvidia-driver-580" if system == "Linux" else "nvidia.com/drivers"
    return (
        f"For GeForce and RTX cards (from the 20 series on) run: pip install {quoted}. "
        "For data centre GPUs run: pip install tensorrt cuda-bindings onnx (its libraries come "
        f"from pypi.nvidia.com). Both need NVIDIA's driver 580 or newer ({driver}) and no CUDA "
        "toolkit."
    )


def how_to_use(system: str | None = None) -> str:
    """What a user does whose GPU is idle: get a runtime where none is there, then build."""
    build = "python build_engines.py"
    try:
        load_runtime()
    except EngineError:
        return f"{how_to_install(system)} Then run: {build}"
    return f"Run: {build}"


@cache
def _load(name: str) -> TensorRT:
    try:
        module = importlib.import_module(MODULES[name])
    except ModuleNotFoundError as error:
        raise EngineError(f"{name} is not installed.") from error
    except (ImportError, OSError, RuntimeError) as error:
        text = " ".join(str(error).split())[:160]
        raise EngineError(f"{name} cannot be loaded ({text}).") from error
    return TensorRT(name, str(module.__version__), module, _logger(module))


def _logger(module: Any) -> Any:
    """A logger of the runtime's own class that writes to ours and keeps the last error."""
    severity = module.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.INFO,  # about precision, mostly: the numeric check decides
    }

    class Logger(module.ILogger):  # type: ignore[misc] # a class known at run time
        def __init__(self) -> None:
            super().__init__()
            self.last = ""

        def log(self, level: Any, message: str) -> None:
            line = " ".join(message.split())
            if levels.get(level) == logging.ERROR:
                self.last = line
            log.log(levels.get(level, logging.DEBUG), "%s", line)

        def take(self) -> str:
            last, self.last = self.last, ""
            return last

    return Logger()
