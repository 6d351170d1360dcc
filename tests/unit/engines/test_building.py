"""Building and checking, on a runtime whose engines are ONNX files run by ONNX Runtime.

``spoil`` plays a GPU whose arithmetic is wrong: a broken engine must not be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from engines import built
from engines.backend import Tensor
from engines.build_progress import Progress
from engines.build_target import Target, choose_target, key_for
from engines.building import BuildOptions, EngineBuilder
from engines.engine_file import ANY_GPU, EngineFiles
from engines.errors import EngineError
from engines.loading import load_engines
from engines.manifest import ModelFile, ModelStore
from engines.probes import Probe, record_probes
from engines.runtimes import CHAIN, REFERENCE, Runtime, named
from engines.tensorrt_backend import TensorRTBackend
from engines.tensorrt_plan import BuildCancelledError
from engines.tensorrt_runtime import TensorRT
from tests.helpers.fake_tensorrt import GPU, FakeStream, fake_trt

HERE = Target(GPU.name, GPU.compute_capability, True, GPU.driver_cuda)
Spoil = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def probes() -> dict[str, Probe]:
    whole = record_probes(ModelStore())
    return {name: Probe(probe.kind, probe.inputs[:2]) for name, probe in whole.items()}


@pytest.fixture
def files(tmp_path: Path) -> EngineFiles:
    return EngineFiles(tmp_path / "engines")


def _model(name: str) -> ModelFile:
    return ModelStore().file(name)


def _open(trt: TensorRT, plan: bytes, label: str, *, jit_cache: Path) -> TensorRTBackend:
    return TensorRTBackend(trt, plan, label, jit_cache=jit_cache, open_stream=FakeStream)


def _builder(
    files: EngineFiles,
    probes: dict[str, Probe],
    spoil: Spoil = lambda model: model,
    target: Target = HERE,
    **more: object,
) -> EngineBuilder:
    return EngineBuilder(files, fake_trt(spoil=spoil), target, probes, open_engine=_open, **more)


def _scaled(model: bytes, factor: float, *, only_half: bool) -> bytes:
    """Every layer's weights times ``1 + factor n``, those in float16 alone where that is asked.

    n counts along the outputs, so that no normalisation takes it away.
    """
    graph = onnx.load_model_from_string(model)
    for tensor in graph.graph.initializer:
        if len(tensor.dims) < 2 or (only_half and tensor.data_type != TensorProto.FLOAT16):
            continue
        value = numpy_helper.to_array(tensor)
        if value.dtype.kind != "f":
            continue
        slope = 1 + factor * np.linspace(0, 1, value.shape[-1])
        scaled = (value * slope).astype(value.dtype)
        tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
    return graph.SerializeToString()


def test_every_bundled_network_passes(files: EngineFiles, probes: dict[str, Probe]) -> None:
    networks = ModelStore().networks()
    outcomes = _builder(files, probes).build(networks)
    assert [outcome.state for outcome in outcomes] == ["built"] * len(networks)
    assert {(outcome.check, outcome.precision) for outcome in outcomes} == {("passed", "fp16")}
    by_model = {outcome.model: outcome for outcome in outcomes}
    assert "px (at most 1)" in by_model["detector"].sentence
    assert "dB (at least 40)" in by_model["swapper"].sentence
    assert by_model["swapper"].sentence.endswith(", for 1, 2 and 4 at once")
    assert "; target 4x3x128x128, gains 4x" in by_model["swapper"].shapes
    assert "cosine" in by_model["recognizer"].sentence
    assert "cosine" in by_model["swapper_identity"].cast_sentence
    assert [record.check for record in files.records()] == ["passed"] * len(networks)


def test_an_engine_wrong_in_half_alone_becomes_an_fp32_one(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    spoil = lambda model: _scaled(model, 1.5, only_half=True)  # noqa: E731
    (outcome,) = _builder(files, probes, spoil).build([_model("recognizer")])
    assert (outcome.state, outcome.check) == ("built", "passed")
    assert (outcome.precision, outcome.kept_float) == ("fp32", "everything")
    assert outcome.attempts[0].startswith("FP16: other answers: cosine")
    assert any("FP16 with the last quarter in FP32: other" in said for said in outcome.attempts)
    assert outcome.attempts[-1].startswith("FP32: same answers")
    again = _builder(files, probes, spoil).build([_model("recognizer")])
    assert again[0].state == "kept"


def test_one_bad_quarter_alone_is_given_back(files: EngineFiles, probes: dict[str, Probe]) -> None:
    """Only the network's first convolution is computed wrongly, and only in float16."""

    def spoil(model: bytes) -> bytes:
        graph = onnx.load_model_from_string(model)
        first = next(node.input[1] for node in graph.graph.node if node.op_type == "Conv")
        for tensor in graph.graph.initializer:
            if tensor.name == first and tensor.data_type == TensorProto.FLOAT16:
                value = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(value), first))
        return graph.SerializeToString()

    (outcome,) = _builder(files, probes, spoil).build([_model("recognizer")])
    assert (outcome.precision, outcome.check) == ("fp16", "passed")
    assert outcome.kept_float == "the first and the last layer"
    assert len(outcome.attempts) == 2


