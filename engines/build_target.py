"""Which GPU engines are built for, and what names them."""

from __future__ import annotations

from dataclasses import dataclass

from engines.cuda import find_gpu
from engines.engine_file import ANY_GPU, EngineKey
from engines.errors import EngineError
from engines.shapes import rules_digest
from engines.tensorrt_runtime import TensorRT


@dataclass(frozen=True)
class Target:
    """The GPU that engines are built for; ``here`` where this computer has it.

    ``unchecked`` says, where it is not here, why the numeric check is not run.
    """

    gpu: str
    compute_capability: str
    here: bool
    driver_cuda: str = ""
    unchecked: str = ""


def choose_target(trt: TensorRT, compute_capability: str | None) -> Target:
    """This computer's GPU, or one of ``compute_capability``; ``EngineError`` where it cannot be."""
    try:
        gpu = find_gpu()
    except EngineError as error:
        if compute_capability is None:
            hint = " Another card's is built with --compute-capability 8.6." * trt.for_any_gpu
            raise EngineError(error.what, f"{error.remedy}{hint}") from error
        missing = error.what[0].lower() + error.what[1:].rstrip(".")
    else:
        if compute_capability in (None, gpu.compute_capability):
            if trt.for_any_gpu:
                trt.target(gpu.compute_capability)
            return Target(gpu.name, gpu.compute_capability, True, gpu.driver_cuda)
        missing = f"this computer's is {gpu.name} of compute capability {gpu.compute_capability}"
    if not trt.for_any_gpu:
        raise EngineError(
            f"{trt.name} builds only on the GPU that the engine is for ({missing}).",
            "Use TensorRT-RTX: pip install tensorrt_rtx",
        )
    trt.target(compute_capability)
    return Target(ANY_GPU, compute_capability, False, "", f"not run: {missing}")


def key_for(trt: TensorRT, target: Target, model: str, sha256: str, precision: str) -> EngineKey:
    """The key of a model's engine."""
    return EngineKey(
        model,
        sha256,
        precision,
        rules_digest(),
        target.gpu,
        target.compute_capability,
        trt.name,
        trt.version,
    )
