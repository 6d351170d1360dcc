"""A backend that changes between two runs."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from engines.backend import Backend, TensorSpec
from engines.errors import EngineError
from engines.manifest import ModelFile
from engines.slot import Slot
from tests.helpers.backends import ScriptedBackend

FILE = ModelFile("tiny", Path("tiny.onnx"), "0" * 64, 1, "Apache-2.0")
SPEC = TensorSpec("x", (None, 3), np.dtype(np.float32))


def _slot(backend: Backend) -> Slot:
    return Slot("swapper", FILE, ({},), "onnx", backend)


def _backend(value: int = 1, name: str = "one, CPU", spec: TensorSpec = SPEC) -> ScriptedBackend:
    answer = {"y": np.array([value])}
    return ScriptedBackend(lambda _: answer, name=name, inputs=[spec], outputs=[spec])


def test_the_next_run_goes_to_the_new_backend_and_the_old_one_is_closed() -> None:
    first, second = _backend(1), _backend(2, "two, GPU")
    slot = _slot(first)
    assert slot.run({})["y"] == 1
    slot.replace("gpu", second)
    assert slot.run({})["y"] == 2
    assert (slot.runtime, slot.name) == ("gpu", "two, GPU")
    assert (first.closed, second.closed) == (True, False)
    slot.close()
    slot.close()
    assert second.closed


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("z", (None, 3), np.dtype(np.float32)),
        TensorSpec("x", (None, 3), np.dtype(np.float16)),
        TensorSpec("x", (None, 4), np.dtype(np.float32)),
        TensorSpec("x", (None, 3, 1), np.dtype(np.float32)),
    ],
)
def test_what_has_other_tensors_is_refused_and_closed(spec: TensorSpec) -> None:
    first, second = _backend(1), _backend(2, "two, GPU", spec)
    slot = _slot(first)
    with pytest.raises(EngineError, match="two, GPU has other inputs"):
        slot.replace("gpu", second)
    assert (first.closed, second.closed) == (False, True)
    assert slot.run({})["y"] == 1


def test_a_fixed_axis_may_stand_for_a_dynamic_one() -> None:
    slot = _slot(_backend(1))
    slot.replace("gpu", _backend(2, spec=TensorSpec("x", (1, 3), np.dtype(np.float32))))
    assert slot.run({})["y"] == 2
    assert slot.inputs == (SPEC,)


def test_what_comes_after_the_end_is_closed() -> None:
    slot, late = _slot(_backend(1)), _backend(2)
    slot.close()
    with pytest.raises(EngineError, match="it was closed"):
        slot.replace("gpu", late)
    assert late.closed


def test_a_run_under_way_ends_on_the_backend_it_began_on() -> None:
    inside, go = threading.Event(), threading.Event()
    closed_during: list[bool] = []

    def answer(_: object) -> dict[str, np.ndarray]:
        inside.set()
        assert go.wait(10)
        closed_during.append(first.closed)
        return {"y": np.array([1])}

    first = ScriptedBackend(answer, inputs=[SPEC], outputs=[SPEC])
    slot = _slot(first)
    results: list[int] = []
    running = threading.Thread(target=lambda: results.append(int(slot.run({})["y"][0])))
    running.start()
    assert inside.wait(10)
    replacing = threading.Thread(target=lambda: slot.replace("gpu", _backend(2)))
    replacing.start()
    go.set()
    running.join()
    replacing.join()
    assert (results, closed_during, first.closed) == ([1], [False], True)
    assert slot.run({})["y"] == 2
