"""Whether engines can be built: runtime and GPU are there, the engines are not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

from app.engine_builder import EngineBuild
from app.errors import EngineError
from app.pixel_work.contract import PixelWork
from app.pixel_work.opening import renew
from engines.built import CHAIN_NAMES, adopt_built
from engines.cuda import Gpu, find_gpu
from engines.loading import Engines
from engines.tensorrt_runtime import TensorRT, load_runtime

COMMAND = (sys.executable, "-m", "build_engines", "--events")


def engine_build(
    engines: Engines,
    work: PixelWork | None = None,
    *,
    look: Callable[[], Gpu] = find_gpu,
    load: Callable[[], TensorRT] = load_runtime,
) -> EngineBuild | None:
    """The offer; ``None`` where all runs on engines, or none could be built or run here.

    ``work`` is moved with the networks. Where the user asked for another engine there is none.
    """
    usable = [rung for rung in engines.chain if rung.name in CHAIN_NAMES and not rung.why_not()]
    missing = [slot.file for slot in engines.slots.values() if slot.runtime not in CHAIN_NAMES]
    if not usable or not missing or importlib.util.find_spec("onnx") is None:
        return None
    if engines.asked_for:
        return None
    try:
        gpu, trt = look(), load()
    except EngineError:
        return None
    here = f"{gpu.name} {gpu.compute_capability} | {trt.name} {trt.version}"

    def adopt() -> list[str]:
        moved = adopt_built(engines)
        if moved and work is not None:
            renew(work)
        return moved

    models = {file.path.stem: f"{here} | {file.path.stem} {file.sha256}" for file in missing}
    return EngineBuild(gpu.name, COMMAND, adopt, models)
