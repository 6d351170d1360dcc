"""The bundled networks as engines, built once for all tests on this GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.build_target import choose_target
from engines.building import EngineBuilder
from engines.engine_file import EngineFiles
from engines.errors import EngineError
from engines.manifest import ModelStore
from engines.probes import record_probes
from engines.tensorrt_runtime import TensorRT, load_runtime


@pytest.fixture(scope="session")
def trt() -> TensorRT:
    """The runtime that is installed."""
    try:
        return load_runtime()
    except EngineError as error:
        pytest.skip(error.what)


@pytest.fixture(scope="session")
def built_folder(trt: TensorRT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engines lie, each of which passed its check; building takes minutes."""
    try:
        target = choose_target(trt, None)
    except EngineError as error:
        pytest.skip(error.what)
    store, folder = ModelStore(), tmp_path_factory.mktemp("engines")
    builder = EngineBuilder(EngineFiles(folder), trt, target, record_probes(store))
    outcomes = builder.build(store.networks())
    assert {outcome.check for outcome in outcomes} == {"passed"}, outcomes
    return folder
