"""``omokage doctor --camera``: films for a moment, says what slows a camera, and mends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.capture.camera import Camera
from app.capture.diagnosis import CameraFacts, CameraFinding, Fix, diagnose
from app.capture.listing import CameraEntry, list_cameras
from app.capture.source import Source
from app.capture.v4l2 import keep_the_rate
from app.errors import AppError
from app.paths import config_path
from app.settings import CaptureSettings, with_value
from app.settings_file import load, save

SETTLE_FRAMES = 10  # a camera's first frames come late
LENGTH_S = 2.0


@dataclass(frozen=True)
class Checked:
    """One camera that was filmed with: facts, measured rate, findings, and what was done."""

    entry: CameraEntry
    facts: CameraFacts | None = None
    measured_rate: float = 0.0
    findings: tuple[CameraFinding, ...] = ()
    done: tuple[str, ...] = ()
    problem: AppError | None = None

    @property
    def ok(self) -> bool:
        """Whether it opens and nothing slows it."""
        return self.problem is None and not any(finding.remedy for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """As in ``doctor --json``."""
        facts = self.facts
        found: dict[str, Any] = {
            "id": self.entry.id,
            "name": self.entry.name,
            "identity": self.entry.identity,
            "ok": self.ok,
            "measured_rate": round(self.measured_rate, 2),
            "findings": [{"what": f.what, "fix": f.remedy} for f in self.findings],
            "done": list(self.done),
            "problem": str(self.problem) if self.problem else None,
        }
        if facts is not None:
            found["asked"] = [*facts.asked_size, facts.asked_rate]
            found["given"] = [*facts.given_size, facts.given_rate, facts.given_format]
        return found

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.entry.id} {self.entry.name} ({self.entry.identity})"]
        if self.problem is not None:
            return [*lines, f"  {self.problem}"]
        assert self.facts is not None
        facts = self.facts
        asked = f"{facts.asked_size[0]} x {facts.asked_size[1]} at {facts.asked_rate:g}"
        given = f"{facts.given_size[0]} x {facts.given_size[1]} at {facts.given_rate:g}"
        lines.append(
            f"  asked {asked}, given {given} {facts.given_format}".rstrip()
            + f", measured {self.measured_rate:.1f} frames/s"
        )
        for finding in self.findings:
            lines += [f"  Wrong: {finding.what}", *_indented("Fix", finding.remedy)]
        lines += [f"  Done: {done}" for done in self.done]
        return [*lines, "  All is well."] if self.ok else lines


Opener = Callable[[CameraEntry, CaptureSettings], Source]


def check_all(
    *,
    fix: bool,
    cameras: Callable[[], list[CameraEntry]] = list_cameras,
    opener: Opener = Camera.open_entry,
    keep: Callable[[str], None] = keep_the_rate,
    clock: Callable[[], float] = time.monotonic,
) -> list[Checked]:
    """Film with each camera in turn; with ``fix`` mend what can be mended and film again."""
    results = []
    for entry in cameras():
        checked = _film(entry, _asked(), opener, clock)
        if fix and any(finding.fix for finding in checked.findings):
            checked = _mended(checked, opener, keep, clock)
        results.append(checked)
    return results


def _mended(
    checked: Checked, opener: Opener, keep: Callable[[str], None], clock: Callable[[], float]
) -> Checked:
    done = []
    try:
        for finding in checked.findings:
            if finding.fix is Fix.KEEP_RATE:
                keep(checked.entry.id)
                done.append("the camera keeps its rate in the dark.")
            elif finding.fix is Fix.SMALLER and finding.size is not None:
                _ask_for(finding.size)
                done.append(f"{finding.size[0]} x {finding.size[1]} is asked for from now on.")
    except AppError as error:
        return Checked(checked.entry, checked.facts, done=tuple(done), problem=error)
    again = _film(checked.entry, _asked(), opener, clock)
    return Checked(
        again.entry, again.facts, again.measured_rate, again.findings, tuple(done), again.problem
    )


def _film(
    entry: CameraEntry, asked: CaptureSettings, opener: Opener, clock: Callable[[], float]
) -> Checked:
    try:
        camera = opener(entry, asked)
        try:
            for _ in range(SETTLE_FRAMES):
                camera.read()
            frames, began = 0, clock()
            while (now := clock()) - began < LENGTH_S and camera.read() is not None:
                frames += 1
            rate = frames / (now - began) if now > began else 0.0
            facts = camera.info.camera
        finally:
            camera.close()
    except AppError as error:
        return Checked(entry, problem=error)
    findings = tuple(diagnose(facts, rate)) if facts is not None else ()
    return Checked(entry, facts, rate, findings)


def _asked() -> CaptureSettings:
    return load(config_path())[0].capture


def _ask_for(size: tuple[int, int]) -> None:
    settings = load(config_path())[0]
    settings = with_value(settings, "capture.width", size[0])
    save(with_value(settings, "capture.height", size[1]), config_path())


def _indented(title: str, text: str) -> list[str]:
    return [f"    {title}: {text}"] if text else []
