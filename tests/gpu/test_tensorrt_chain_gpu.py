"""On a GPU: the chain with engines that were built there, against the host's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import EngineError
from app.pixel_work import opening
from app.pixel_work.on_device import DeviceWork
from app.pixel_work.on_host import HostWork
from app.pixel_work.renewable import RenewableWork
from app.stages.identity import Identity
from app.timing import Timing
from engines.build_target import choose_target
from engines.building import EngineBuilder
from engines.device.network import DeviceNetworks
from engines.device.slots import Streams
from engines.engine_file import EngineFiles
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.probes import record_probes
from engines.runtimes import CHAIN
from engines.swapper import GeneratorSwapper
from engines.tensorrt_device import open_networks
from engines.tensorrt_runtime import load_runtime
from tests.helpers.device_scene import BADGE, SETTINGS, face, picture

pytestmark = pytest.mark.gpu
LEAST_DB = 35.0  # between float16 on the GPU and float32 on the host, over the whole frame


@pytest.mark.timeout(600)
def test_the_chain_runs_built_engines_inside_of_its_graphs(tmp_path: Path) -> None:
    try:
        trt = load_runtime()
        target = choose_target(trt, None)
    except EngineError as error:
        pytest.skip(error.what)
    store = ModelStore()
    files = [store.file("detector"), store.file("swapper")]
    builder = EngineBuilder(EngineFiles(tmp_path), trt, target, record_probes(store))
    assert {outcome.check for outcome in builder.build(files)} == {"passed"}
    engines = load_engines(chain=CHAIN[-1:])
    swapper = engines.swapper
    assert isinstance(swapper, GeneratorSwapper)

    def built(engines: Engines, streams: Streams) -> DeviceNetworks:
        return open_networks(*files, swapper.layout, streams, runtimes=[trt.name], folder=tmp_path)

    embedding = swapper.recognizer.embed(picture(112, 112))
    identity = Identity("id", "Name", embedding, swapper.prepare(embedding))
    host = HostWork(engines, Timing())
    with opening.pixel_work(engines, Timing(), "gpu", networks=(built,)) as work:
        assert isinstance(work, RenewableWork)
        device = work.current
        assert isinstance(device, DeviceWork)
        assert work.place.engine.startswith(trt.name)
        for number in range(12):
            seen, shown = picture(360, 640, seed=number), []
            count = (1, 2, 3, 4)[number // 3]  # in one run but for three
            faces = [face(80 + 150 * n, 180, 120, track=n) for n in range(count)]
            for one in (work, host):
                canvas = one.open(seen)
                if one is work:
                    work.finder.detect(seen, 0.5)  # by the engine; it must not stop the chain
                if one is work:
                    work.finder.detect(seen, 0.5)
                for who in faces:
                    canvas.swap(who, SETTINGS, identity)
                shown.append(canvas.finished(BADGE).astype(float))
            error = float(np.mean((shown[0] - shown[1]) ** 2))
            assert 10 * np.log10(255**2 / max(error, 1e-9)) > LEAST_DB
        assert device.problem is None
        assert device.graphs > 0
    engines.close()
