"""One measurement of the whole chain: given pixel work, a generator and frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from app.capture.demo import Demo
from app.frame import Frame
from app.pipeline import Begun, Pipeline
from app.pixel_work.contract import PixelWork
from app.settings import ColorSettings, Settings
from app.stages.identity import Identity
from app.timing import Percentiles, Timing
from benchmarks.generators import LATENT, Built
from engines.backend import Backend
from engines.loading import Engines
from engines.recognizer import UNIT_RANGE
from engines.swapper import GeneratorLayout, GeneratorSwapper
from engines.templates import omokage, simswap

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
SETTINGS = Settings(mirror=False, color=ColorSettings())
WARM = 4  # frames before the clock starts: runtimes and graphs warm up


@dataclass(frozen=True)
class Generator:
    """A generator under measurement; ``macs`` for one crop, 0 where not known."""

    name: str
    model: bytes
    layout: GeneratorLayout
    macs: int
    source: str  # its input from the identity
    width: int  # values of that


def compact(model: bytes, backend: Backend) -> Generator:
    """The bundled generator; ``backend`` has it open."""
    shapes = {spec.name: spec.shape for spec in backend.inputs}
    side, width = shapes["target"][-1], shapes["gains"][-1]
    assert side is not None
    assert width is not None
    layout = GeneratorLayout(side, omokage(side), "target", "output")
    if any(spec.name == "mask" for spec in backend.outputs):
        layout = replace(layout, mask="mask")
    return Generator("compact", model, layout, 0, "gains", width)


def yardstick(name: str, built: Built, side: int) -> Generator:
    """One of ``benchmarks.generators``."""
    layout = GeneratorLayout(side, simswap(side), "target", "output", scale=UNIT_RANGE)
    return Generator(name, built.model, layout, built.macs, "source", LATENT)


def engines_with(engines: Engines, generator: Generator, backend: Backend) -> Engines:
    """The loaded detector and recogniser with another generator."""

    def prepare(embedding: Any) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        return {generator.source: rng.standard_normal((1, generator.width)).astype(np.float32)}

    swapper = GeneratorSwapper(
        generator.name, backend, engines.swapper.recognizer, generator.layout, prepare
    )
    return replace(engines, swapper=swapper)


def demo_frames(count: int, size: tuple[int, int]) -> list[Frame]:
    """The built-in demo's first frames, scaled to ``size``."""
    demo, frames = Demo(realtime=False), []
    for _ in range(count):
        frame = demo.read()
        assert frame is not None
        pixels = frame.pixels
        if (pixels.shape[1], pixels.shape[0]) != size:
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        frames.append(Frame(pixels, frame.index, frame.captured_at))
    return frames


def one_after_the_other(
    engines: Engines, work: PixelWork, timing: Timing, frames: Sequence[Frame]
) -> dict[str, Any]:
    """Frame by frame through the pipeline: delay of each, and of each stage."""
    pipeline = Pipeline(engines, timing, work, guarded=False)  # random weights look like no swap
    identity = _identity(engines)
    times: list[float] = []
    worked: list[float] = []
    for number, frame in enumerate(frames):
        if number == WARM:
            timing.reset()
        start, used = time.perf_counter(), time.process_time()
        done = pipeline.process(frame, SETTINGS, identity)
        times.append(1000 * (time.perf_counter() - start))
        worked.append(1000 * (time.process_time() - used))
        if not done.swapped:
            raise RuntimeError(f"frame {number} had no face to swap; the figures would be wrong")
    taken = times[WARM:]
    stages = timing.report().stages_ms
    return {
        "frames": len(taken),
        "latency_ms": Percentiles.of(taken).as_dict(),
        "cpu_ms": Percentiles.of(worked[WARM:]).as_dict(),  # of all threads: tells a busy machine
        "fps": round(1000 * len(taken) / sum(taken), 2),
        "stages_ms": {name: spread.as_dict() for name, spread in stages.items()},
    }


def overlapped(engines: Engines, work: PixelWork, frames: Sequence[Frame]) -> float:
    """Frames per second as a session has them whose next frame always waits.

    One is under way while the next is begun, where the device holds more than one.
    """
    pipeline, identity = Pipeline(engines, Timing(), work, guarded=False), _identity(engines)
    under_way: Begun | None = None
    start = 0.0
    for number, frame in enumerate(frames):
        if number == WARM:
            if under_way is not None:
                under_way.finish()
                under_way = None
            start = time.perf_counter()
        begun = pipeline.begin(frame, SETTINGS, identity)
        if under_way is not None:
            under_way.finish()
        if not begun.under_way:
            begun.finish()
        under_way = begun if begun.under_way else None
    if under_way is not None:
        under_way.finish()
    return round((len(frames) - WARM) / (time.perf_counter() - start), 2)


def best_cpu_ms(call: Callable[[], object], repeats: int) -> float:
    """The least processor time (of all threads) of ``repeats`` calls after one not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return min(times)


def _identity(engines: Engines) -> Identity:
    embedding = np.zeros(LATENT, np.float32)
    return Identity("none", "none", embedding, engines.swapper.prepare(embedding))
