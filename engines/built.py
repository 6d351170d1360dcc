"""Opens the engines that were built on this computer, for the chain of runtimes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from engines.backend import Backend
from engines.build_target import Target, key_for
from engines.cuda import CudaStream, Gpu, Stream, find_gpu
from engines.engine_file import EngineFiles, engines_folder
from engines.errors import EngineError
from engines.loading import Engines
from engines.tensorrt_backend import TensorRTBackend
from engines.tensorrt_runtime import TensorRT, load_runtime

CHAIN_NAMES = ("tensorrt", "tensorrt-rtx")  # what the chain calls them, the faster one first


def why_not(runtime: str) -> str:
    """Why this computer cannot run engines of ``TensorRT`` or ``TensorRT-RTX``; empty if it can."""
    try:
        trt, gpu = load_runtime(runtime), find_gpu()
        if trt.for_any_gpu:
            trt.target(gpu.compute_capability)
    except EngineError as error:
        return error.what
    return ""


def open_built(
    runtime: str,
    model: bytes,
    label: str,
    *,
    folder: Path | None = None,
    load: Callable[[str], TensorRT] = load_runtime,
    look: Callable[[], Gpu] = find_gpu,
    open_stream: Callable[[], Stream] = CudaStream,
) -> Backend:
    """The engine built of ``model`` (the content of the file ``label``) for this computer's GPU.

    ``folder`` is where engines lie (default: the user's). ``EngineError`` says why there is none
    that may be used: never built, stale, foreign, damaged, or not the reference's answers.
    """
    trt, gpu = load(runtime), look()
    plan, jit_cache = find_built(trt, gpu, hashlib.sha256(model).hexdigest(), label, folder)
    return TensorRTBackend(trt, plan, label, jit_cache=jit_cache, open_stream=open_stream)


def find_built(
    trt: TensorRT, gpu: Gpu, sha256: str, label: str, folder: Path | None = None
) -> tuple[bytes, Path]:
    """The checked engine of the model file ``label`` for ``gpu``, and where its kernels are kept.

    ``sha256`` is the model's. ``EngineError`` as of ``open_built``.
    """
    files = EngineFiles(folder if folder is not None else engines_folder())
    target = Target(gpu.name, gpu.compute_capability, True)
    record = files.usable(key_for(trt, target, Path(label).stem, sha256, "fp16"))
    return files.read(record), files.jit_cache(record.key)


def adopt_built(engines: Engines) -> list[str]:
    """Move each running network to its built engine, between two frames; the names of those moved.

    A network without a usable engine stays where it runs, and the chain says why.
    """
    moved = []
    rungs = [rung for rung in engines.chain if rung.name in CHAIN_NAMES and not rung.why_not()]
    for rung in rungs:
        missing = []
        for role, slot in [*engines.slots.items()]:  # one may be opened meanwhile
            if slot.runtime in CHAIN_NAMES:
                continue
            try:
                backend = rung.open(slot.file.read(), slot.file.path.name, slot.warm)
                slot.replace(rung.name, backend)
            except EngineError as error:
                missing.append(str(error))
            else:
                moved.append(role)
        engines.reasons[rung.name] = " ".join(missing)
    return moved
