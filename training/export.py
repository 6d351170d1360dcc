"""Write the averaged generator as ONNX files, after comparing them with PyTorch.

python -m training.export --checkpoint FILE --output DIR

``appearance.onnx``: the source's ArcFace crop n x 3 x 112 x 112 (RGB in [0, 1]) -> appearance n x A
(unit length), run once a source; where the recipe has one.
``swapper_identity.onnx``: embedding n x 128 (unit length), or embedding and appearance side by
side, n x (128 + A) -> gains n x K, run once a source.
``swapper.onnx``: target n x 3 x 128 x 128 (RGB in [0, 1]) and gains -> output of the same size and
mask n x 1 x 128 x 128. Weights are stored as float16 and cast when the file is loaded.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from training.asset_file import write_asset
from training.model import (
    CELL_PX,
    FINENESS,
    NORM_EPSILON,
    PAINT,
    Appearance,
    Generator,
    GeneratorShape,
    IdentityBlock,
    IdentityGains,
    Veil,
)
from training.teacher import CROP_PX

OPSET = 17
IR_VERSION = 8
SLOPE = 0.2  # of the leaky ReLU
TOLERANCE = 0.02  # of the picture's range of 1, at the worst pixel
MEAN_TOLERANCE = 0.002

Array = NDArray[Any]


class _Graph:
    """A graph being written, node after node; every method returns the new tensor's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Array) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, value: Array) -> str:
        """Stored as float16, used as float32."""
        return self.add("Cast", self.constant(value.astype(np.float16)), to=TensorProto.FLOAT)

    def conv(self, layer: nn.Conv2d, x: str, weight: Array | None = None) -> str:
        bias = layer.bias
        if bias is None:
            raise ValueError("a convolution of the generator has lost its bias")
        return self.add(
            "Conv",
            x,
            self.weight(layer.weight.detach().numpy() if weight is None else weight),
            self.constant(bias.detach().numpy()),
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[layer.padding[0], layer.padding[1]] * 2,
        )

    def unshuffled(self, x: str, layer: nn.Conv2d) -> str:
        """The first convolution, on cells of 2 x 2 pixels: SpaceToDepth puts colour last,
        pixel_unshuffle first."""
        x = self.add("SpaceToDepth", x, blocksize=2)
        weight = layer.weight.detach().numpy()
        weight = weight.reshape(-1, 3, 4, 3, 3).swapaxes(1, 2).reshape(weight.shape)
        return self.conv(layer, x, np.ascontiguousarray(weight))

    def leaky(self, x: str) -> str:
        return self.add("LeakyRelu", x, alpha=SLOPE)

    def adain(self, x: str, channels: int, gains: tuple[str, str]) -> str:
        scale, shift = (self.constant(f(channels, np.float32)) for f in (np.ones, np.zeros))
        x = self.add("InstanceNormalization", x, scale, shift, epsilon=NORM_EPSILON)
        return self.add("Add", self.add("Mul", x, gains[0]), gains[1])

    def block(self, block: IdentityBlock, x: str, first: Any, second: Any) -> str:
        channels = block.first.out_channels
        y = self.add("Relu", self.adain(self.conv(block.first, x), channels, first))
        return self.add("Add", x, self.adain(self.conv(block.second, y), channels, second))

    def enlarge(self, x: str, times: int = 2) -> str:
        scales = self.constant(np.array([1, 1, times, times], np.float32))
        return self.add(
            "Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )

    def coarse(self, x: str, cell: int) -> str:
        means = self.add(
            "AveragePool", x, kernel_shape=[2 * cell] * 2, strides=[cell] * 2, pads=[cell // 2] * 4
        )
        return self.enlarge(means, cell)

    def towards(self, x: str, other: str, share: str) -> str:
        """x + share * (other - x)."""
        return self.add("Add", x, self.add("Mul", share, self.add("Sub", other, x)))

    def veiled(self, veil: Veil) -> str:
        cells = (2 * CELL_PX, CELL_PX, CELL_PX // 2, CELL_PX // 4)
        rough, face, nose, clear = (self.coarse("target", cell) for cell in cells)
        face = self.towards(rough, face, self.constant(np.float32([FINENESS])))
        face = self.towards(face, nose, self.weight(veil.nose.numpy()))
        face = self.towards(face, clear, self.weight(veil.clear.numpy()))
        return self.towards("target", face, self.weight(veil.oval.numpy()))

    def model(self, name: str, inputs: dict[str, list], outputs: dict[str, list]) -> bytes:
        def declared(tensors: dict[str, list]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, dims)
                for key, dims in tensors.items()
            ]

        graph = helper.make_graph(
            self.nodes, name, declared(inputs), declared(outputs), self.constants
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="omokage"
        )
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def scales_at(shape: GeneratorShape) -> Array:
    """1 where the gains vector holds a scale, 0 where a shift."""
    parts = [np.repeat(np.float32([1, 0]), channels) for channels in shape.modulated]
    return np.concatenate(parts)


def identity_onnx(network: IdentityGains, shape: GeneratorShape) -> bytes:
    """The identity half; scales leave it with the 1 of AdaIN's ``1 + scale`` added."""
    graph = _Graph()
    weight = np.ascontiguousarray(network.weight().detach().numpy().T)
    bias = network.linear.bias.detach().numpy() + scales_at(shape)
    product = graph.add("MatMul", "embedding", graph.weight(weight))
    graph.add("Add", product, graph.constant(bias.astype(np.float32)), name="gains")
    return graph.model(
        "swapper_identity",
        {"embedding": ["n", shape.embedding + shape.appearance]},
        {"gains": ["n", shape.gains]},
    )


def appearance_onnx(network: Appearance) -> bytes:
    """What reads the source's photo."""
    graph = _Graph()
    first, *rest = (*network.layers, network.squeeze)
    x = graph.add("Sub", "input", graph.constant(np.float32([0.5])))
    x = graph.add("Mul", x, graph.weight(network.oval.numpy()))
    x = graph.leaky(graph.unshuffled(x, first))
    for layer in rest:
        x = graph.leaky(graph.conv(layer, x))
    weight, bias = (value.detach().numpy() for value in network.linear.parameters())
    product = graph.add("MatMul", graph.add("Flatten", x, axis=1), graph.weight(weight.T))
    code = graph.add("Add", product, graph.constant(bias))
    length = graph.add("ReduceL2", code, axes=[1], keepdims=1)
    graph.add("Div", code, length, name="appearance")
    return graph.model(
        "appearance",
        {"input": ["n", 3, CROP_PX, CROP_PX]},
        {"appearance": ["n", len(bias)]},
    )


def swapper_onnx(generator: Generator, size: int) -> bytes:
    """The picture half, for pictures of ``size`` x ``size``."""
    net, shape = generator.swapper, generator.swapper.shape
    graph = _Graph()
    axes = graph.constant(np.array([2, 3], np.int64))
    gains = graph.add("Unsqueeze", "gains", axes)
    lengths = [c for channels in shape.modulated for c in (channels, channels)]
    names = [f"gain_{n}" for n in range(len(lengths))]
    split = graph.constant(np.array(lengths, np.int64))
    graph.nodes.append(helper.make_node("Split", [gains, split], names, axis=1))
    parts = iter(zip(names[::2], names[1::2], strict=True))

    shown = graph.veiled(generator.veil) if generator.veil is not None else "target"
    half = graph.leaky(graph.unshuffled(shown, net.stem))
    quarter = graph.leaky(graph.conv(net.down1, half))
    eighth = graph.leaky(graph.conv(net.down2, quarter))
    x = graph.leaky(graph.conv(net.down3, eighth))
    if shape.placed:
        deep_map, eighth_map = (
            place(size // cells).detach().numpy()
            for place, cells in zip(net.places, (16, 8), strict=True)
        )
        x = graph.add("Add", x, graph.weight(deep_map))
        eighth = graph.add("Add", eighth, graph.weight(eighth_map))
    for block in net.blocks:
        x = graph.block(block, x, next(parts), next(parts))
    x = graph.add("Add", graph.conv(net.up3, graph.enlarge(x)), graph.conv(net.bridge, eighth))
    x = graph.leaky(graph.adain(x, shape.eighth, next(parts)))
    x = graph.block(net.block_eighth, x, next(parts), next(parts))
    at_quarter, at_half, *finer = parts
    x = graph.add("Add", graph.conv(net.up2, graph.enlarge(x)), graph.conv(net.fine, quarter))
    x = graph.leaky(graph.adain(x, shape.quarter, at_quarter))
    if finer:
        x = graph.block(net.finer[0], x, *finer[:2])
    x = graph.conv(net.up1, graph.enlarge(x))
    if net.sharp is not None:
        x = graph.add("Add", x, graph.conv(net.sharp, half))
    x = graph.leaky(graph.adain(x, shape.half, at_half))
    if finer:
        x = graph.block(net.finer[1], x, *finer[2:])
    x = graph.add("DepthToSpace", graph.conv(net.head, x), blocksize=2, mode="CRD")
    x = graph.add("Sigmoid", x)
    ends = graph.constant(np.array([3, 1], np.int64))
    graph.nodes.append(helper.make_node("Split", [x, ends], ["face", "mask"], axis=1))
    face = "face"
    if shape.toned:
        base = graph.coarse(shown, CELL_PX)
        middle, paint = (graph.constant(np.float32([v])) for v in (0.5, PAINT))
        face = graph.add("Add", base, graph.add("Mul", graph.add("Sub", "face", middle), paint))
    change = graph.add("Mul", "mask", graph.add("Sub", face, "target"))
    graph.add("Add", "target", change, name="output")
    side = [size, size]
    return graph.model(
        "swapper",
        {"target": ["n", 3, *side], "gains": ["n", shape.gains]},
        {"output": ["n", 3, *side], "mask": ["n", 1, *side]},
    )


def worst_difference(generator: Generator, files: dict[str, bytes], size: int) -> Array:
    """Largest and mean absolute difference of ONNX and PyTorch on three random pictures."""
    rng = torch.Generator().manual_seed(0)
    target, crops = (_smooth(3, side, rng) for side in (size, CROP_PX))
    embedding = torch.randn(3, generator.swapper.shape.embedding, generator=rng)
    embedding = nn.functional.normalize(embedding)
    with torch.no_grad():
        wanted = [x.numpy() for x in generator(target, generator.source(embedding, crops))]

    def answers(name: str, **inputs: Array) -> list[Array]:
        session = onnxruntime.InferenceSession(files[name], providers=["CPUExecutionProvider"])
        return list(session.run(None, inputs))

    source = embedding.numpy()
    if "appearance" in files:
        source = np.concatenate([source, *answers("appearance", input=crops.numpy())], axis=1)
    (gains,) = answers("swapper_identity", embedding=source)
    found = answers("swapper", target=target.numpy(), gains=gains)
    gaps = [np.abs(f - w) for f, w in zip(found, wanted, strict=True)]
    return np.array([max(gap.max() for gap in gaps), max(gap.mean() for gap in gaps)])


def _smooth(count: int, side: int, rng: torch.Generator) -> torch.Tensor:
    pictures = torch.rand(count, 3, side // 8, side // 8, generator=rng)
    return nn.functional.interpolate(pictures, size=(side, side), mode="bicubic").clamp(0, 1)


def load_generator(checkpoint: Path) -> tuple[Generator, dict[str, Any]]:
    """The averaged generator of a checkpoint, and the checkpoint."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    generator = Generator(GeneratorShape(**state["recipe"]["shape"]), state["recipe"]["size"])
    generator.load_state_dict(state["average"])
    return generator.eval(), state


def export(generator: Generator, size: int, folder: Path) -> Array:
    """Write the files into ``folder``; returns the differences found.

    :raises ValueError: when ONNX and PyTorch differ by more than float16 storage explains.
    """
    files = {
        "swapper_identity": identity_onnx(generator.identity, generator.swapper.shape),
        "swapper": swapper_onnx(generator, size),
    }
    if generator.appearance is not None:
        files["appearance"] = appearance_onnx(generator.appearance)
    gap = worst_difference(generator, files, size)
    if gap[0] > TOLERANCE or gap[1] > MEAN_TOLERANCE:
        raise ValueError(f"ONNX differs from PyTorch by {gap[0]:.4f}, {gap[1]:.5f} on average")
    for name, content in files.items():
        write_asset(folder / f"{name}.onnx", content)
    return gap


def keep_discriminator(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint's discriminator as float16, for a run that starts from the shipped files:
    without it a new one knows nothing, and what it lets pass in the meantime costs realism."""
    content = io.BytesIO()
    torch.save({name: part.half() for name, part in state["discriminator"].items()}, content)
    write_asset(file, content.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("assets"))
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument(
        "--discriminator", type=Path, help="keep the checkpoint's in this file, too"
    )
    given = parser.parse_args()
    generator, state = load_generator(given.checkpoint)
    gap = export(generator, given.size, given.output)
    if given.discriminator:
        keep_discriminator(state, given.discriminator)
    print(f"{state['samples']} samples; largest difference {gap[0]:.5f}, mean {gap[1]:.6f}")


if __name__ == "__main__":
    main()
