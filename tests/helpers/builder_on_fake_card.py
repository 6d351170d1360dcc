"""``build_engines.py`` as a process of its own, on a computer whose NVIDIA card is made of ONNX.

Run with ``OMOKAGE_HOME`` and the folder of the networks (``--assets``), then the words of
``build_engines.py``. ``--wait FILE`` stops it before its end until that file is there.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from app.__main__ import run_parsed
from app.cli import build
from engines import build_target, manifest, probes, tensorrt_runtime
from engines.manifest import ModelStore
from engines.probes import Probe
from engines.tensorrt_backend import TensorRTBackend
from tests.helpers.fake_tensorrt import GPU, FakeStream, fake_trt
from tests.helpers.tiny_models import GAINS


def _probes(store: ModelStore, swapper: str) -> dict[str, Probe]:
    """What the generator is compared on: the specimens show the tiny detector no face."""
    rng = np.random.default_rng(0)
    inputs = [
        {
            "target": rng.random((1, 3, 128, 128), np.float32),
            "gains": np.float32(0.1) * rng.random((1, GAINS), np.float32),
        }
        for _ in range(2)
    ]
    return {"swapper": Probe("picture", tuple(inputs))}


def main(words: list[str]) -> int:
    """Its exit status."""
    assets, go = Path(words[words.index("--assets") + 1]), None
    if "--wait" in words:
        go = Path(words[words.index("--wait") + 1])
    rest = words[words.index("--") + 1 :]
    tensorrt_runtime.load_runtime = fake_trt  # type: ignore[assignment]
    build_target.find_gpu = lambda number=0: GPU  # type: ignore[assignment]
    manifest.ModelStore = partial(ModelStore, assets)  # type: ignore[misc,assignment]
    probes.record_probes = _probes
    arguments = build.build_parser().parse_args(rest)
    arguments.run = partial(build.run, open_engine=partial(TensorRTBackend, open_stream=FakeStream))
    if go is not None:
        arguments.run = partial(_waiting, go, arguments.run)
    return run_parsed(arguments)


def _waiting(go: Path, run: partial[int], arguments: object) -> int:
    while not go.exists():
        time.sleep(0.01)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
