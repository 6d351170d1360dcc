"""The identity network the generator learns from: a frozen MobileFaceNet (Chen et al. 2018,
arXiv:1804.07573) read from a state dict, differentiable with respect to its input."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CROP_PX = 112
EMBEDDING = 128
# (channels in, expanded, out, stride of the depthwise convolution, residual)
_BLOCKS = (
    (64, 128, 64, 2, False),
    *((64, 128, 64, 1, True),) * 4,
    (64, 256, 128, 2, False),
    *((128, 256, 128, 1, True),) * 6,
    (128, 512, 128, 2, False),
    *((128, 256, 128, 1, True),) * 2,
)


class _Bottleneck(nn.Module):
    def __init__(self, inner: int, middle: int, outer: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv = nn.Sequential(
            nn.Sequential(nn.Conv2d(inner, middle, 1, bias=False), nn.BatchNorm2d(middle)),
            nn.Sequential(
                nn.Conv2d(middle, middle, 3, stride, 1, groups=middle, bias=False),
                nn.BatchNorm2d(middle),
            ),
            nn.Conv2d(middle, outer, 1, bias=False),
            nn.BatchNorm2d(outer),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.conv[0](x))
        y = self.conv[3](self.conv[2](F.relu6(self.conv[1](y))))
        return x + y if self.residual else y


class Teacher(nn.Module):
    """RGB in [0, 1], n x 3 x 112 x 112, to unit embeddings n x 128."""

    def __init__(self, file: Path) -> None:
        """
        :raises RuntimeError: when the state dict is of another network.
        """
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64))
        self.dw_conv = nn.ModuleDict(
            {
                "depthwise": nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False),
                "bn1": nn.BatchNorm2d(64),
                "pointwise": nn.Conv2d(64, 64, 1, bias=False),
                "bn2": nn.BatchNorm2d(64),
            }
        )
        self.features = nn.Sequential(*(_Bottleneck(*block) for block in _BLOCKS))
        self.conv2 = nn.Sequential(nn.Conv2d(128, 512, 1, bias=False), nn.BatchNorm2d(512))
        self.gdconv = nn.ModuleDict(
            {
                "depthwise": nn.Conv2d(512, 512, 7, groups=512, bias=False),
                "bn": nn.BatchNorm2d(512),
            }
        )
        self.conv3 = nn.Conv2d(512, EMBEDDING, 1)
        self.bn = nn.BatchNorm2d(EMBEDDING)
        self.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        _fold(self)

    def forward(self, crops: Tensor) -> Tensor:
        x = ((crops - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.conv1(x))
        first = self.dw_conv
        x = F.relu(first["bn1"](first["depthwise"](x)))
        x = F.relu(first["bn2"](first["pointwise"](x)))
        x = F.relu6(self.conv2(self.features(x)))
        x = self.gdconv["bn"](self.gdconv["depthwise"](x))
        return F.normalize(self.bn(self.conv3(x)).flatten(1))


def _fold(root: nn.Module) -> None:
    """Fold every batch norm into the convolution before it: the network is frozen."""
    for module in root.modules():
        before: nn.Conv2d | None = None
        holder: tuple[nn.Module, str] | None = None
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                before, holder = child, (module, name)
            elif isinstance(child, nn.BatchNorm2d) and before is not None and holder is not None:
                fused = nn.utils.fusion.fuse_conv_bn_eval(before, child)
                fused.requires_grad_(False).to(memory_format=torch.channels_last)
                setattr(*holder, fused)
                setattr(module, name, nn.Identity())
                before = None
