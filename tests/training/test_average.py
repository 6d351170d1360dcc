"""The mean of two networks."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from training.average import mean  # noqa: E402


def _network(weight: float, bias: float, name: str = "w") -> onnx.ModelProto:
    values = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", name], ["scaled"]),
            helper.make_node("Add", ["scaled", "b"], ["y"]),
        ],
        "line",
        [values],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [
            numpy_helper.from_array(np.array([weight], np.float16), name),
            numpy_helper.from_array(np.array([bias], np.float32), "b"),
            numpy_helper.from_array(np.array([3], np.int64), "sizes"),
        ],
    )
    return helper.make_model(graph)


def test_every_weight_lies_between_and_sizes_stay() -> None:
    one, other = _network(1.0, 10.0), _network(3.0, 20.0)
    made = {t.name: numpy_helper.to_array(t) for t in mean(one, other, 0.25).graph.initializer}
    assert made["w"] == pytest.approx(1.5)
    assert made["w"].dtype == np.float16
    assert made["b"] == pytest.approx(12.5)
    assert made["sizes"].tolist() == [3]
    kept = {t.name: numpy_helper.to_array(t) for t in one.graph.initializer}
    assert kept["w"] == pytest.approx(1.0)


def test_other_networks_get_a_sentence() -> None:
    longer = _network(1.0, 1.0)
    longer.graph.node.pop()
    with pytest.raises(ValueError, match="different networks"):
        mean(_network(1.0, 1.0), longer)
    with pytest.raises(ValueError, match="not the same network"):
        mean(_network(1.0, 1.0), _network(1.0, 1.0, name="v"))
