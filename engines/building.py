"""Builds engines for an NVIDIA GPU and checks each before it is used.

FP16 first; where the answers differ too much from the reference, float32 is given back to one group
of layers after the other, until they agree. ``build_engines.py`` and the window are its fronts.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import onnx

from engines.build_checks import Checks, OpenEngine
from engines.build_progress import Clock, Progress
from engines.build_target import Target, key_for
from engines.engine_file import EngineFiles, EngineKey, EngineRecord
from engines.errors import EngineError
from engines.half import layer_groups, to_half
from engines.manifest import ModelFile
from engines.onnx_backend import OnnxBackend
from engines.onnx_graph import fix_shapes, input_shapes, read_graph
from engines.probes import Probe
from engines.shapes import Profile, profiles_for, profiles_text
from engines.tensorrt_backend import TensorRTBackend
from engines.tensorrt_plan import BuildCancelledError, build_plan
from engines.tensorrt_runtime import TensorRT

Precision = Literal["fp16", "fp32"]
State = Literal["built", "kept", "failed"]
EVERYTHING = "everything"  # the last group of layers: the engine is then an FP32 one


@dataclass(frozen=True)
class Outcome:
    """What became of one model.

    ``attempts`` are sentences, one for each precision tried; ``shapes`` is for people.
    """

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
    shapes: str = ""

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

    @property
    def _checks(self) -> Checks:
        return Checks(self.files, self.trt, self.target, self.probes, self.open_engine)

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
            except EngineError as error:
                outcomes.append(Outcome(model.path.stem, "failed", sentence=str(error)))
            clock.end()
        return outcomes

    def verify(self, record: EngineRecord, model: ModelFile) -> EngineRecord:
        """Compare an engine that is there once more, and store what came of it."""
        plan = self.files.read(record)
        reference = OnnxBackend(model.read(), model.path.name)
        try:
            state, sentence = self._checks.engine(reference, plan, record.key)
        finally:
            reference.close()
        verified = replace(record, check=state, check_sentence=sentence)
        if state != "not run":
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
            for precision, kept, nodes in _attempts(graph, self.options.precision):
                clock.stage("casting")
                typed = graph if precision == "fp32" else to_half(graph, nodes)
                title = _title(precision, kept)
                cast = self._checks.cast(reference, typed, name) if precision == "fp16" else None
                if cast is not None and not cast.passed:
                    tried.append(f"{title}, cast, on the CPU: {self._checks.words(cast, name)}")
                    continue
                clock.stage("building")
                plan = self._plan(typed, model, profiles, clock)
                clock.stage("checking")
                record = EngineRecord(
                    replace(key, precision=precision),
                    hashlib.sha256(plan).hexdigest(),
                    len(plan),
                    *self._checks.engine(reference, plan, replace(key, precision=precision)),
                    kept if self.options.precision == "fp16" else "",
                    "" if cast is None else self._checks.words(cast, name),
                    profiles_text(profiles),
                    round(time.monotonic() - began, 2),
                    self.target.driver_cuda,
                )
                tried.append(f"{title}: {record.check_sentence}")
                if record.check == "failed":
                    self.files.remove(record.key)
                    continue
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

    def _plan(
        self,
        typed: onnx.ModelProto,
        model: ModelFile,
        profiles: Sequence[Profile],
        clock: Clock,
    ) -> bytes:
        """The engine's bytes; what the runtime timed is kept for the next one."""
        plan, timing = build_plan(
            self.trt,
            typed.SerializeToString(),
            model.path.name,
            profiles,
            compute_capability=self.target.compute_capability if self.trt.for_any_gpu else None,
            low_memory=self.options.low_memory,
            timing_cache=self.files.timing_cache(),
            step=clock.step,
        )
        self.files.save_timing_cache(timing)
        return plan

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


def _attempts(
    graph: onnx.ModelProto, wanted: Precision
) -> Iterator[tuple[Precision, str, frozenset[int]]]:
    """Precision, the layers kept in float32 and their places, in the order they are tried."""
    *groups, everything = layer_groups(graph)
    if wanted == "fp16":
        yield "fp16", "", frozenset()
        for group in groups:
            yield "fp16", group.name, group.nodes
    yield "fp32", everything.name, everything.nodes


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
        shapes=record.shapes_text,
    )


def _title(precision: str, kept: str) -> str:
    if precision == "fp32":
        return "FP32"
    return f"FP16 with {kept} in FP32" if kept else "FP16"
