"""The whole chain on several engines, in turns: ``python -m benchmarks.engines openvino-bf16``.

Every frame of the built-in demo (1280 x 720, one face) goes through one pipeline per engine, one
after the other, so that whatever else the machine does falls on all of them alike. Prints the time
of a frame on the clock and on the processor (all threads of the process), and the stages. ``tuned``
is what a session comes to use by itself. The reference comes first and the ratios are to it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.capture.demo import Demo
from app.cli.machine import processor
from app.faces import FaceLibrary
from app.frame import Frame
from app.paths import faces_dir
from app.pipeline import Pipeline
from app.settings import Settings
from app.stages.identity import Identity
from app.timing import Percentiles, Timing
from engines.loading import Engines, load_engines
from engines.manifest import OWN_SWAPPER, ModelStore
from engines.memory import Memory
from engines.runtimes import REFERENCE
from engines.tuning import Tuner

WARM_UP = 10  # frames not counted
TUNED = "tuned"


class Lane:
    """One pipeline and what it took, in milliseconds."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.engines: Engines = load_engines(engine="auto" if name == TUNED else name)
        if name == TUNED:
            memory = Memory(folder / "engines.json")
            tuner = Tuner(self.engines, ModelStore(), OWN_SWAPPER, memory, processor())
            tuner.run(threading.Event())
        library = FaceLibrary(faces_dir(), self.engines)
        self._identity: Identity = library.identity(library.list()[0])
        self._timing = Timing(window=100_000)
        self._pipeline = Pipeline(self.engines, self._timing)
        self.clock_ms: list[float] = []
        self.processor_ms: list[float] = []

    def process(self, frame: Frame, settings: Settings, *, counted: bool) -> None:
        """One frame."""
        clock, used = time.perf_counter(), time.process_time()
        done = self._pipeline.process(frame, settings, self._identity)
        clock, used = time.perf_counter() - clock, time.process_time() - used
        if counted:
            self.clock_ms.append(1e3 * clock)
            self.processor_ms.append(1e3 * used)
        elif frame.index + 1 == WARM_UP:
            self._timing.reset()
        if not done.swapped:
            raise SystemExit(f"{self.name} swapped no face in frame {frame.index}.")

    def figures(self, reference: Lane) -> dict[str, Any]:
        """The document of one engine."""
        stages = self._timing.report().stages_ms
        return {
            "engine": self.name,
            "runs": {rung.title: list(rung.runs) for rung in self.engines.rungs() if rung.runs},
            "frame_ms": Percentiles.of(self.clock_ms).as_dict(),
            "processor_ms": Percentiles.of(self.processor_ms).as_dict(),
            "clock_ratio": _ratio(self.clock_ms, reference.clock_ms),
            "processor_ratio": _ratio(self.processor_ms, reference.processor_ms),
            "detect_ms": stages["detect"].as_dict(),
            "swap_ms": stages["swap"].as_dict(),
        }


def _ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Median over the frames of this time to the reference's for the same frame."""
    return round(statistics.median(a / b for a, b in zip(times, base, strict=True)), 3)


def measure(names: Sequence[str], frames: int) -> list[dict[str, Any]]:
    """The figures of each engine."""
    settings = Settings(mirror=False)
    with tempfile.TemporaryDirectory() as folder:
        lanes = [Lane(name, Path(folder)) for name in names]
    demo = Demo(realtime=False)
    for index in range(WARM_UP + frames):
        picture = demo.picture(index)
        first = index % len(lanes)  # nobody always runs on a warm or a cold cache
        for lane in (*lanes[first:], *lanes[:first]):
            frame = Frame(picture.copy(), index, time.monotonic())
            lane.process(frame, settings, counted=index >= WARM_UP)
    figures = [lane.figures(lanes[0]) for lane in lanes]
    for lane in lanes:
        lane.engines.close()
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engines", nargs="*", default=["openvino", "openvino-bf16", TUNED])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = [REFERENCE, *(name for name in arguments.engines if name != REFERENCE)]
    found = measure(names, arguments.frames)
    if arguments.json:
        print(json.dumps({"machine": processor(), "frames": arguments.frames, "engines": found}))
        return
    print(f"{processor()}, {arguments.frames} frames, ms")
    head = ("engine", "frame p50", "p95", "processor", "ratio", "detect", "swap")
    print(f"{head[0]:<16}" + "".join(f"{title:>11}" for title in head[1:]))
    for row in found:
        values = (
            row["frame_ms"]["p50"],
            row["frame_ms"]["p95"],
            row["processor_ms"]["p50"],
            row["processor_ratio"],
            row["detect_ms"]["p50"],
            row["swap_ms"]["p50"],
        )
        print(f"{row['engine']:<16}" + "".join(f"{value:>11.2f}" for value in values))


if __name__ == "__main__":
    main()
