"""TensorRT and TensorRT-RTX on tensors that already lie on the device: engines built here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.backend import TensorSpec
from engines.built import find_built
from engines.cuda import Gpu, find_gpu
from engines.device.driver import Stream
from engines.device.network import ContextNetwork, DeviceNetwork, DeviceNetworks
from engines.device.slots import Streams
from engines.errors import EngineError
from engines.manifest import ModelFile
from engines.shapes import PICTURE_SIZES, Shape
from engines.swapper import GeneratorLayout
from engines.tensorrt_engine import BuiltEngine
from engines.tensorrt_runtime import MODULES, TensorRT, load_runtime

MOST_CANVASES = 8  # contexts of the detector beside those of ``PICTURE_SIZES``


class TensorRTDetectorNetworks:
    """The detector's engine with a context for each canvas; closes the engine.

    Those of ``PICTURE_SIZES`` are made at once; any other when it is first asked for, from the
    profile of a free size, where there is still room.
    """

    def __init__(self, engine: BuiltEngine, name: str, stream: Stream) -> None:
        self._engine, self._name, self._stream = engine, name, stream
        self._open: dict[tuple[int, int], ContextNetwork | None] = {}
        self._input = engine.inputs[0].name
        for height, width in PICTURE_SIZES:
            self._open[width, height] = self._made(width, height)

    def network(self, width: int, height: int) -> DeviceNetwork | None:
        """The network of a canvas; ``None`` where the engine or the GPU's memory has none."""
        if (width, height) not in self._open:
            if len(self._open) >= len(PICTURE_SIZES) + MOST_CANVASES:
                return None
            try:
                self._open[width, height] = self._made(width, height)
            except EngineError:
                self._open[width, height] = None  # the host's detector does it
        return self._open[width, height]

    def close(self) -> None:
        """Free the contexts, then the engine."""
        for network in self._open.values():
            if network is not None:
                network.close()
        self._open.clear()
        _close(self._engine)

    def _made(self, width: int, height: int) -> ContextNetwork:
        return _network(
            self._engine, self._name, self._stream, {self._input: (1, 3, height, width)}
        )


def open_networks(
    detector: ModelFile,
    generator: ModelFile,
    layout: GeneratorLayout,
    streams: Streams,
    *,
    runtimes: Sequence[str] = tuple(MODULES),
    folder: Path | None = None,
    load: Callable[[str], TensorRT] = load_runtime,
    look: Callable[[], Gpu] = find_gpu,
) -> DeviceNetworks:
    """Both networks by engines built of these files, on the first of ``runtimes`` that has them.

    ``folder`` is where engines lie (default: the user's). Only an engine whose numeric check
    passed on this GPU is taken. ``EngineError`` says for each runtime why there is none.
    """
    reasons: list[EngineError] = []
    for runtime in runtimes:
        try:
            trt, gpu = load(runtime), look()
            return _open(trt, gpu, detector, generator, layout, streams, folder)
        except EngineError as error:
            reasons.append(error)
    remedy = reasons[-1].remedy if reasons else ""
    raise EngineError(" ".join(error.what for error in reasons), remedy)


def _open(
    trt: TensorRT,
    gpu: Gpu,
    detector: ModelFile,
    generator: ModelFile,
    layout: GeneratorLayout,
    streams: Streams,
    folder: Path | None,
) -> DeviceNetworks:
    # Both are looked up before either takes memory on the GPU.
    built = [find_built(trt, gpu, f.sha256, f.path.name, folder) for f in (detector, generator)]
    name = f"{trt.title}, {gpu.name}"
    finding = BuiltEngine(trt, built[0][0], detector.path.name, built[0][1])
    with contextlib.ExitStack() as undo:
        undo.callback(finding.close)
        found = TensorRTDetectorNetworks(finding, name, streams.find)
        undo.pop_all()
        undo.callback(found.close)  # which closes the engine
        making = BuiltEngine(trt, built[1][0], generator.path.name, built[1][1])
        undo.callback(making.close)
        made, at_once = _generators(making, name, streams.compute)
        undo.pop_all()
    return DeviceNetworks(found, made, layout, at_once)


def _generators(
    engine: BuiltEngine, name: str, stream: Stream
) -> tuple[DeviceNetwork, dict[int, DeviceNetwork]]:
    """The generator for one face, which closes the engine, and those for several at once.

    Where the GPU has no room for the latter, several faces take several runs.
    """
    first = dict(engine.profiles[0].best)
    made = _network(engine, name, stream, first, on_close=lambda: _close(engine))
    at_once: dict[int, DeviceNetwork] = {}
    for profile in engine.profiles[1:]:
        counts = {shape[0] for shape in profile.best.values()}
        if profile.fixed and len(counts) == 1:
            with contextlib.suppress(EngineError):
                at_once[counts.pop()] = _network(engine, name, stream, dict(profile.best))
    return made, at_once


def _close(engine: BuiltEngine) -> None:
    engine.save_jit()
    engine.close()


def _network(
    engine: BuiltEngine,
    name: str,
    stream: Stream,
    shapes: Mapping[str, Shape],
    *,
    on_close: Callable[[], None] = lambda: None,
) -> ContextNetwork:
    """A context of its own for these input shapes; its runs may be captured by the chain."""
    context = engine.context(engine.profile_for(shapes), shapes, stream, graph=False)

    def may_capture(asked: Any) -> bool:
        # TensorRT-RTX compiles in its first runs and says when it is done; TensorRT always may.
        return not hasattr(asked, "is_stream_capturable") or asked.is_stream_capturable(stream)

    def spec(known: TensorSpec) -> TensorSpec:
        sizes = (int(size) for size in context.get_tensor_shape(known.name))
        return TensorSpec(known.name, tuple(n if n >= 0 else None for n in sizes), known.dtype)

    inputs, outputs = map(spec, engine.inputs), map(spec, engine.outputs)
    return ContextNetwork(
        name, context, tuple(inputs), tuple(outputs), may_capture=may_capture, on_close=on_close
    )
