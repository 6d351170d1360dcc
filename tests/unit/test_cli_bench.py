"""``omokage bench``: the keys that stay, and figures that are measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app import faces
from app.__main__ import main
from app.cli import measuring
from app.cli.bench import table
from tests.helpers.colour_engines import colour_engines, write_personas
from tests.helpers.fakes import StillSource


@pytest.fixture(autouse=True)
def fake_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMOKAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(measuring, "load_engines", lambda *_, **__: colour_engines())
    monkeypatch.setattr(measuring, "WARM_UP_S", 0.1)
    personas = write_personas(tmp_path / "personas")
    monkeypatch.setattr(
        measuring,
        "FaceLibrary",
        lambda folder, engines: faces.FaceLibrary(folder, engines, personas=personas),
    )
    pixels = np.full((240, 320, 3), 90, np.uint8)
    pixels[60:160, 100:200] = (0, 0, 255)
    monkeypatch.setattr(
        measuring,
        "open_source",
        lambda text, settings, *, realtime, loop: StillSource(
            pixels, pause_s=0.02 if realtime else 0.001
        ),
    )


def test_the_keys_that_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    kept = "fps latency_ms stages_ms dropped device engine resolution rss_mb networks_share"
    assert set(kept.split()) <= set(figures)
    assert set(figures["latency_ms"]) == {"p50", "p95", "p99"}
    assert {"detect", "align", "swap", "mask", "color", "composite", "badge"} <= set(
        figures["stages_ms"]
    )
    assert figures["resolution"] == "320x240"
    assert figures["fps"] > 1
    assert figures["paced"]["fps"] > 1
    assert 0 < figures["networks_share"] < 1
    assert figures["rss_mb"] > 10
    assert "cores" in figures["machine"]


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.2"]) == 0
    said = capsys.readouterr().out
    for part in ("320x240", "flat out", "paced", "networks", "memory", "detect", "p99"):
        assert part in said


def test_a_clip_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--clip", "none.mp4"]) == 1
    assert "no clip none.mp4" in capsys.readouterr().err


def test_a_source_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "open_source", lambda *_, **__: StillSource(fail_after=2))
    assert main(["bench", "--seconds", "0.2"]) == 1
    assert "stopped on purpose" in capsys.readouterr().err


def test_resident_memory_is_read() -> None:
    assert 10 < measuring.rss_mb() < 100_000


def test_a_table_of_nothing() -> None:
    zeros = {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    figures = {"clip": "demo", "resolution": "", "engine": "none", "fps": 0.0, "dropped": 0}
    figures |= {"latency_ms": zeros, "stages_ms": {}, "rss_mb": 0.0, "rss_growth_mb": 0.0}
    figures |= {
        "machine": "",
        "networks_share": 0.0,
        "paced": {"fps": 0.0, "source_fps": 0.0, "cpu_cores": 0.0},
    }
    assert "flat out  0.0" in table(figures)
