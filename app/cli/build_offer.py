"""Whether the window offers to build engines: runtime and GPU are there, the engines are not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.errors import EngineError
from engines.built import CHAIN_NAMES, adopt_built
from engines.cuda import Gpu, find_gpu
from engines.loading import Engines

if TYPE_CHECKING:
    from app.gui.building import EngineBuild

COMMAND = (sys.executable, "-m", "build_engines", "--events")


def engine_build(engines: Engines, look: Callable[[], Gpu] = find_gpu) -> EngineBuild | None:
    """The offer; ``None`` where all runs on engines, or none could be built or run here."""
    from app.gui.building import EngineBuild

    usable = [rung for rung in engines.chain if rung.name in CHAIN_NAMES and not rung.why_not()]
    missing = [role for role, slot in engines.slots.items() if slot.runtime not in CHAIN_NAMES]
    if not usable or not missing or importlib.util.find_spec("onnx") is None:
        return None
    try:
        gpu = look()
    except EngineError:
        return None
    return EngineBuild(gpu.name, COMMAND, lambda: adopt_built(engines))
