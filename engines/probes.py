"""What an engine is compared on: the tensors the real chain feeds its network, and how.

Networks are known here by the stem of their files, as engine files are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from engines import specimens
from engines.backend import Backend
from engines.checking import Inputs, Kind
from engines.loading import assemble
from engines.manifest import OWN_SWAPPER, ModelFile, ModelStore
from engines.onnx_backend import OnnxBackend
from engines.specimens import Tape

MOST_INPUTS = 12  # of each network, spread over all that were recorded
KINDS: Mapping[str, Kind] = {
    "detector": "detector",
    "recognizer": "embedding",
    "appearance": "embedding",
    "swapper_identity": "embedding",
    "swapper": "picture",
    "occluder": "picture",
}


@dataclass(frozen=True)
class Probe:
    """Inputs of one network, and how its outputs are compared."""

    kind: Kind
    inputs: tuple[Inputs, ...]


def record_probes(store: ModelStore, swapper: str = OWN_SWAPPER) -> dict[str, Probe]:
    """Probes of the detector and of the networks of one swapper, by the stem of their files.

    The chain runs once on the reference (float32 on the CPU). ``EngineError`` where a network or
    the specimens cannot be used.
    """
    roles: dict[str, str] = {}
    tapes: dict[str, Tape] = {}
    with contextlib.ExitStack() as opened:

        def take(role: str, file: ModelFile) -> tuple[Backend, bytes]:
            data = file.read()
            tape = Tape(OnnxBackend(data, file.path.name))
            opened.callback(tape.close)
            roles[file.path.stem], tapes[file.path.stem] = role, tape
            return tape, data

        specimens.feed(assemble(store, swapper, take))
    probes = {}
    for stem, tape in tapes.items():
        seen = tape.inputs_seen
        if seen and roles[stem] in KINDS:
            step = -(-len(seen) // MOST_INPUTS)
            probes[stem] = Probe(KINDS[roles[stem]], tuple(seen[::step]))
    return probes
