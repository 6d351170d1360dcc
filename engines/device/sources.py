"""The kernels' source: one translation unit of the files in ``kernels``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
FILES = ("common.cuh", "detect.cu", "align.cu", "mask.cu", "colour.cu", "paste.cu", "marks.cu")
_SIGNATURE = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')


@dataclass(frozen=True)
class Kernel:
    """Name and parameter types in order, e.g. ``const u8*``."""

    name: str
    parameters: tuple[str, ...]


@lru_cache(maxsize=1)
def source() -> str:
    """All kernels; line markers name the file in a compiler's message."""
    parts = [f'#line 1 "{name}"\n{(FOLDER / name).read_text("utf-8")}' for name in FILES]
    return "\n".join(parts)


@lru_cache(maxsize=1)
def kernels() -> dict[str, Kernel]:
    """Every kernel of the source by name."""
    found = {}
    for name, text in _SIGNATURE.findall(source()):
        types = tuple(p.strip().rpartition(" ")[0].strip() for p in text.split(","))
        found[name] = Kernel(name, types)
    return found
