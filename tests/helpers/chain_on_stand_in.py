"""Runs the chain through ``CudaDriver`` and NVIDIA's bindings; prints what came out as JSON.

Started by a test with a stand-in for the driver's library on the search path: a process of its own,
since the bindings load the library once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from app.pixel_work.on_host import HostWork
from app.timing import Timing
from engines.device.compiling import cache_path
from engines.device.cuda_driver import CudaDriver
from engines.device.sources import source
from tests.helpers.device_scene import SETTINGS, face, open_scene, picture


def main() -> None:
    """Five frames with one or two faces, on the host and on the driver."""
    folder = Path(sys.argv[1])
    cache = folder / "cache"
    driver = CudaDriver(cache)
    kept = cache_path(source(), "sm_89", cache)
    good = kept.read_bytes()
    kept.write_bytes(b"damaged by a power cut")  # compiled anew, not refused for ever
    driver.close()
    driver = CudaDriver(cache)
    scene = open_scene(folder / "models")
    work, host = scene.work(driver), HostWork(scene.engines, Timing())
    worst, changed = 0, 0
    for number in range(5):
        seen = picture(seed=number)
        faces = [face(150, 120, 110, 0.1), face(60, 70, 50, track=2)][: 1 + number % 2]
        done = []
        for one in (work, host):
            canvas = one.open(seen)
            for found in faces:
                canvas.swap(found, SETTINGS, scene.identity())
            done.append(canvas.finished(SETTINGS.badge).astype(int))
        worst = max(worst, int(np.abs(done[0] - done[1]).max()))
        changed = max(changed, int((np.abs(done[0] - seen).max(axis=2) > 4).sum()))
    start, end = driver.event(timed=True), driver.event(timed=True)
    report = {
        "name": driver.name,
        "version": driver.version,
        "capability": driver.capability,
        "worst": worst,
        "changed": changed,
        "graphs": work.graphs,
        "problem": str(work.problem or ""),
        "compiled_anew": kept.read_bytes() == good,
        "elapsed_ms": driver.elapsed_ms(start, end),
    }
    work.close()
    driver.close()
    driver.close()
    scene.close()
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
