"""The numeric checks of a build: of the float16 cast on the CPU, of the engine on its GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx

from engines.backend import Backend, Tensor, TensorSpec
from engines.build_target import Target
from engines.checking import Check, Inputs, check
from engines.engine_file import CheckState, EngineFiles, EngineKey
from engines.errors import EngineError
from engines.half_emulation import rounded_on_cpu
from engines.onnx_backend import OnnxBackend
from engines.probes import Probe
from engines.shapes import faces_at_once
from engines.tensorrt_runtime import TensorRT

_FIGURES = {
    "embedding": "cosine {:.6f} (at least {:g})",
    "picture": "{:.1f} dB (at least {:g})",
    "detector": "{:.2f} px (at most {:g})",
}


class OpenEngine(Protocol):
    """Makes a backend of an engine's bytes; ``jit_cache`` as for ``TensorRTBackend``."""

    def __call__(self, trt: TensorRT, plan: bytes, label: str, *, jit_cache: Path) -> Backend:
        """``EngineError`` where it cannot be opened."""


class InCompany:
    """A backend asked for one input among ``count``, whose answer must be the same as alone.

    The others come from ``inputs``; the place changes from run to run. Closes nothing.
    """

    def __init__(self, backend: Backend, inputs: Sequence[Inputs], count: int) -> None:
        self._backend, self._others, self._count = backend, inputs, count
        self._turn = 0

    @property
    def name(self) -> str:
        """The backend's, and how many at once."""
        return f"{self._backend.name}, {self._count} at once"

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The backend's inputs."""
        return self._backend.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The backend's outputs."""
        return self._backend.outputs

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The answer to ``tensors``."""
        place = self._turn % self._count
        others = [self._others[(self._turn + n) % len(self._others)] for n in range(1, self._count)]
        self._turn += 1
        company = [*others[:place], tensors, *others[place:]]
        stacked = {
            name: np.concatenate([one[name].astype(value.dtype, copy=False) for one in company])
            for name, value in tensors.items()
        }
        answers = self._backend.run(stacked)
        return {name: value[place : place + 1] for name, value in answers.items()}

    def close(self) -> None:
        """Nothing is its own."""


@dataclass(frozen=True)
class Checks:
    """Compares with the reference, on ``probes``; networks are named by the stem of their file."""

    files: EngineFiles
    trt: TensorRT
    target: Target
    probes: Mapping[str, Probe]
    open_engine: OpenEngine

    def cast(self, reference: Backend, half: onnx.ModelProto, name: str) -> Check | None:
        """Whether a float16 network is worth building, found out on the CPU.

        ``None`` where there is nothing to compare it on.
        """
        if name not in self.probes:
            return None
        cast = OnnxBackend(rounded_on_cpu(half).SerializeToString(), f"{name} (cast)")
        try:
            return self._compare(reference, cast, name)
        finally:
            cast.close()

    def engine(self, reference: Backend, plan: bytes, key: EngineKey) -> tuple[CheckState, str]:
        """What came of running an engine here, and a sentence; ``not run`` where it cannot be."""
        if not self.target.here:
            return "not run", self.target.unchecked
        if key.model not in self.probes:
            return "not run", "not run: there are no pictures to compare it on"
        jit_cache = self.files.jit_cache(key)
        try:
            engine = self.open_engine(self.trt, plan, key.model, jit_cache=jit_cache)
        except EngineError as error:
            return "failed", f"it cannot be opened: {error.what}"
        shapes = {spec.name: spec.shape for spec in reference.inputs}
        inputs = self.probes[key.model].inputs
        counts = faces_at_once(shapes)
        candidates = [engine if n == 1 else InCompany(engine, inputs, n) for n in counts]
        try:
            results = [self._compare(reference, one, key.model) for one in candidates]
        except EngineError as error:
            return "failed", f"it cannot run: {error.what}"
        finally:
            engine.close()
        found = next((result for result in results if not result.passed), results[0])
        words = self.words(found, key.model)
        if len(counts) > 1:
            *fewer, most = map(str, counts)
            words += f", for {', '.join(fewer)} and {most} at once"
        return ("passed" if found.passed else "failed"), words

    def words(self, found: Check, name: str) -> str:
        """What was measured and what it had to be, for people."""
        probe = self.probes[name]
        verdict = "same answers" if found.passed else "other answers"
        figures = _FIGURES[probe.kind].format(found.figure, found.bar)
        return f"{verdict}: {figures}, worst of {len(probe.inputs)}"

    def _compare(self, reference: Backend, candidate: Backend, name: str) -> Check:
        probe = self.probes[name]
        return check(reference, candidate, probe.kind, probe.inputs)
