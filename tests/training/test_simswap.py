"""SimSwap at full size: its counts, and engines for three cards made of it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from engines.half import to_half  # noqa: E402
from engines.onnx_graph import input_shapes, read_graph  # noqa: E402
from engines.shapes import profiles_for  # noqa: E402
from engines.tensorrt_plan import build_plan  # noqa: E402
from engines.tensorrt_runtime import load_runtime  # noqa: E402
from training.simswap import SimSwap, layer_table, random_simswap, simswap_onnx  # noqa: E402

pytestmark = pytest.mark.training


@pytest.mark.parametrize(("size", "gmac"), [(128, 15.7), (224, 48.1), (256, 62.8)])
def test_the_counts_are_the_published_ones(size: int, gmac: float) -> None:
    with torch.device("meta"):
        network = SimSwap().eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 55_051_779
    rows = layer_table(network, size)
    assert sum(row.macs for row in rows) / 1e9 == pytest.approx(gmac, abs=0.05)
    styles = [row for row in rows if "style" in row.name]
    assert sum(row.parameters for row in styles) == 18 * (512 * 1024 + 1024)


def test_the_layers_are_the_papers() -> None:
    with torch.device("meta"):
        rows = layer_table(SimSwap().eval(), 224)
    convolutions = [(row.channels, row.side) for row in rows if "style" not in row.name]
    assert convolutions == [
        (64, 224),
        (128, 112),
        (256, 56),
        (512, 28),
        *[(512, 28)] * 18,
        (256, 56),
        (128, 112),
        (64, 224),
        (3, 224),
    ]


@pytest.mark.parametrize("zero_padding", [False, True])
def test_a_picture_comes_out_in_its_range(zero_padding: bool) -> None:
    network = random_simswap(zero_padding=zero_padding)
    with torch.no_grad():
        output = network(torch.randn(1, 3, 32, 32), torch.randn(1, 512))
    assert output.shape == (1, 3, 32, 32)
    assert output.std() > 0.01
    assert output.min() >= 0
    assert output.max() <= 1


@pytest.mark.tensorrt
@pytest.mark.timeout(600)
def test_the_full_size_network_becomes_an_engine_for_each_card() -> None:
    pytest.importorskip("tensorrt_rtx")
    trt = load_runtime("TensorRT-RTX")
    model = simswap_onnx(random_simswap(), 256)
    graph = read_graph(model, "simswap.onnx")
    assert input_shapes(graph) == {"target": (1, 3, 256, 256), "source": (1, 512)}
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("InstanceNormalization") == 18
    assert kinds.count("Conv") == 26
    half, profiles = to_half(graph).SerializeToString(), profiles_for(input_shapes(graph))
    for card in ("8.6", "8.9", "12.0"):
        plan, _ = build_plan(trt, half, "simswap.onnx", profiles, compute_capability=card)
        assert len(plan) > 2 * 55_000_000
