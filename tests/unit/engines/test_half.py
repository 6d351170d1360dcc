"""The cast to float16: valid graphs, float32 outside, near the reference, honest about range."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from engines.errors import EngineError
from engines.half import HALF, layer_groups, to_half
from engines.half_emulation import rounded_on_cpu
from engines.manifest import BUNDLED, ModelStore
from engines.onnx_graph import element_types, fix_shapes, input_shapes, read_graph


def _graph(
    nodes: list, weights: dict[str, np.ndarray], outputs: tuple[str, ...] = ("y",), opset: int = 18
):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "test",
        [value("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [value(name, TensorProto.FLOAT, [1, 4, 8, 8]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return read_graph(model.SerializeToString(), "test.onnx")


def _network(seed: int = 0):
    rng = np.random.default_rng(seed)
    weights = {
        name: (rng.normal(size=(4, 4, 3, 3)) / 6).astype(np.float32) for name in ("a", "b", "c")
    }
    weights |= {"one": np.ones(4, np.float32), "none": np.zeros(4, np.float32)}
    weights["eps"] = np.float32(1e-12).reshape(())
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], **conv),
        helper.make_node("InstanceNormalization", ["p", "one", "none"], ["q"]),
        helper.make_node("Conv", ["q", "b"], ["r"], **conv),
        helper.make_node("Relu", ["r"], ["early"]),
        helper.make_node("Conv", ["early", "c"], ["s"], **conv),
        helper.make_node("Add", ["s", "eps"], ["t"]),
        helper.make_node("Conv", ["t", "a"], ["y"], **conv),
    ]
    return _graph(nodes, weights, ("y", "early"))


def _run(model: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString())
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


X = np.random.default_rng(1).normal(size=(1, 4, 8, 8)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 6)))
def test_any_choice_of_layers_gives_a_valid_graph_with_the_same_answers(keep: set[int]) -> None:
    graph = _network()
    half = to_half(graph, keep)
    onnx.checker.check_model(half, full_check=True)
    wanted, exact, rounded = _run(graph, X), _run(half, X), _run(rounded_on_cpu(half), X)
    for name, value in wanted.items():
        assert exact[name].dtype == np.float32
        np.testing.assert_allclose(exact[name], value, atol=0.01)
        np.testing.assert_allclose(rounded[name], value, atol=0.01)


def test_everything_kept_changes_nothing() -> None:
    graph = _network()
    same = to_half(graph, layer_groups(graph)[-1].nodes)
    assert [node.op_type for node in same.graph.node] == [n.op_type for n in graph.graph.node]
    for name, value in _run(graph, X).items():
        np.testing.assert_array_equal(_run(same, X)[name], value)


def test_which_tensors_become_half() -> None:
    types = element_types(to_half(_network()))
    assert types["p"] == types["s"] == types["r"] == HALF
    assert types["q"] == types["t"] == TensorProto.FLOAT  # statistics; an epsilon that would be 0
    assert types["x"] == types["y"] == types["early"] == TensorProto.FLOAT


@pytest.mark.parametrize("channels", [1, 4])
def test_a_weight_beyond_half_keeps_its_layer(channels: int) -> None:
    weights = {"w": np.full((1, channels, 1, 1), 1e5, np.float32)}
    graph = _graph([helper.make_node("Mul", ["x", "w"], ["y"])], weights)
    np.testing.assert_array_equal(_run(to_half(graph), X)["y"], X * np.float32(1e5))


def test_a_cast_may_say_more_than_its_type() -> None:
    """From opset 19 on ``saturate`` may stand before ``to``."""
    stored = np.arange(4, dtype=np.int32).reshape(1, 4, 1, 1)
    nodes = [
        helper.make_node("Cast", ["stored"], ["folded"], saturate=1, to=TensorProto.FLOAT),
        helper.make_node("Cast", ["x"], ["whole"], saturate=1, to=TensorProto.INT32),
        helper.make_node("Cast", ["whole"], ["back"], saturate=1, to=TensorProto.FLOAT),
        helper.make_node("Add", ["back", "folded"], ["z"]),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    for node in nodes[:3]:
        node.attribute.sort(key=lambda attribute: attribute.name)  # saturate, to
    graph = _graph(nodes, {"stored": stored}, opset=19)
    assert [node.op_type for node in graph.graph.node] == ["Cast", "Cast", "Add", "Relu"]
    half, x = to_half(graph), 20 * X
    wanted = np.maximum(np.trunc(x) + stored, 0)
    for model in (graph, half, rounded_on_cpu(half)):
        onnx.checker.check_model(model, full_check=True)
        np.testing.assert_array_equal(_run(model, x)["y"], wanted)


def test_a_value_beyond_half_is_seen_on_the_cpu() -> None:
    weights = {"w": np.full((1, 4, 1, 1), 1e4, np.float32)}
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["big"]),
        helper.make_node("Mul", ["big", "w"], ["bigger"]),
        helper.make_node("Div", ["bigger", "w"], ["y"]),
    ]
    graph = _graph(nodes, weights)
    found = _run(rounded_on_cpu(to_half(graph)), np.ones_like(X) * 20)["y"]
    assert np.isinf(found).all()


def test_the_cpu_rounds_where_the_runtime_alone_would_not() -> None:
    """The reason for the spelled-out rounding."""
    graph = _network()
    half, wanted = to_half(graph), _run(graph, X)["y"]
    plain, rounded = (_run(model, X)["y"] for model in (half, rounded_on_cpu(half)))
    assert np.abs(rounded - wanted).mean() > np.abs(plain - wanted).mean()


def test_groups_grow_from_the_ends_to_everything() -> None:
    graph = _network()
    groups = layer_groups(graph)
    count = len(graph.graph.node)
    assert groups[0].nodes == {0, count - 1}
    assert groups[-1].name == "everything"
    assert groups[-1].nodes == set(range(count))
    quarters = [group.nodes for group in groups if "quarter" in group.name]
    assert len(quarters) == 4
    assert sum(len(nodes) for nodes in quarters) == count
    assert frozenset().union(*quarters) == groups[-1].nodes


def test_a_graph_without_weights_has_one_group() -> None:
    graph = _graph([helper.make_node("Relu", ["x"], ["y"])], {})
    assert [group.name for group in layer_groups(graph)] == ["everything"]


@pytest.mark.parametrize("name", [file.name for file in ModelStore().networks()])
def test_the_bundled_networks_can_be_cast(name: str) -> None:
    graph = read_graph((BUNDLED / f"{name}.onnx").read_bytes(), name)
    fixed = {key: tuple(n or 1 for n in shape) for key, shape in input_shapes(graph).items()}
    if name != "detector":
        fix_shapes(graph, fixed)
    half = to_half(graph)
    onnx.checker.check_model(half, full_check=True)
    assert [v.name for v in half.graph.output] == [v.name for v in graph.graph.output]
    stored = {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) > 1}
    assert stored <= {HALF, TensorProto.INT64}


def test_what_cannot_be_built_gets_a_sentence() -> None:
    with pytest.raises(EngineError, match=r"odd\.onnx is no ONNX network"):
        read_graph(b"nothing", "odd.onnx")
    graph = _network()
    with pytest.raises(EngineError, match="has the shape 1x4x8x8, not 1x4x9x9"):
        fix_shapes(graph, {"x": (1, 4, 9, 9)})
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])], "b", [], [value("z", TensorProto.FLOAT, [1])]
    )
    branch = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)],
        "g",
        [value("x", TensorProto.FLOAT, [1]), value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(branch, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(EngineError, match=r"a loop or a branch \(If\)"):
        read_graph(model.SerializeToString(), "odd.onnx")
