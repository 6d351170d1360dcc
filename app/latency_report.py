"""The delay of a run as a file: JSON for programs, or one HTML page for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.errors import SinkError
from app.report_page import page
from app.session import SessionStatus
from app.sinks.live_output import OutputStatus
from app.timing import Percentiles, Samples
from engines.atomic_file import AS_ANY_FILE, write_atomically

SUFFIXES = (".html", ".json")


@dataclass(frozen=True)
class LatencyReport:
    """What was measured in a run, and of what.

    Times in milliseconds, rates in frames per second; ``samples`` is every frame that is kept,
    ``stages_ms`` the parts of the pipeline; ``outputs`` measure on to each live output.
    """

    made_at: str
    machine: str
    engine: str
    source: str
    resolution: str
    fps: float
    source_fps: float
    frames: int
    dropped: int
    target_ms: float
    latency_ms: Percentiles
    stages_ms: dict[str, Percentiles]
    samples: Samples
    outputs: tuple[OutputStatus, ...] = ()
    governor: dict[str, Any] | None = None
    version: str = __version__

    @property
    def over_target(self) -> float:
        """Share of the frames that took longer than the target."""
        if not self.samples.latency_ms:
            return 0.0
        return float(np.mean(np.asarray(self.samples.latency_ms) > self.target_ms))

    def as_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "version": self.version,
            "made_at": self.made_at,
            "machine": self.machine,
            "engine": self.engine,
            "source": self.source,
            "resolution": self.resolution,
            "fps": round(self.fps, 2),
            "source_fps": round(self.source_fps, 2),
            "frames": self.frames,
            "dropped": self.dropped,
            "target_ms": self.target_ms,
            "over_target": round(self.over_target, 4),
            "latency_ms": self.latency_ms.as_dict(),
            "stages_ms": {name: part.as_dict() for name, part in self.stages_ms.items()},
            "outputs": {one.kind: one.latency_ms.as_dict() for one in self.outputs},
            "governor": self.governor,
            "samples": {
                "at_s": [round(at, 4) for at in self.samples.at_s],
                "latency_ms": [round(ms, 3) for ms in self.samples.latency_ms],
            },
        }


def report_of(
    status: SessionStatus, samples: Samples, target_ms: float, engine: str, machine: str
) -> LatencyReport:
    """The report of a session that runs, or that has just ended."""
    source, timing = status.source, status.timing
    return LatencyReport(
        made_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        machine=machine,
        engine=engine,
        source=source.name if source else "",
        resolution=f"{source.width}x{source.height}" if source else "",
        fps=timing.fps,
        source_fps=status.measured_rate,
        frames=timing.frames,
        dropped=status.dropped,
        target_ms=target_ms,
        latency_ms=timing.latency_ms,
        stages_ms=timing.stages_ms,
        samples=samples,
        outputs=status.outputs,
        governor=status.governor.as_dict() if status.governor else None,
    )


def check_report_path(path: Path) -> None:
    """Raise ``SinkError`` where a report cannot be named so."""
    if path.suffix.lower() not in SUFFIXES:
        raise SinkError(
            f"{path.name} ends in {path.suffix or 'nothing'}: reports are HTML or JSON.",
            "Choose a name that ends in .html or .json.",
        )


def save_report(path: Path, report: LatencyReport) -> None:
    """Write it whole or not at all; ``SinkError`` where that fails."""
    check_report_path(path)
    document = report.as_dict()
    text = page(document) if path.suffix.lower() == ".html" else json.dumps(document, indent=1)
    try:
        write_atomically(path, text.encode(), AS_ANY_FILE)
    except OSError as error:
        raise SinkError(
            f"{path} cannot be written ({error.strerror or error}).", "Choose another place."
        ) from error
