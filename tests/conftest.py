"""Rules for every test: no thread outlives it, and Qt draws off screen."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from tqdm import tqdm

tqdm.monitor_interval = 0  # its watching thread would outlive the test that made the first bar
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests that use the runtime itself send nothing either


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    leaked = [t for t in threading.enumerate() if t not in before and t.is_alive()]
    while leaked and time.monotonic() < deadline:
        time.sleep(0.01)
        leaked = [t for t in leaked if t.is_alive()]
    assert not leaked, f"threads outlive the test: {[t.name for t in leaked]}"
