"""Hours of use in short: ``python -m benchmarks.soak --minutes 10 --json``.

A session without a window runs on the demo, over and over: it records, saves pictures, changes
persona, sends to the local web page, loses its source and its swapper on purpose, and stops. In
the quiet between two rounds memory, open handles and threads are measured. Reports their growth per
hour with 95 % intervals, after a first part in which caches fill. Exit status 1 where one of them
grows, the raw face was shown, a recording cannot be played, or a fault ended otherwise than it
should.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import itertools
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av

from app.capture.demo import Demo
from app.cli.measuring import rss_mb
from app.errors import AppError
from app.faces import FaceLibrary
from app.pipeline import Pipeline
from app.session import Session, SessionStatus, State
from app.settings import Settings, with_value
from app.timing import Timing
from benchmarks.slope import LEAST_SAMPLES, Slope, slope
from benchmarks.soak_faults import (
    ENGINE_FAULTS,
    SOURCE_FAULTS,
    FaultySource,
    FaultySwapper,
    shows_raw_face,
)
from engines.loading import load_engines

WARM_UP = 0.3  # share of the run that is not counted: caches and allocators fill
LOOK_S = 0.1  # between two looks at the preview
FAULT_FRAMES = 12
PATIENCE_S = 60.0  # for anything to happen at all
ALLOWED_MB_PER_HOUR = 2.0  # a growth that is smaller than this is no leak, however sure


@dataclass
class Sample:
    """One process at rest; ``live_mb`` is what stays once the allocator gave back what is free."""

    at_s: float
    rss_mb: float
    live_mb: float
    handles: int
    threads: int


@dataclass
class Account:
    """What a run did, and what was wrong with it."""

    counts: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    raw: Counter[str] = field(default_factory=Counter)  # by the last fault and what was claimed
    samples: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Soak:
    """One session and everything that is done to it."""

    def __init__(self, folder: Path, round_s: float) -> None:
        engines = load_engines(engine="onnx")
        self._engines = replace(engines, swapper=FaultySwapper(engines.swapper))
        self._swapper: FaultySwapper = self._engines.swapper  # type: ignore[assignment]
        library = FaceLibrary(folder / "faces", self._engines)
        self._people = itertools.cycle([library.identity(face) for face in library.list()])
        self._faults = itertools.cycle((*SOURCE_FAULTS, *ENGINE_FAULTS))
        timing = Timing()
        settings = with_value(Settings(mirror=False), "outputs.web_port", 0)
        self._session = Session(Pipeline(self._engines, timing), timing, settings)
        self._clean = Demo(realtime=False)
        self._folder, self._round_s = folder, round_s
        self._source: FaultySource | None = None
        self._doing = "start"
        self.account = Account()

    def run(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Rounds until the time is up."""
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < seconds:
            self._round(number)
            number += 1
            self.account.samples.append(_sample(time.monotonic() - began))
            last = self.account.samples[-1]
            tell(
                f"{last.at_s:6.0f} s  round {number}  {last.rss_mb:6.1f} MB, "
                f"{last.live_mb:.1f} in use  "
                f"{last.handles} handles  {last.threads} threads"
            )

    def close(self) -> None:
        """End the session and free the networks."""
        self._session.close()
        self._clean.close()
        self._engines.close()

    def _round(self, number: int) -> None:
        session, account = self._session, self.account
        self._doing = "start"
        session.identity = next(self._people)
        outputs = replace(session.settings.outputs, web_page=number % 2 == 0)
        session.outputs.apply(outputs)
        video = self._folder / "round.mp4"
        session.start_recording(video)
        session.start(self._opened)
        if not self._look_until(lambda status: status.state is not State.STARTING):
            account.wrong.append(f"Round {number}: no picture within {PATIENCE_S:g} s.")
        end = time.monotonic() + self._round_s
        third = self._round_s / 3
        for part in range(3):
            self._look_until(lambda _, p=part: time.monotonic() > end - (2 - p) * third)
            session.identity = next(self._people)
            account.counts["persona switches"] += 1
            if part < 2:
                self._snapshot()
                self._harm(next(self._faults))
        account.shown.update({s.value: n for s, n in session.status().shown.items()})
        account.counts["frames"] += session.status().timing.frames
        made = session.stop_recording()
        session.stop()
        self._swapper.fault = ""
        self._played(made, number)
        account.counts["rounds"] += 1

    def _opened(self) -> FaultySource:
        self._source = FaultySource(Demo())
        return self._source

    def _harm(self, fault: str) -> None:
        """One fault, seen through to its end."""
        session, account = self._session, self.account
        self._doing = fault
        account.counts[fault] += 1
        if fault in ENGINE_FAULTS:
            self._swapper.fault = fault
            frames = session.status().timing.frames
            self._look_until(lambda now: now.timing.frames >= frames + FAULT_FRAMES)
            self._swapper.fault = ""
        elif self._source is not None:
            self._source.order(fault, FAULT_FRAMES)
        if fault != "dies":
            return
        if not self._look_until(lambda status: status.state is State.FAILED):
            account.wrong.append("A source that died did not end the run.")
        elif "died on purpose" not in str(session.status().problem):
            account.wrong.append(f"A dead source was called: {session.status().problem}")
        session.start(self._opened)
        self._look_until(lambda status: status.state is State.RUNNING)

    def _snapshot(self) -> None:
        path = self._folder / "picture.png"
        try:
            self._session.snapshot(path)
        except AppError as error:
            self.account.wrong.append(str(error))
            return
        self.account.counts["snapshots"] += 1
        path.unlink()

    def _played(self, made: Path | None, number: int) -> None:
        """Count the recording's frames and remove it; a round whose source died has kept its."""
        video = self._folder / "round.mp4"
        if not video.exists():
            self.account.wrong.append(f"Round {number}: no recording ({made}).")
            return
        with av.open(str(video)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        video.unlink()
        left = [path.name for path in self._folder.glob("*round*.mp4*")]
        if not frames or left:
            self.account.wrong.append(f"Round {number}: {frames} frames recorded, left {left}.")
        self.account.counts["recordings"] += 1
        self.account.counts["recorded frames"] += frames

    def _look_until(self, done: Callable[[SessionStatus], bool]) -> bool:
        """Look at each new preview for the raw face until ``done``; whether it came in time."""
        deadline = time.monotonic() + PATIENCE_S + self._round_s
        while time.monotonic() < deadline:
            processed = self._session.take_preview(LOOK_S)
            status = self._session.status()
            if processed is not None:
                self.account.counts["frames looked at"] += 1
                clean = self._clean.picture(processed.frame.index)
                if shows_raw_face(clean, processed.frame):
                    self.account.raw[f"{self._doing}, {processed.showing.value}"] += 1
            if processed is None and status.state in (State.FAILED, State.ENDED):
                time.sleep(LOOK_S)  # a closed preview does not wait
            if done(status):
                return True
        return False


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--round", type=float, default=8.0, help="seconds of a round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--samples", type=Path, help="write every sample to this JSON file")
    arguments = parser.parse_args()
    logging.disable()  # what fails on purpose is counted, not logged
    with tempfile.TemporaryDirectory() as home:
        os.environ["OMOKAGE_HOME"] = home
        soak = Soak(Path(home), arguments.round)
        try:
            soak.run(60 * arguments.minutes, lambda line: print(line, file=sys.stderr, flush=True))
        finally:
            soak.close()
    if arguments.samples is not None:
        rows = [vars(sample) for sample in soak.account.samples]
        arguments.samples.write_text(json.dumps(rows), encoding="utf-8")
    try:
        report = _report(soak.account)
    except ValueError as error:
        print(f"The run was too short to tell: {error}.", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=None if arguments.json else 2))
    return 0 if report["ok"] else 1


