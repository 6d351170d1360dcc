"""On a GPU: the chain with engines that were built there, against the host's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.pixel_work import opening
from app.pixel_work.on_device import DeviceWork
from app.pixel_work.on_host import HostWork
from app.pixel_work.renewable import RenewableWork
from app.stages.identity import Identity
from app.timing import Timing
from engines.device.network import DeviceNetworks
from engines.device.slots import Streams
from engines.loading import Engines, load_engines
from engines.manifest import ModelStore
from engines.runtimes import CHAIN
from engines.swapper import GeneratorSwapper
from engines.tensorrt_device import open_networks
from engines.tensorrt_runtime import TensorRT
from tests.helpers.device_scene import BADGE, SETTINGS, face, picture

pytestmark = pytest.mark.gpu
LEAST_DB = 35.0  # between float16 on the GPU and float32 on the host, over the whole frame


@pytest.mark.timeout(600)
def test_the_chain_runs_built_engines_inside_of_its_graphs(
    trt: TensorRT, built_folder: Path
) -> None:
    store = ModelStore()
    files = [store.file("detector"), store.file("swapper")]
    engines = load_engines(chain=CHAIN[-1:])
    swapper = engines.swapper
    assert isinstance(swapper, GeneratorSwapper)

    def built(engines: Engines, streams: Streams) -> DeviceNetworks:
        return open_networks(
            *files, swapper.layout, streams, runtimes=[trt.name], folder=built_folder
        )

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
                for who in faces:
                    canvas.swap(who, SETTINGS, identity)
                shown.append(canvas.finished(BADGE).astype(float))
            error = float(np.mean((shown[0] - shown[1]) ** 2))
            assert 10 * np.log10(255**2 / max(error, 1e-9)) > LEAST_DB
        assert device.problem is None
        assert device.graphs > 0
    engines.close()
