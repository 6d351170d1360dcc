"""The whole chain by generator, resolution and device: ``python -m benchmarks.chain [--json]``.

Every lane that this machine has is measured on the demo with one face; those it has not are named
with the reason. ``to_matrix_product`` is the generator's multiply-adds a second over those of one
large matrix product on the same device and precision, measured in the same run; on the CPU it and
``generator_ms`` are of processor time, as is ``cpu_ms``, which a busy machine leaves alone. Above 1
is possible: a runtime's convolutions may be better tuned than its matrix product.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from app.cli.machine import processor
from app.errors import EngineError
from app.frame import Frame
from app.paths import kernels_dir
from app.pixel_work.on_device import DeviceWork
from app.pixel_work.on_host import HostWork
from app.timing import Timing
from benchmarks import chain_lanes, generators
from benchmarks.chain_lanes import SIZES, WARM, Generator
from engines.atomic_file import write_atomically
from engines.backend import TensorSpec, zeros
from engines.device.chain import Chain
from engines.device.cuda_driver import CudaDriver
from engines.device.driver import Stream
from engines.device.network import DeviceNetwork, DeviceNetworks
from engines.device.slots import Streams
from engines.device.workspace import size_of
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.onnx_backend import OnnxBackend
from engines.onnx_device import OnnxDetectorNetworks, OnnxDeviceNetwork
from engines.runtimes import REFERENCE
from engines.tensorrt_device import open_networks

RESULTS = Path(__file__).parent / "results"
NAMES = ("compact", *generators.SHAPES)
PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "cuda-bindings")
REPEATS = 50  # of a network timed alone on the device
SQUARE = 2048  # side of the matrix product generators are held against
ON_HOST = "gpu, pixel work on the host"
Open = Callable[[Streams], DeviceNetworks]
# (graphs, slots): what each is worth shows against the first.
ABLATIONS = {"all": (True, 2), "no graphs": (False, 2), "one slot": (True, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the document, print it or a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--frames", type=int, default=60, help="timed in each run")
    parser.add_argument("--generators", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the written result")
    asked = parser.parse_args(arguments)
    document = measure(asked.generators, asked.sizes, asked.frames)
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{_slug(document['device'])}.json"
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
    if asked.json:
        json.dump(document, sys.stdout, indent=1)
        print()
    else:
        _print(document, path)
    return 0


def measure(names: Sequence[str], sizes: Sequence[str], frames: int) -> dict[str, Any]:
    """The document: machine, versions, runs, and what was not run and why."""
    scenes = {size: chain_lanes.demo_frames(WARM + frames, SIZES[size]) for size in sizes}
    runs: list[dict[str, Any]] = []
    not_run: list[dict[str, str]] = []
    driver: CudaDriver | None = None
    with contextlib.ExitStack() as opened:
        try:
            driver = CudaDriver(kernels_dir())
            opened.callback(driver.close)
        except EngineError as error:
            not_run.append({"lane": "gpu", "why": str(error)})
        engines = load_engines(engine=REFERENCE)
        opened.callback(engines.close)
        peak = _cpu_peak()
        for generator in _generators(engines, names):
            runs += list(_on_cpu(engines, generator, scenes, peak))
            if driver is None:
                continue
            for lane, opener in _openers(generator).items():
                try:
                    runs += list(_on_gpu(engines, driver, generator, scenes, lane, opener))
                except EngineError as error:
                    not_run.append({"lane": f"{lane}, {generator.name}", "why": str(error)})
            try:
                runs += list(_pixels_on_host(engines, generator, scenes))
            except EngineError as error:
                not_run.append({"lane": f"{ON_HOST}, {generator.name}", "why": str(error)})
    return {
        "device": driver.name if driver is not None else processor(),
        "machine": _machine(),
        "versions": _versions() | ({} if driver is None else {"cuda_driver": driver.version}),
        "matrix_product_gmacs_per_s": {"cpu": round(peak / 1e9, 1)},
        "runs": runs,
        "not_run": not_run,
    }


def _generators(engines: Engines, names: Sequence[str]) -> Iterator[Generator]:
    for name in names:
        if name == "compact":
            model = ModelStore().file("swapper").read()
            yield chain_lanes.compact(model, OnnxBackend(model, name))
        else:
            shape = generators.SHAPES[name]
            yield chain_lanes.yardstick(name, generators.build(shape), shape.side)


def _on_cpu(
    engines: Engines, generator: Generator, scenes: dict[str, list[Frame]], peak: float
) -> Iterator[dict[str, Any]]:
    backend = OnnxBackend(generator.model, generator.name)
    try:
        tensors = {spec.name: zeros(spec, {}) for spec in backend.inputs}
        alone = chain_lanes.best_cpu_ms(lambda: backend.run(tensors), 5)
        for size, frames in scenes.items():
            timing = Timing()
            used = chain_lanes.engines_with(engines, generator, backend)
            work = HostWork(used, timing)
            run = chain_lanes.one_after_the_other(used, work, timing, frames)
            yield {
                "lane": "cpu",
                "engine": backend.name,
                "generator": generator.name,
                "resolution": size,
                "generator_ms": round(alone, 3),
                **run,
                **_to_product(generator, alone, peak),
            }
    finally:
        backend.close()


def _openers(generator: Generator) -> dict[str, Open]:
    """By lane: ONNX Runtime, and for the bundled generator the engines that were built here."""
    store = ModelStore()
    detector = store.file("detector")

    def by_onnx_runtime(streams: Streams) -> DeviceNetworks:
        return DeviceNetworks(
            OnnxDetectorNetworks(detector.read(), "detector", streams.find),
            OnnxDeviceNetwork(generator.model, generator.name, streams.compute),
            generator.layout,
        )

    def by_tensorrt(streams: Streams) -> DeviceNetworks:
        return open_networks(detector, store.file("swapper"), generator.layout, streams)

    built = {"gpu, TensorRT": by_tensorrt} if generator.name == "compact" else {}
    return {"gpu": by_onnx_runtime, **built}


def _on_gpu(
    engines: Engines,
    driver: CudaDriver,
    generator: Generator,
    scenes: dict[str, list[Frame]],
    lane: str,
    opener: Open,
) -> Iterator[dict[str, Any]]:
    """The chain with all it has, without graphs, and without the double buffer."""
    for size, frames in scenes.items():
        for name, (graphs, slots) in ABLATIONS.items():
            streams = Streams(driver)
            networks = opener(streams)
            alone = device_ms(driver, networks.generator, streams.compute)
            product = OnnxDeviceNetwork(
                generators.matrix_product(SQUARE), "matrix product", streams.compute
            )
            peak = SQUARE**3 / (device_ms(driver, product, streams.compute) / 1000)
            chain = Chain(driver, networks, streams=streams, graphs=graphs, slots=slots)
            run = on_device(engines, chain, generator, frames)
            networks.close()
            yield {
                "lane": f"{lane}, {name}",
                "engine": networks.generator.name,
                "generator": generator.name,
                "resolution": size,
                "generator_ms": round(alone, 3),
                **run,
                **_to_product(generator, alone, peak),
            }


def _pixels_on_host(
    engines: Engines, generator: Generator, scenes: dict[str, list[Frame]]
) -> Iterator[dict[str, Any]]:
    """The generator on the card, everything else on the host, as others do it."""
    for size, frames in scenes.items():
        backend = OnnxBackend(generator.model, generator.name, device="CUDA")
        used, timing = chain_lanes.engines_with(engines, generator, backend), Timing()
        run = chain_lanes.one_after_the_other(used, HostWork(used, timing), timing, frames)
        backend.close()
        yield {
            "lane": ON_HOST,
            "engine": backend.name,
            "generator": generator.name,
            "resolution": size,
            **run,
        }


def on_device(
    engines: Engines, chain: Chain, generator: Generator, frames: list[Frame]
) -> dict[str, Any]:
    """Delay frame by frame, and rate with as many under way as there are slots; closes it."""
    used = chain_lanes.engines_with(
        engines, generator, _NoBackend(generator, chain.generator_inputs)
    )
    timing = Timing()
    work = DeviceWork(used, timing, chain, generator.layout)
    try:
        run = chain_lanes.one_after_the_other(used, work, timing, frames)
        run["fps_overlapped"] = chain_lanes.overlapped(used, work, frames)
        run["graphs"] = work.graphs
    finally:
        work.close()
    if work.problem is not None:
        raise work.problem
    return run


def device_ms(driver: CudaDriver, network: DeviceNetwork, stream: Stream) -> float:
    """Milliseconds of one run on the device, the mean of ``REPEATS`` after one that warms up."""
    driver.claim()
    memories = {s.name: driver.memory(size_of(s)) for s in (*network.inputs, *network.outputs)}
    bindings = {name: memory.address for name, memory in memories.items()}
    start, end = driver.event(timed=True), driver.event(timed=True)
    network.enqueue(stream, bindings)
    driver.record(start, stream)
    for _ in range(REPEATS):
        network.enqueue(stream, bindings)
    driver.record(end, stream)
    driver.synchronize(end)
    for memory in memories.values():
        memory.free()
    return driver.elapsed_ms(start, end) / REPEATS


class _NoBackend:
    """Stands for the generator on the host, which a run on the device must not use."""

    outputs: Sequence[TensorSpec] = ()

    def __init__(self, generator: Generator, inputs: Sequence[TensorSpec]) -> None:
        self.name, self.inputs = generator.name, inputs

    def run(self, tensors: object) -> dict[str, Any]:
        """Never."""
        raise RuntimeError("the generator ran on the host in a run on the device")

    def close(self) -> None:
        """Nothing."""


def _to_product(generator: Generator, milliseconds: float, peak: float) -> dict[str, float]:
    if not generator.macs:
        return {}
    rate = generator.macs / (milliseconds / 1000)
    return {"gmacs": round(generator.macs / 1e9, 2), "to_matrix_product": round(rate / peak, 3)}


def _cpu_peak() -> float:
    """Multiply-adds a second of processor time of a float32 matrix product by ONNX Runtime."""
    model = generators.matrix_product(SQUARE)
    backend = OnnxBackend(model, "matrix product")
    a = np.random.default_rng(0).standard_normal((SQUARE, SQUARE), np.float32)
    best = chain_lanes.best_cpu_ms(lambda: backend.run({"a": a}), 5)
    backend.close()
    return float(SQUARE**3 / (best / 1000))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _machine() -> dict[str, Any]:
    """With the load it was under: a busy machine's figures are worth less."""
    machine: dict[str, Any] = {"processor": processor(), "system": platform.platform()}
    with contextlib.suppress(AttributeError, OSError):  # not on Windows
        machine["load_average_1_min"] = round(os.getloadavg()[0], 1)
    return machine


def _slug(name: str) -> str:
    return "chain-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "device")


def _print(document: dict[str, Any], path: Path) -> None:
    print(f"{document['device']}, one face; written to {path}")
    row = "{:<28}{:<16}{:<8}{:>10}{:>10}{:>9}{:>9}{:>10}{:>9}"
    print(
        row.format(
            "lane", "generator", "size", "p50 ms", "p95 ms", "cpu ms", "fps", "overlap", "product"
        )
    )
    for run in document["runs"]:
        spread = run["latency_ms"]
        print(
            row.format(
                *(run["lane"], run["generator"], run["resolution"]),
                *(spread["p50"], spread["p95"], run["cpu_ms"]["p50"], run["fps"]),
                *(run.get("fps_overlapped", "-"), run.get("to_matrix_product", "-")),
            )
        )
    for lane in document["not_run"]:
        print(f"not run: {lane['lane']}: {lane['why']}")


if __name__ == "__main__":
    sys.exit(main())
