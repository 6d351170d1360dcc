"""The benchmark of the chain: its yardsticks have the published sizes, its lanes run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import chain, chain_lanes
from benchmarks.generators import SHAPES, build
from engines.device.chain import Chain
from engines.device.network import DeviceNetworks
from engines.loading import load_engines
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.runtimes import REFERENCE
from tests.helpers.emulated_device import (
    EmulatedDetectorNetworks,
    EmulatedDriver,
    EmulatedNetwork,
)


def test_simswap_has_its_published_size() -> None:
    built = build(SHAPES["simswap-224"])
    assert built.parameters / 1e6 == pytest.approx(55.05, abs=0.01)
    assert built.macs / 1e9 == pytest.approx(48.1, abs=0.05)


def test_the_cpu_lane_writes_a_document_and_names_what_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--json", "--frames", "2", "--generators", "compact", "--sizes", "720p"]
    assert chain.main([*asked, "--out", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    run = next(r for r in document["runs"] if r["lane"] == "cpu")
    assert run["frames"] == 2
    assert run["latency_ms"]["p50"] > run["generator_ms"] * 0.1 > 0
    assert {"detect", "align", "swap", "composite", "mark"} <= set(run["stages_ms"])
    assert all(lane["why"] for lane in document["not_run"])
    written = next(tmp_path.glob("chain-*.json"))
    assert json.loads(written.read_text("utf-8")) == document


def test_the_device_lane_runs_on_any_driver() -> None:
    engines = load_engines(engine=REFERENCE)
    model, found = ModelStore().file("swapper").read(), ModelStore().file("detector").read()
    backend, detector = OnnxBackend(model, "swapper"), OnnxBackend(found, "detector")
    generator = chain_lanes.compact(model, backend)
    driver = EmulatedDriver()
    networks = DeviceNetworks(
        EmulatedDetectorNetworks(driver, detector),
        EmulatedNetwork(driver, backend),
        generator.layout,
    )
    frames = chain_lanes.demo_frames(chain_lanes.WARM + 2, (480, 270))
    run = chain.on_device(engines, Chain(driver, networks), generator, frames)
    assert run["frames"] == 2
    assert run["fps_overlapped"] > 0
    assert run["graphs"] == 2
    driver.close()
    engines.close()
