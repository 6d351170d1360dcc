"""On an NVIDIA GPU: the bundled networks become engines that give the reference's answers.

pytest -m gpu
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import built
from engines.cuda import CudaStream, find_gpu
from engines.errors import EngineError
from engines.manifest import ModelStore
from engines.tensorrt_runtime import TensorRT

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _needs_a_gpu() -> None:
    try:
        find_gpu()
    except EngineError as error:
        pytest.skip(error.what)


def test_memory_goes_up_and_comes_down() -> None:
    stream = CudaStream()
    sent, received = (stream.pinned((3, 5), np.dtype(np.float32)) for _ in range(2))
    sent[...] = np.arange(15).reshape(3, 5)
    address = stream.allocate(sent.nbytes)
    stream.up(address, sent)
    stream.down(received, address)
    stream.wait()
    np.testing.assert_array_equal(received, np.arange(15).reshape(3, 5))
    stream.close()
    stream.close()


@pytest.mark.timeout(600)
def test_every_bundled_network_is_built_checked_and_opened(
    trt: TensorRT, built_folder: Path
) -> None:
    for file in ModelStore().networks():
        backend = built.open_built(trt.name, file.read(), file.path.name, folder=built_folder)
        assert backend.name.startswith(trt.name)
        backend.close()
