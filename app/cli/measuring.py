"""The two measurements behind ``omokage bench``, each through a whole session."""

from __future__ import annotations

import argparse
import ctypes
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.capture.opening import open_source
from app.capture.source import Source
from app.cli.headless import chosen_identity
from app.cli.machine import processor
from app.errors import AppError, CaptureError
from app.faces import FaceLibrary
from app.latency_report import report_of, save_report
from app.paths import faces_dir
from app.pipeline import Pipeline
from app.pixel_work.contract import Place
from app.pixel_work.opening import pixel_work
from app.session import Session, SessionStatus, State
from app.settings import Settings
from app.stages.identity import Identity
from app.stages.occlude import asked
from app.timing import Timing
from app.upgrade import tuner_for
from engines.loading import Engines, load_engines

WARM_UP_S = 1.5
LOOK_S = 0.1  # between two looks at the session: a report sorts all samples so far
NETWORK_STAGES = ("detect", "swap", "occlude")
SAMPLES = 200_000  # kept per series: an hour at 50 frames/s


class StageSums(Timing):
    """A timing that also sums each stage, in seconds: shares need means, not percentiles."""

    def __init__(self) -> None:
        super().__init__(window=SAMPLES)
        self.totals: defaultdict[str, float] = defaultdict(float)

    def add_stage(self, name: str, seconds: float) -> None:
        """Add one sample of stage ``name``."""
        super().add_stage(name, seconds)
        self.totals[name] += seconds


def measure(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """The document of ``bench --json``: latency and drops paced, rate and stages flat out."""
    clip = str(arguments.clip)
    if clip != "demo" and not Path(clip).is_file():
        raise CaptureError(f"There is no clip {clip}.", "Leave --clip out to use the demo.")
    spares = asked(settings.mask)
    engines = load_engines(settings.swapper, engine=settings.engine, occluder=spares)
    try:
        tuner_for(engines, processor()).run(threading.Event())  # what a session comes to use
        identity = chosen_identity(FaceLibrary(faces_dir(), engines), arguments, settings)
        _one(engines, settings, identity, clip, WARM_UP_S, paced=False)
        before = rss_mb()
        used, began = time.process_time(), time.monotonic()
        paced, times, _ = _one(engines, settings, identity, clip, arguments.seconds, paced=True)
        load = (time.process_time() - used) / (time.monotonic() - began)
        flat, sums, place = _one(engines, settings, identity, clip, arguments.seconds, paced=False)
    finally:
        engines.close()
    after = rss_mb()
    if arguments.report is not None:
        target, name = settings.latency.target_ms, engines.engine
        report = report_of(paced, times.samples(), target, name, processor())
        save_report(arguments.report, report)
    source = flat.source
    total = sum(sums.totals.values())
    networks = sum(sums.totals[name] for name in NETWORK_STAGES)
    return {
        "fps": round(flat.timing.fps, 2),
        "latency_ms": paced.timing.latency_ms.as_dict(),
        "stages_ms": {name: part.as_dict() for name, part in flat.timing.stages_ms.items()},
        "dropped": paced.dropped,
        "device": engines.device,
        "engine": engines.engine,
        "pixel_work": place.as_dict(),
        "engines": [rung.as_dict() for rung in engines.rungs()],
        "resolution": f"{source.width}x{source.height}" if source else "",
        "rss_mb": round(after, 1),
        "rss_growth_mb": round(after - before, 1),
        "networks_share": round(networks / total, 4) if total else 0.0,
        "machine": processor(),
        "clip": clip,
        "seconds": arguments.seconds,
        "frames": {"paced": paced.timing.frames, "unpaced": flat.timing.frames},
        "paced": {
            "fps": round(paced.timing.fps, 2),
            "source_fps": round(paced.measured_rate, 2),
            "latency_ms": paced.timing.latency_ms.as_dict(),
            "stages_ms": {name: part.as_dict() for name, part in paced.timing.stages_ms.items()},
            "dropped": paced.dropped,
            "cpu_cores": round(load, 3),
            "governor": paced.governor.as_dict() if paced.governor else None,
        },
    }


def _one(
    engines: Engines,
    settings: Settings,
    identity: Identity,
    clip: str,
    length_s: float,
    *,
    paced: bool,
) -> tuple[SessionStatus, StageSums, Place]:
    """One session of ``length_s`` seconds, counted from its first frame."""
    timing = StageSums()
    with pixel_work(engines, timing, settings.device) as work:
        session = Session(Pipeline(engines, timing, work), timing, settings)
        session.identity = identity
        status = _watched(session, settings, clip, length_s, paced=paced)
        return status, timing, work.place


def _watched(
    session: Session, settings: Settings, clip: str, length_s: float, *, paced: bool
) -> SessionStatus:

    def opener() -> Source:
        return open_source(clip, settings.capture, realtime=paced, loop=True)

    session.start(opener, pace_loss=paced)
    try:
        look, end = 0.0, float("inf")
        while (now := time.monotonic()) < end:
            session.take_preview(timeout_s=0.05)  # as a window would
            if now < look:
                continue
            look = now + LOOK_S
            status = session.status()
            if status.state is State.FAILED:
                raise status.problem or AppError("The measurement failed.")
            if status.state is State.ENDED:
                break
            if end == float("inf") and status.timing.frames:
                end = now + length_s
        return session.status()
    finally:
        session.stop()


def rss_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes); its peak on macOS."""
    if sys.platform == "win32":
        return _rss_windows()
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _page_size() / 1e6


def _page_size() -> int:
    import resource

    return resource.getpagesize()


if sys.platform == "win32":

    def _rss_windows() -> float:
        class Counters(ctypes.Structure):
            """PROCESS_MEMORY_COUNTERS of psapi.h."""

            _fields_ = [("size", ctypes.c_ulong), ("faults", ctypes.c_ulong)] + [
                (name, ctypes.c_size_t)
                for name in ("peak", "working_set", "a", "b", "c", "d", "pagefile", "peak_pagefile")
            ]

        counters = Counters()
        counters.size = ctypes.sizeof(counters)
        kernel32 = ctypes.windll.kernel32
        process = ctypes.c_void_p(-1)  # the pseudo handle of this process
        kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
        return float(counters.working_set) / 1e6
