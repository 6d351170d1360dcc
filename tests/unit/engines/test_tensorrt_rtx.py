"""With TensorRT-RTX itself, which builds without a GPU: every bundled network, for three cards."""

from __future__ import annotations

import numpy as np
import pytest

from engines.build_target import choose_target
from engines.errors import EngineError
from engines.half import to_half
from engines.manifest import ModelStore
from engines.onnx_graph import fix_shapes, input_shapes, read_graph
from engines.shapes import Profile, profiles_for
from engines.tensorrt_plan import BuildCancelledError, build_plan
from engines.tensorrt_runtime import TensorRT, load_runtime
from tests.helpers import tiny_models

pytest.importorskip("tensorrt_rtx")
pytestmark = pytest.mark.tensorrt

CARDS = ("8.6", "8.9", "12.0")


@pytest.fixture(scope="module")
def trt() -> TensorRT:
    return load_runtime("TensorRT-RTX")


def _half(model: bytes, name: str) -> tuple[bytes, tuple[Profile, ...]]:
    graph = read_graph(model, name)
    profiles = profiles_for(input_shapes(graph))
    if len(profiles) == 1:
        fix_shapes(graph, profiles[0].best)
    return to_half(graph).SerializeToString(), profiles


@pytest.mark.parametrize("name", [file.name for file in ModelStore().networks()])
def test_a_bundled_network_becomes_an_engine_for_each_card(trt: TensorRT, name: str) -> None:
    model, profiles = _half(ModelStore().file(name).read(), name)
    plans = {
        card: build_plan(trt, model, name, profiles, compute_capability=card)[0] for card in CARDS
    }
    assert len(set(plans.values())) == len(CARDS)
    weights = len(model)
    assert all(len(plan) > weights / 2 for plan in plans.values())


FAMILIES = {
    "simswap": tiny_models.embedding_swapper(256),
    "simswap in float16": tiny_models.embedding_swapper(224, half=True),
    "inswapper": tiny_models.inswapper(np.eye(512)),
    "blendface": tiny_models.blendface(),
    "occluder-like": tiny_models.generator(mask=True),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_families_a_user_can_add_become_engines(trt: TensorRT, name: str) -> None:
    model, profiles = _half(FAMILIES[name], name)
    assert build_plan(trt, model, name, profiles, compute_capability="8.6")[0]


def test_the_steps_are_told(trt: TensorRT) -> None:
    model, profiles = _half(tiny_models.identity(), "tiny")
    shares: list[float] = []

    def step(share: float) -> bool:
        shares.append(share)
        return True

    build_plan(trt, model, "tiny", profiles, compute_capability="8.6", step=step, low_memory=True)
    assert len(shares) > 3
    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] > 0.5  # the last step of all is not told


def test_it_can_be_cancelled(trt: TensorRT) -> None:
    model, profiles = _half(tiny_models.identity(), "tiny")
    with pytest.raises(BuildCancelledError):
        build_plan(trt, model, "tiny", profiles, compute_capability="8.6", step=lambda share: False)


def test_a_bug_in_the_callback_comes_out_as_itself(trt: TensorRT) -> None:
    model, profiles = _half(tiny_models.identity(), "tiny")

    def step(share: float) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_plan(trt, model, "tiny", profiles, compute_capability="8.6", step=step)


def test_what_it_cannot_build_gets_its_own_words(trt: TensorRT) -> None:
    with pytest.raises(EngineError, match=r"TensorRT-RTX cannot read tiny \("):
        build_plan(trt, b"nothing", "tiny", (), compute_capability="8.6")
    with pytest.raises(EngineError, match=r"for compute capability 9\.0; it can for 7\.5"):
        choose_target(trt, "9.0")
    assert {"7.5", *CARDS} <= set(trt.targets)
