"""Builds engines for an NVIDIA GPU and checks each before it is used.

FP16 first; where the answers differ too much from the reference, float32 is given back to one group
of layers after the other, until they agree. ``build_engines.py`` and the window are its fronts.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import onnx

from engines.backend import Backend
from engines.build_progress import Clock, Progress
from engines.build_target import Target, key_for
from engines.checking import Check, check
from engines.engine_file import CheckState, EngineFiles, EngineKey, EngineRecord
from engines.errors import EngineError
from engines.half import layer_groups, to_half
from engines.half_emulation import rounded_on_cpu
from engines.manifest import ModelFile
from engines.onnx_backend import OnnxBackend
from engines.onnx_graph import fix_shapes, input_shapes, read_graph
from engines.probes import Probe
from engines.shapes import profiles_for, profiles_text
from engines.tensorrt_backend import TensorRTBackend
from engines.tensorrt_plan import BuildCancelledError, build_plan
from engines.tensorrt_runtime import TensorRT

Precision = Literal["fp16", "fp32"]
State = Literal["built", "kept", "failed"]
_FIGURES = {
    "embedding": "cosine {:.6f} (at least {:g})",
    "picture": "{:.1f} dB (at least {:g})",
    "detector": "{:.2f} px (at most {:g})",
}
EVERYTHING = "everything"  # the last group of layers: the engine is then an FP32 one


class OpenEngine(Protocol):
    """Makes a backend of an engine's bytes; ``jit_cache`` as for ``TensorRTBackend``."""

    def __call__(self, trt: TensorRT, plan: bytes, label: str, *, jit_cache: Path) -> Backend:
        """``EngineError`` where it cannot be opened."""


