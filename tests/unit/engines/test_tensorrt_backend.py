"""The TensorRT backend on a runtime made of ONNX Runtime: profiles, buffers, order, errors.

What every backend promises is in the contract suite, which runs over this one too.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engines.errors import EngineError
from engines.shapes import PICTURE_SIZES, profiles_for
from engines.tensorrt_backend import MOST_SHAPES, TensorRTBackend
from engines.tensorrt_plan import build_plan
from tests.helpers import tiny_models
from tests.helpers.fake_tensorrt import FakeStream, fake_trt


class Streams:
    """Opens fake streams and keeps them."""

    def __init__(self) -> None:
        self.opened: list[FakeStream] = []

    def __call__(self) -> FakeStream:
        self.opened.append(FakeStream())
        return self.opened[-1]

    @property
    def open(self) -> int:
        return sum(not stream.closed for stream in self.opened)


@pytest.fixture
def streams() -> Streams:
    return Streams()


def detector(streams: Streams) -> TensorRTBackend:
    trt, model = fake_trt(), tiny_models.detector()
    profiles = profiles_for({"input": (1, 3, None, None)})
    plan, _ = build_plan(trt, model, "detector.onnx", profiles)
    return TensorRTBackend(trt, plan, "detector.onnx", open_stream=streams)


def test_every_fixed_profile_is_warmed_when_it_is_opened(streams: Streams) -> None:
    backend = detector(streams)
    assert len(streams.opened) == len(PICTURE_SIZES)
    for height, width in PICTURE_SIZES:
        backend.run({"input": np.zeros((1, 3, height, width), np.float32)})
    assert len(streams.opened) == len(PICTURE_SIZES)
    backend.close()
    assert streams.open == 0


def test_other_sizes_take_the_last_profile_and_the_oldest_gives_way(streams: Streams) -> None:
    backend = detector(streams)
    for side in range(64, 64 + 32 * MOST_SHAPES, 32):
        found = backend.run({"input": np.zeros((1, 3, side, 96), np.float32)})
        assert found["cls_8"].shape == (1, side * 96 // 64, 1)
    assert streams.open == MOST_SHAPES
    assert all(stream.closed for stream in streams.opened[: len(PICTURE_SIZES)])
    backend.close()


def test_a_size_it_was_not_built_for_gets_a_sentence(streams: Streams) -> None:
    backend = detector(streams)
    with pytest.raises(EngineError, match="was not built for input"):
        backend.run({"input": np.zeros((1, 3, 1280, 96), np.float32)})
    backend.close()


def test_nothing_stays_open_where_warming_fails() -> None:
    class Broken(FakeStream):
        def wait(self) -> None:
            raise EngineError("The GPU failed (out of memory).")

    opened: list[Broken] = []

    def open_stream() -> Broken:
        opened.append(Broken())
        return opened[-1]

    trt, free = fake_trt(), {"input": (1, 3, None, None)}
    plan, _ = build_plan(trt, tiny_models.detector(), "tiny.onnx", profiles_for(free))
    with pytest.raises(EngineError, match="out of memory"):
        TensorRTBackend(trt, plan, "tiny.onnx", open_stream=open_stream)
    assert opened
    assert all(stream.closed for stream in opened)


def test_a_failed_run_is_said_in_the_runtimes_words(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = detector(streams)
    kind = type(backend._bound_for({"input": (1, 3, 160, 160)}).context)
    monkeypatch.setattr(kind, "execute_async_v3", lambda self, handle: False)
    with pytest.raises(EngineError, match=r"detector\.onnx failed to run \(no words\)"):
        backend.run({"input": np.zeros((1, 3, 160, 160), np.float32)})
    backend.close()


def test_compiled_kernels_are_kept_beside_the_engine(streams: Streams, tmp_path: Path) -> None:
    """TensorRT-RTX's runtime cache, played by a store of words."""
    read: list[bytes] = []
    cache = SimpleNamespace(
        deserialize=lambda data: read.append(data) or data == b"fits",
        serialize=lambda: b"fits",
    )

    class Config(SimpleNamespace):
        def create_runtime_cache(self) -> SimpleNamespace:
            return cache

        def set_runtime_cache(self, given: SimpleNamespace) -> None:
            assert given is cache

    trt = fake_trt()
    trt.module.IRuntimeCache = trt.module.IRuntimeConfig = object
    trt.module.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="graph")
    strategies: list[object] = []

    class Runtime(trt.module.Runtime):
        def deserialize_cuda_engine(self, plan: bytes) -> object:
            engine = super().deserialize_cuda_engine(plan)
            engine.create_runtime_config = Config
            plain = engine.create_execution_context

            def create(config: Config) -> object:
                strategies.append(getattr(config, "cuda_graph_strategy", None))
                return plain()

            engine.create_execution_context = create
            return engine

    trt.module.Runtime = Runtime
    path = tmp_path / "swapper.jit"

    detector_plan, _ = build_plan(
        trt, tiny_models.detector(), "d", profiles_for({"input": (1, 3, None, None)})
    )
    backend = TensorRTBackend(trt, detector_plan, "d", jit_cache=path, open_stream=streams)
    assert path.read_bytes() == b"fits"
    assert strategies == ["graph"] * len(PICTURE_SIZES)
    backend.run({"input": np.zeros((1, 3, 64, 64), np.float32)})
    assert strategies[-1] is None  # a size that changes is not captured
    backend.close()
    before = path.stat().st_mtime_ns
    TensorRTBackend(trt, detector_plan, "d", jit_cache=path, open_stream=streams).close()
    assert read == [b"fits"]
    assert path.stat().st_mtime_ns == before