def test_an_engine_that_is_always_wrong_is_not_used(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    spoil = lambda model: _scaled(model, 1.5, only_half=False)  # noqa: E731
    (outcome,) = _builder(files, probes, spoil).build([_model("swapper_identity")])
    assert outcome.state == "failed"
    assert "it is not used" in outcome.sentence
    assert [said.partition(":")[0] for said in outcome.attempts] == ["FP16", "FP32"]
    assert files.records() == []


class Mixing:
    """An engine that gives each face its neighbour's answer where it gets several at once."""

    def __init__(self, engine: TensorRTBackend) -> None:
        self._engine = engine
        self.name, self.inputs, self.outputs = engine.name, engine.inputs, engine.outputs
        self.close = engine.close

    def run(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        answers = self._engine.run(tensors)
        return {name: np.roll(value, 1, axis=0) for name, value in answers.items()}


def test_an_engine_that_is_right_for_one_face_alone_is_not_used(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    def mixing(trt: TensorRT, plan: bytes, label: str, *, jit_cache: Path) -> Mixing:
        return Mixing(_open(trt, plan, label, jit_cache=jit_cache))

    builder = EngineBuilder(files, fake_trt(), HERE, probes, open_engine=mixing)
    (outcome,) = builder.build([_model("swapper")])
    assert outcome.state == "failed"
    assert outcome.attempts[-1].startswith("FP32: other answers")
    assert files.records() == []


def test_an_engine_that_cannot_be_opened_is_not_used(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    (outcome,) = _builder(files, probes, lambda _: b"broken").build([_model("swapper_identity")])
    assert outcome.state == "failed"
    assert "cannot be opened" in outcome.attempts[-1]


def test_a_network_that_cannot_be_read_does_not_stop_the_others(
    files: EngineFiles, probes: dict[str, Probe], tmp_path: Path
) -> None:
    missing = ModelFile("odd", tmp_path / "odd.onnx", "0" * 64, 10, "none")
    outcomes = _builder(files, probes).build([missing, _model("swapper_identity")])
    assert [outcome.state for outcome in outcomes] == ["failed", "built"]
    assert "cannot be read" in outcomes[0].sentence


def test_without_the_gpu_nothing_is_called_checked(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    away = Target(ANY_GPU, "8.9", False, "", "not run: there is no NVIDIA driver")
    builder = _builder(files, probes, target=away)
    (outcome,) = builder.build([_model("swapper_identity")])
    assert (outcome.state, outcome.check) == ("built", "not run")
    assert outcome.sentence == "not run: there is no NVIDIA driver"
    assert "same answers" in outcome.cast_sentence
    key = key_for(builder.trt, Target("RTX 4090", "8.9", True), "swapper_identity", "", "fp16")
    with pytest.raises(EngineError):
        files.usable(key)


def test_one_built_ahead_of_time_is_checked_on_its_gpu_and_kept(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    away = Target(ANY_GPU, GPU.compute_capability, False, "", "not run: no GPU")
    _builder(files, probes, target=away).build([_model("swapper_identity")])
    builder = _builder(files, probes)
    (outcome,) = builder.build([_model("swapper_identity")])
    assert (outcome.state, outcome.check) == ("kept", "passed")


def test_a_network_without_specimens_is_never_called_checked(files: EngineFiles) -> None:
    (outcome,) = _builder(files, {}).build([_model("swapper_identity")])
    assert outcome.check == "not run"


def test_an_interrupted_build_goes_on_where_it_ended(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    names = ("swapper_identity", "recognizer")

    def killed(progress: Progress) -> None:
        if (progress.model, progress.stage) == ("recognizer", "building"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _builder(files, probes, told=killed).build([_model(name) for name in names])
    assert [record.key.model for record in files.records()] == ["swapper_identity"]
    outcomes = _builder(files, probes).build([_model(name) for name in names])
    assert [outcome.state for outcome in outcomes] == ["kept", "built"]


@pytest.mark.parametrize("stage", ["casting", "building"])
def test_cancel_ends_it_and_leaves_nothing_half(
    files: EngineFiles, probes: dict[str, Probe], stage: str
) -> None:
    seen: list[str] = []
    builder = _builder(
        files,
        probes,
        told=lambda progress: seen.append(progress.stage),
        cancelled=lambda: stage in seen,
    )
    with pytest.raises(BuildCancelledError):
        builder.build([_model("swapper_identity")])
    assert not files.folder.exists()


def test_the_share_only_grows_and_ends_at_one(files: EngineFiles, probes: dict[str, Probe]) -> None:
    told: list[Progress] = []
    spoil = lambda model: _scaled(model, 1.5, only_half=True)  # noqa: E731
    (outcome,) = _builder(files, probes, spoil, told=told.append).build(
        [_model("swapper_identity")]
    )
    assert len(outcome.attempts) == 2
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {progress.stage for progress in told} == {"reading", "casting", "building", "checking"}
    assert told[-1].remaining_s in (None, 0.0)


def test_rebuild_and_fp32_are_obeyed(files: EngineFiles, probes: dict[str, Probe]) -> None:
    model = _model("swapper_identity")
    _builder(files, probes).build([model])
    again = _builder(files, probes, options=BuildOptions(rebuild=True)).build([model])
    assert again[0].state == "built"
    single = _builder(files, probes, options=BuildOptions("fp32", low_memory=True)).build([model])
    assert (single[0].precision, single[0].kept_float) == ("fp32", "")
    assert len(single[0].attempts) == 1


def test_a_damaged_engine_is_built_again(files: EngineFiles, probes: dict[str, Probe]) -> None:
    model = _model("swapper_identity")
    _builder(files, probes).build([model])
    (record,) = files.records()
    files.path(record.key).write_bytes(b"other")
    assert _builder(files, probes).build([model])[0].state == "built"


def test_verify_finds_an_engine_that_has_become_wrong(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    model = _model("swapper_identity")
    builder = _builder(files, probes)
    words = "No engine was built for swapper_identity yet."
    assert builder.verify_all([model])[0].sentence == words
    builder.build([model])
    assert builder.verify_all([model])[0].check == "passed"

    def worse(trt: TensorRT, plan: bytes, label: str, *, jit_cache: Path) -> TensorRTBackend:
        spoiled = _scaled(plan, 1.5, only_half=False)
        return _open(trt, spoiled, label, jit_cache=jit_cache)

    builder.open_engine = worse
    (outcome,) = builder.verify_all([model])
    assert (outcome.state, outcome.check) == ("failed", "failed")
    assert files.records()[0].check == "failed"


def test_running_networks_move_to_their_engines(
    files: EngineFiles, probes: dict[str, Probe]
) -> None:
    trt = fake_trt()

    def open_network(model: bytes, label: str, warm: object) -> object:
        return built.open_built(
            "TensorRT",
            model,
            label,
            folder=files.folder,
            load=lambda name: trt,
            look=lambda: GPU,
            open_stream=FakeStream,
        )

    rung = Runtime("tensorrt", "TensorRT", "GPU", lambda: "", open_network)
    engines = load_engines(chain=(rung, named(REFERENCE, CHAIN)))
    assert "No engine was built for swapper yet." in " ".join(engines.report)
    _builder(files, probes).build([_model("swapper"), _model("detector")])
    assert sorted(built.adopt_built(engines)) == ["detector", "swapper"]
    assert engines.engine == "TensorRT 11.0, CUDA"
    assert "No engine was built for recognizer yet." in engines.reasons["tensorrt"]
    crop = np.full((128, 128, 3), 90, np.uint8)
    identity = engines.swapper.prepare(engines.swapper.recognizer.embed(crop[:112, :112].copy()))
    assert engines.swapper.swap(crop, identity).pixels.shape == (128, 128, 3)
    assert built.adopt_built(engines) == []
    engines.close()


def test_why_a_target_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> object:
        raise EngineError("There is no NVIDIA driver.", "Install it.")

    monkeypatch.setattr("engines.build_target.find_gpu", none)
    rtx, full = fake_trt(name="TensorRT-RTX"), fake_trt()
    with pytest.raises(EngineError, match=r"no NVIDIA driver.*--compute-capability"):
        choose_target(rtx, None)
    with pytest.raises(EngineError, match="TensorRT builds only on the GPU"):
        choose_target(full, "8.6")
    ahead = choose_target(rtx, "8.9")
    assert (ahead.gpu, ahead.here, ahead.compute_capability) == (ANY_GPU, False, "8.9")
    assert ahead.unchecked == "not run: there is no NVIDIA driver"
    with pytest.raises(EngineError, match=r"cannot build for compute capability 9\.0"):
        choose_target(rtx, "9.0")
    monkeypatch.setattr("engines.build_target.find_gpu", lambda: GPU)
    assert choose_target(rtx, None) == HERE
    assert choose_target(rtx, "8.6") == HERE
    other = choose_target(rtx, "8.9")
    assert "RTX 3060 of compute capability 8.6" in other.unchecked