@dataclass(frozen=True)
class Outcome:
    """What became of one model; ``attempts`` are sentences, one for each precision tried."""

    model: str
    state: State
    file: str = ""
    precision: str = ""
    kept_float: str = ""
    check: str = "not run"
    sentence: str = ""
    cast_sentence: str = ""
    bytes: int = 0
    seconds: float = 0.0
    attempts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Its document."""
        return asdict(self)


@dataclass(frozen=True)
class BuildOptions:
    """What the user asks for; ``rebuild`` also replaces engines that would do."""

    precision: Precision = "fp16"
    low_memory: bool = False
    rebuild: bool = False


@dataclass
class EngineBuilder:
    """Builds, checks and stores engines, one model at a time.

    ``probes`` are what a network is compared on, by the stem of its file; one that is not among
    them is built but never called checked. ``told`` gets the progress; ``cancelled`` is asked often
    and ends the build with ``BuildCancelledError``. ``open_engine`` makes a backend of an engine.
    """

    files: EngineFiles
    trt: TensorRT
    target: Target
    probes: Mapping[str, Probe]
    options: BuildOptions = field(default_factory=BuildOptions)
    told: Callable[[Progress], None] = lambda progress: None
    cancelled: Callable[[], bool] = lambda: False
    open_engine: OpenEngine = TensorRTBackend

    def build(self, models: list[ModelFile]) -> list[Outcome]:
        """Build what is missing, in order; a model that cannot be built does not stop the others.

        Engines appear one by one and whole: after a kill the next build goes on where it ended.
        """
        sizes = [model.size_bytes for model in models]
        clock = Clock(sizes, self.told, self.cancelled)
        outcomes = []
        for model in models:
            clock.begin(model.path.stem)
            try:
                outcomes.append(self._build_one(model, clock))
            except BuildCancelledError:
                raise
            except EngineError as error:
                outcomes.append(Outcome(model.path.stem, "failed", sentence=str(error)))
            clock.end()
        return outcomes

    def verify(self, record: EngineRecord, model: ModelFile) -> EngineRecord:
        """Compare an engine that is there once more, and store what came of it."""
        plan = self.files.read(record)
        reference = OnnxBackend(model.read(), model.path.name)
        try:
            state, sentence = self._check_engine(reference, plan, record.key)
        finally:
            reference.close()
        verified = replace(record, check=state, check_sentence=sentence)
        self.files.save_record(verified)
        return verified

    def verify_all(self, models: list[ModelFile]) -> list[Outcome]:
        """``verify`` for the engine of each model; one without an engine, or unchecked, failed."""
        outcomes = []
        for model in models:
            name = model.path.stem
            self._stop_if_cancelled()
            key = key_for(self.trt, self.target, name, model.sha256, self.options.precision)
            precisions = (self.options.precision, "fp32")
            found = [self.files.find(replace(key, precision=p)) for p in precisions]
            record = next((r for r in found if r is not None), None)
            if record is None:
                outcomes.append(Outcome(name, "failed", sentence=self.files.missing(key)))
                continue
            try:
                record = self.verify(record, model)
            except EngineError as error:
                outcomes.append(Outcome(name, "failed", sentence=str(error)))
                continue
            outcomes.append(_outcome(record, "failed" if record.check == "failed" else "kept"))
        return outcomes

    def _stop_if_cancelled(self) -> None:
        if self.cancelled():
            raise BuildCancelledError

    def _build_one(self, model: ModelFile, clock: Clock) -> Outcome:
        name, began = model.path.stem, time.monotonic()
        key = key_for(self.trt, self.target, name, model.sha256, self.options.precision)
        known = None if self.options.rebuild else self._known(key, model)
        if known is not None:
            return _outcome(known, "kept")
        data = model.read()
        graph = read_graph(data, model.path.name)
        profiles = profiles_for(input_shapes(graph))
        if profiles[0].fixed and len(profiles) == 1:
            fix_shapes(graph, profiles[0].best)
        reference = OnnxBackend(data, model.path.name)
        tried: list[str] = []
        try:
            groups = layer_groups(graph)
            first = [("", frozenset[int]())] if self.options.precision == "fp16" else []
            rest = [(g.name, g.nodes) for g in groups]
            for kept, nodes in [*first, *(rest if first else rest[-1:])]:
                clock.stage("casting")
                precision = "fp32" if kept == EVERYTHING else "fp16"
                typed = graph if precision == "fp32" else to_half(graph, nodes)
                title = _title(precision, kept)
                cast = None if precision == "fp32" else self._check_cast(reference, typed, name)
                if cast is not None and not cast.passed:
                    tried.append(f"{title}, cast, on the CPU: {self._measured(cast, name)}")
                    continue
                clock.stage("building")
                plan, timing = build_plan(
                    self.trt,
                    typed.SerializeToString(),
                    model.path.name,
                    profiles,
                    compute_capability=None if self.target.here else self.target.compute_capability,
                    low_memory=self.options.low_memory,
                    timing_cache=self.files.timing_cache(),
                    step=clock.step,
                )
                self.files.save_timing_cache(timing)
                clock.stage("checking")
                built_key = replace(key, precision=precision)
                state, sentence = self._check_engine(reference, plan, built_key)
                tried.append(f"{title}: {sentence}")
                if state == "failed":
                    self.files.remove(built_key)
                    continue
                record = EngineRecord(
                    built_key,
                    hashlib.sha256(plan).hexdigest(),
                    len(plan),
                    state,
                    sentence,
                    kept if self.options.precision == "fp16" else "",
                    "" if cast is None else self._measured(cast, name),
                    profiles_text(profiles),
                    round(time.monotonic() - began, 2),
                    self.target.driver_cuda,
                )
                self.files.save(record, plan)
                self.files.remove_superseded(record.key)
                return replace(_outcome(record, "built"), attempts=tuple(tried))
        finally:
            reference.close()
        return Outcome(
            name,
            "failed",
            sentence=f"No engine of {name} gave the reference's answers; it is not used.",
            seconds=round(time.monotonic() - began, 2),
            attempts=tuple(tried),
        )

    def _known(self, key: EngineKey, model: ModelFile) -> EngineRecord | None:
        """An engine that makes a build unnecessary: whole, and checked where that can be done."""
        for precision in (key.precision, "fp32"):
            record = self.files.find(replace(key, precision=precision))
            fitting = record is not None and (
                record.key.precision == key.precision or record.kept_float == EVERYTHING
            )
            if record is None or not fitting:
                continue
            try:
                self.files.read(record)
            except EngineError:
                continue
            if record.check == "not run" and self.target.here and key.model in self.probes:
                record = self.verify(record, model)
            if record.check != "failed":
                return record
        return None

    def _check_cast(self, reference: Backend, half: onnx.ModelProto, name: str) -> Check | None:
        """Whether a cast is worth building, found out on the CPU; ``None``: cannot be told."""
        if name not in self.probes:
            return None
        cast = OnnxBackend(rounded_on_cpu(half).SerializeToString(), f"{name} (cast)")
        try:
            return self._compare(reference, cast, name)
        finally:
            cast.close()

    def _check_engine(
        self, reference: Backend, plan: bytes, key: EngineKey
    ) -> tuple[CheckState, str]:
        name = key.model
        if not self.target.here:
            return "not run", self.target.unchecked
        if name not in self.probes:
            return "not run", "not run: there are no pictures to compare it on"
        try:
            engine = self.open_engine(self.trt, plan, name, jit_cache=self.files.jit_cache(key))
        except EngineError as error:
            return "failed", f"it cannot be opened: {error.what}"
        try:
            found = self._compare(reference, engine, name)
        except EngineError as error:
            return "failed", f"it cannot run: {error.what}"
        finally:
            engine.close()
        return ("passed" if found.passed else "failed"), self._measured(found, name)

    def _compare(self, reference: Backend, candidate: Backend, name: str) -> Check:
        probe = self.probes[name]
        return check(reference, candidate, probe.kind, probe.inputs)

    def _measured(self, found: Check, name: str) -> str:
        """What was measured and what it had to be, for people."""
        kind, count = self.probes[name].kind, len(self.probes[name].inputs)
        verdict = "same answers" if found.passed else "other answers"
        return f"{verdict}: {_FIGURES[kind].format(found.figure, found.bar)}, worst of {count}"


def _outcome(record: EngineRecord, state: State) -> Outcome:
    return Outcome(
        record.key.model,
        state,
        record.key.file_name,
        record.key.precision,
        record.kept_float,
        record.check,
        record.check_sentence,
        record.cast_sentence,
        record.bytes,
        record.seconds,
    )


def _title(precision: str, kept: str) -> str:
    if precision == "fp32":
        return "FP32"
    return f"FP16 with {kept} in FP32" if kept else "FP16"