def _sample(at_s: float) -> Sample:
    handles = Path("/proc/self/fd")
    count = len(list(handles.iterdir())) if handles.is_dir() else 0
    tasks = Path("/proc/self/task")  # with those of the networks' runtime
    threads = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    before = rss_mb()
    _give_back()
    return Sample(at_s, before, rss_mb(), count, threads)


def _give_back() -> None:
    """Ask the C library to return free memory, so that its habits do not hide a slow leak."""
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _report(account: Account) -> dict[str, Any]:
    """The figures; ``ValueError`` where there are too few rounds after the warm-up."""
    samples = account.samples
    start = samples[-1].at_s * WARM_UP if samples else 0.0
    counted = [sample for sample in samples if sample.at_s >= start]
    if len(counted) < LEAST_SAMPLES:
        raise ValueError(f"{len(counted)} rounds after the warm-up, expected {LEAST_SAMPLES}")
    at_s = [sample.at_s for sample in counted]
    slopes: dict[str, Slope] = {
        "rss_mb": slope(at_s, [sample.rss_mb for sample in counted]),
        "live_mb": slope(at_s, [sample.live_mb for sample in counted]),
        "handles": slope(at_s, [float(sample.handles) for sample in counted]),
        "threads": slope(at_s, [float(sample.threads) for sample in counted]),
    }
    leaks = [
        name
        for name, found in slopes.items()
        if found.low > (ALLOWED_MB_PER_HOUR if name.endswith("_mb") else 0)
    ]
    raw = account.raw.total()
    return {
        "ok": not leaks and not raw and not account.wrong,
        "seconds": round(samples[-1].at_s, 1),
        "per_hour": {name: found.as_dict() for name, found in slopes.items()},
        "leaks": leaks,
        "raw_frames": raw,
        "raw_after": dict(account.raw),
        "wrong": account.wrong,
        "counts": dict(account.counts),
        "shown": dict(account.shown),
    }


if __name__ == "__main__":
    sys.exit(main())
