"""Does the governor hold the delay when the load doubles? Measured on this machine.

    python -m benchmarks.governor [--seconds 20] [--load 2.0] [--compete N] [--target MS]
                                  [--stand-in] [--json]

The demo runs through whole sessions, on the engines a session comes to use. First as it is: the
target is the program's own (50 ms) where that leaves room, else derived from that delay. Then, with
and without the governor, each frame is made to cost ``--load`` times as much by work in the
pipeline's own thread, as on a machine half as fast, and everything from the second second on is
judged: the reaction, too. With ``--compete`` N other processes calculate meanwhile as well.
With ``--stand-in`` the networks are replaced by waits of a known length (15 ms a frame, 5 more for
a whole search), so that a busy machine can tell as well: session, threads and clocks stay real.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.capture.demo import Demo
from app.capture.still import Still
from app.cli.machine import processor
from app.faces import FaceLibrary
from app.frame import Frame
from app.paths import faces_dir
from app.pipeline import Begun, Pipeline, Processed
from app.session import Session, State
from app.settings import LatencySettings, Settings
from app.stages.identity import NO_WISHES, Wishes
from app.timing import Timing
from app.upgrade import tuner_for
from engines.loading import Engines, load_engines

BALLAST = bytes(1 << 15)
MARGIN = 1.5  # of the unloaded 95th percentile the target leaves at least
MOST_MS = 500  # that can be set
UNJUDGED_S = 1.0  # of each session


class LoadedPipeline(Pipeline):
    """Takes ``load`` times as long as a pipeline, by working on in its own thread."""

    load = 1.0

    def begin(self, frame: Frame, *asked: Any, **named: Any) -> Begun:
        """As ``Pipeline.begin``, slower, and finished at once."""
        began = time.perf_counter()
        done = super().begin(frame, *asked, **named).finish()
        self._go_on(began)
        return Begun(lambda: done)

    def catch_up(self) -> None:
        """As ``Pipeline.catch_up``, slower."""
        began = time.perf_counter()
        super().catch_up()
        self._go_on(began)

    def _go_on(self, began: float) -> None:
        """Work as the networks do: without the interpreter's lock."""
        until = time.perf_counter() + (self.load - 1) * (time.perf_counter() - began)
        while time.perf_counter() < until:
            hashlib.sha256(BALLAST)


class StandIn:
    """A pipeline whose work is waiting: as long as a usual processor takes, times ``load``."""

    def __init__(self) -> None:
        self.load = 1.0
        self._done, self._owed = 0, False

    def reset(self) -> None:
        """Nothing is remembered."""

    def begin(
        self, frame: Frame, settings: Settings, identity: object, wishes: Wishes = NO_WISHES
    ) -> Begun:
        """The same frame, after a while."""
        search = self._done % settings.detector.interval == 0
        self._done += 1
        self._owed = search and wishes.patient
        time.sleep(self.load * (0.015 + 0.005 * (search and not self._owed)))
        return Begun(lambda: Processed(frame, frame, (), 0))

    def catch_up(self) -> None:
        """The search, where it was left out."""
        if self._owed:
            time.sleep(self.load * 0.005)


@dataclass(frozen=True)
class Outcome:
    """Delays in ms and rate of the judged part, and what the governor came to."""

    p50: float
    p95: float
    p99: float
    fps: float
    says: str
    changes: int


def measure(
    engines: Engines | None, latency: LatencySettings, load: float, seconds: float
) -> Outcome:
    """One session of ``seconds``."""
    timing = Timing(window=100_000)
    pipeline: Any = StandIn() if engines is None else LoadedPipeline(engines, timing)
    pipeline.load = load
    session = Session(pipeline, timing, Settings(latency=latency))
    if engines is not None:
        library = FaceLibrary(faces_dir(), engines)
        session.identity = library.identity(library.list()[0])
    still = np.zeros((720, 1280, 3), np.uint8)
    session.start(Demo if engines is not None else lambda: Still(still, "stand-in", rate=30))
    try:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            session.take_preview(timeout_s=min(left, 0.5))
        status, samples = session.status(), session.samples()
        assert status.state is State.RUNNING, status.problem
        assert status.governor is not None
    finally:
        session.close()
    at = np.asarray(samples.at_s)
    judged = at > UNJUDGED_S
    p50, p95, p99 = np.percentile(np.asarray(samples.latency_ms)[judged], (50, 95, 99))
    return Outcome(
        float(p50),
        float(p95),
        float(p99),
        float((judged.sum() - 1) / (at[-1] - at[judged][0])),
        status.governor.says,
        status.governor.changes,
    )


@contextlib.contextmanager
def competing(count: int) -> Iterator[None]:
    """``count`` processes calculate meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--load", type=float, default=2.0)
    parser.add_argument("--compete", type=int, default=0, help="so many other processes calculate")
    parser.add_argument("--target", type=int, help="in ms; else from the unloaded delay")
    parser.add_argument("--stand-in", action="store_true", help="waits instead of networks")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    engines = None if arguments.stand_in else load_engines()
    if engines is not None:
        tuner_for(engines, processor()).run(threading.Event())
    off, seconds = LatencySettings(governor=False), arguments.seconds
    measure(engines, off, 1.0, 2.0)  # warm
    plain = measure(engines, off, 1.0, seconds)
    least = min(round(plain.p95 * MARGIN), MOST_MS)
    target = arguments.target or max(LatencySettings().target_ms, least)
    on = LatencySettings(governor=True, target_ms=target)
    with competing(arguments.compete):
        loaded = measure(engines, off, arguments.load, seconds)
        held = measure(engines, on, arguments.load, seconds)
    if engines is not None:
        engines.close()
    outcomes = {"unloaded": plain, "loaded": loaded, "loaded, governor": held}
    if arguments.json:
        figures = {"target_ms": target, "holds": held.p95 <= target}
        print(json.dumps(figures | {n: vars(o) for n, o in outcomes.items()}))
        return
    print(f"target {target} ms, {arguments.load:g} times the work per frame")
    for name, one in outcomes.items():
        print(
            f"{name:<18}p50 {one.p50:6.1f}  p95 {one.p95:6.1f}  p99 {one.p99:6.1f} ms  "
            f"{one.fps:5.1f} frames/s  {one.says}, {one.changes} changes"
        )


if __name__ == "__main__":
    main()
