"""Glass to glass: numbered frames go in at the camera's end and are read where they come out.

``python -m benchmarks.glass`` runs the demo through the whole chain (find, swap, mark), serves it
as the web page and reads it there as OBS would; ``--plain`` leaves the swap out.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import urlsplit

import cv2
import numpy as np

from app.capture.demo import Demo
from app.capture.source import Source, SourceInfo
from app.faces import PERSONAS, FaceLibrary
from app.frame import Frame, Pixels
from app.paths import faces_dir
from app.pipeline import Pipeline
from app.session import Session
from app.settings import OutputSettings, Settings
from app.timing import Percentiles, Timing
from benchmarks import glass_pattern
from benchmarks.mjpeg import open_stream, parts_of
from engines.loading import load_engines

WARM_UP_S = 1.0


@dataclass
class Glass:
    """When each frame went in, and what was seen of it at the other end."""

    shown_at: dict[int, float] = field(default_factory=dict)
    seen: list[tuple[int | None, float]] = field(default_factory=list)  # None: a slate

    def report(self, after: float = 0.0) -> dict[str, object]:
        """Latency in ms of each number's first sight; repeats and what was never seen.

        Only what was seen later than ``after`` counts.
        """
        seen = [(number, at) for number, at in self.seen if at >= after]
        numbers = [number for number, _ in seen if number is not None]
        first: dict[int, float] = {}
        for number, at in seen:
            if number is not None:
                first.setdefault(number, at)
        known = {number: at for number, at in first.items() if number in self.shown_at}
        span = [n for n in self.shown_at if first and min(first) <= n <= max(first)]
        latency = Percentiles.of([(at - self.shown_at[n]) * 1000 for n, at in known.items()])
        seconds = seen[-1][1] - seen[0][1] if len(seen) > 1 else 0.0
        return {
            "latency_ms": latency.as_dict(),
            "fps": round((len(first) - 1) / seconds, 2) if seconds > 0 else 0.0,
            "seen": len(first),
            "repeated": len(numbers) - len(first),
            "lost": len(span) - len(first),
            "out_of_order": sum(b < a for a, b in pairwise(numbers)),
            "slates": sum(number is None for number, _ in seen),
        }


class Numbered:
    """A source with each frame's number painted on it; ``glass`` learns when it was taken."""

    def __init__(self, source: Source, glass: Glass) -> None:
        self._source, self._glass = source, glass
        self._number = 0

    @property
    def info(self) -> SourceInfo:
        """As of the source."""
        return self._source.info

    def read(self) -> Frame | None:
        """The next frame, painted."""
        frame = self._source.read()
        if frame is None:
            return None
        pixels = frame.pixels.copy()
        glass_pattern.paint(pixels, self._number)
        self._glass.shown_at[self._number] = frame.captured_at
        self._number += 1
        return Frame(pixels, frame.index, frame.captured_at)

    def close(self) -> None:
        """As of the source."""
        self._source.close()


def watch(address: str, glass: Glass, stop: threading.Event) -> None:
    """Read the web page's stream until ``stop`` or its end."""
    url = urlsplit(address)
    with open_stream(url.hostname or "", url.port or 0, f"/stream?{url.query}") as line:
        for data in parts_of(line):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            look_at(np.asarray(pixels, np.uint8), glass)
            if stop.is_set():
                return


def look_at(pixels: Pixels, glass: Glass) -> None:
    """Note what a picture shows, now."""
    glass.seen.append((glass_pattern.read(pixels), time.monotonic()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.glass", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=30, help="of the output")
    parser.add_argument("--plain", action="store_true", help="without the swap")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print_report(measure(arguments.seconds, arguments.rate, swap=not arguments.plain), arguments)


def measure(seconds: float, rate: int, *, swap: bool) -> dict[str, object]:
    """Run the demo for so long; the figures at the far end and at the output."""
    glass, stop, timing = Glass(), threading.Event(), Timing()
    engines = load_engines()
    library = FaceLibrary(faces_dir(), engines, personas=PERSONAS)
    outputs = OutputSettings(web_page=True, web_port=0, rate=rate)
    session = Session(Pipeline(engines, timing), timing, Settings(swap=swap, mirror=False))
    session.identity = library.identity(library.list()[0])
    try:
        session.outputs.apply(outputs)
        while not (status := session.outputs.status()[0]).opened:
            if status.problem is not None:
                raise SystemExit(str(status.problem))
            time.sleep(0.01)
        viewer = threading.Thread(target=watch, args=(status.address, glass, stop))
        viewer.start()
        session.start(lambda: Numbered(Demo(), glass))
        time.sleep(WARM_UP_S + seconds)
        after = session.status()
        stop.set()
        viewer.join()
    finally:
        session.close()
        engines.close()
    output = after.outputs[0]
    end = glass.seen[-1][1]
    return {
        **glass.report(end - seconds),
        "swap": swap,
        "pipeline_ms": after.timing.latency_ms.as_dict(),
        "pipeline_fps": round(after.timing.fps, 2),
        "output": {
            "latency_ms": output.latency_ms.as_dict(),
            "fps": round(output.fps, 2),
            "repeated": output.repeated,
            "dropped": output.dropped,
        },
    }


def print_report(report: dict[str, object], arguments: argparse.Namespace) -> None:
    """As JSON, or as a table."""
    if arguments.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:<14}{value}")


if __name__ == "__main__":
    main()
