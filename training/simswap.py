"""SimSwap (Chen et al. 2020, arXiv:2106.06340) at full size, as its authors published it.

python -m training.simswap --size 256 --output FILE writes it with random weights: the yardstick for
engines and speed, no swapper. 55.05 M parameters, 48.1 GMAC at 224 px and 62.8 at 256.

The layers are the authors' (reflection padding, batch norm outside the identity blocks, instance
norm and AdaIN within, no skip from encoder to decoder); ``zero_padding`` pads with zeros instead,
which runs faster and has the same parameters.
"""

from __future__ import annotations

import argparse
import io
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.asset_file import write_asset
from training.model import doubled

LATENT = 512
CHANNELS = (64, 128, 256, 512)
BLOCKS = 9
EPSILON = 1e-8  # of the authors' own instance norm
OPSET = 18


class Style(nn.Module):
    """A scale and a shift a channel from the identity: n x 512 to n x 2c."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(LATENT, 2 * channels)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        scale, shift = self.linear(identity)[:, :, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class FullIdentityBlock(nn.Module):
    """conv, instance norm, style, ReLU, conv, instance norm, style, skip; 512 channels."""

    def __init__(self, channels: int, padding: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding)
        self.first_style, self.second_style = Style(channels), Style(channels)

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        y = F.relu(self.first_style(_normalised(self.first(x)), identity))
        return x + self.second_style(_normalised(self.second(y)), identity)


class SimSwap(nn.Module):
    """Target n x 3 x s x s (ImageNet-normalised) and identity n x 512 to RGB in [0, 1].

    s is a multiple of 8.
    """

    def __init__(self, *, zero_padding: bool = False) -> None:
        super().__init__()
        padding = "zeros" if zero_padding else "reflect"
        first = CHANNELS[0]
        self.enter = _layer(3, first, 7, padding=padding)
        self.down = nn.ModuleList(_layer(a, b, 3, stride=2) for a, b in pairwise(CHANNELS))
        self.blocks = nn.ModuleList(FullIdentityBlock(CHANNELS[-1], padding) for _ in range(BLOCKS))
        self.up = nn.ModuleList(_layer(a, b, 3) for a, b in pairwise(CHANNELS[::-1]))
        self.leave = nn.Conv2d(first, 3, 7, padding=3, padding_mode=padding)

    def forward(self, target: Tensor, identity: Tensor) -> Tensor:
        x = self.enter(target)
        for layer in self.down:
            x = layer(x)
        for block in self.blocks:
            x = block(x, identity)
        for layer in self.up:
            x = layer(doubled(x))
        return (torch.tanh(self.leave(x)) + 1) / 2


@dataclass(frozen=True)
class LayerRow:
    """One convolution or matrix: its name, output ``channels`` x ``side``, parameters and work."""

    name: str
    channels: int
    side: int
    parameters: int
    macs: int


def layer_table(network: SimSwap, size: int) -> list[LayerRow]:
    """Every layer with weights but the norms, in the order they run, for a square of ``size``."""
    rows: list[LayerRow] = []

    def note(name: str, layer: nn.Conv2d | nn.Linear, output: Tensor) -> None:
        side = output.shape[-1] if output.ndim == 4 else 1
        count = sum(parameter.numel() for parameter in layer.parameters())
        macs = layer.weight.numel() * side * side
        rows.append(LayerRow(name, output.shape[1], side, count, macs))

    hooks = [
        layer.register_forward_hook(lambda layer, _, y, name=name: note(name, layer, y))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    device = next(network.parameters()).device
    with torch.no_grad():
        network(torch.zeros(1, 3, size, size, device=device), torch.zeros(1, LATENT, device=device))
    for hook in hooks:
        hook.remove()
    return rows


def simswap_onnx(network: SimSwap, size: int) -> bytes:
    """The network as ONNX: ``target`` 1 x 3 x size x size, ``source`` 1 x 512, ``output``."""
    inputs = (torch.zeros(1, 3, size, size), torch.zeros(1, LATENT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's, of a call of its own
        program = torch.onnx.export(
            network.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=["target", "source"],
            output_names=["output"],
            verbose=False,
        )
    written = io.BytesIO()
    program.save(written)
    return written.getvalue()


def random_simswap(seed: int = 0, *, zero_padding: bool = False) -> SimSwap:
    """The network with random weights that keep every layer's variance."""
    torch.manual_seed(seed)
    network = SimSwap(zero_padding=zero_padding)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network.eval()


def _layer(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: str = "zeros"
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, padding_mode=padding
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _normalised(x: Tensor) -> Tensor:
    """Instance norm without gains, written so that it is exported as one operator."""
    return F.instance_norm(x, eps=EPSILON)


def main() -> None:
    """Write the file and say how large the network is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, choices=(224, 256))
    parser.add_argument("--zero-padding", action="store_true")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    network = random_simswap(zero_padding=given.zero_padding)
    write_asset(given.output, simswap_onnx(network, given.size))
    rows = layer_table(network, given.size)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    macs = sum(row.macs for row in rows)
    print(f"{given.output}: {parameters / 1e6:.2f} M parameters, {macs / 1e9:.1f} GMAC")


if __name__ == "__main__":
    main()
