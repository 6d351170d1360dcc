"""FaceRes (HSE, A. Savchenko, Apache-2.0), a recogniser of another school than the teacher.

MobileNet (Howard et al. 2017, arXiv:1704.04861) taught on VGGFace2 with a softmax. Its weights lie,
as a TensorFlow.js graph model (``faceres.json`` beside ``faceres.bin``), in the npm package
``@vladmandic/human`` (MIT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.graph_model import read

SIDE = 160  # of 224: half the work, and people are told apart as well
MEAN = (91.4953, 103.8827, 131.0912)  # of VGGFace2: blue, green, red
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the depthwise convolutions


class FaceRes(nn.Module):
    """RGB in [0, 1], n x 3 x 112 x 112 (the ArcFace crop), to n x 1024, none below 0.

    People are told apart by the cosine of what is off the mean of many faces.
    """

    def __init__(self, file: Path) -> None:
        """
        :raises ValueError: when the file is of another network.
        """
        super().__init__()
        values = _weights(file)
        try:
            self._keep("first", values["conv1/convolution/merged_input"], values["conv1_bn"])
            for n in range(1, len(STRIDES) + 1):
                kernel = values[f"conv_dw_{n}/depthwise_kernel"].transpose(0, 1, 3, 2)
                scaled = kernel * values[f"conv_dw_{n}_scale"]
                self._keep(f"wide_{n}", scaled, values[f"conv_dw_{n}_bn"])
                pointwise = values[f"conv_pw_{n}/convolution/merged_input"]
                self._keep(f"deep_{n}", pointwise, values[f"conv_pw_{n}_bn"])
        except KeyError as error:
            raise ValueError(f"{file.name} is not FaceRes: it has no {error.args[0]}") from error
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def _keep(self, name: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """A convolution's kernel as TensorFlow has it, height x width x in x out."""
        value = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        kept = value.contiguous(memory_format=torch.channels_last)
        self.register_buffer(f"{name}_kernel", kept)
        self.register_buffer(f"{name}_bias", torch.from_numpy(bias.copy()))

    def _layer(self, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
        room = kernel.shape[-1] - stride  # TensorFlow's "same" pads the lower right first
        x = F.pad(x, (room // 2, room - room // 2) * 2) if room > 0 else x
        return F.relu6(F.conv2d(x, kernel, bias, stride, groups=groups))

    def forward(self, crops: Tensor) -> Tensor:
        x = F.interpolate(crops, size=(SIDE, SIDE), mode="bilinear")
        x = x.flip(1) * 255 - self.mean
        x = self._layer("first", x.contiguous(memory_format=torch.channels_last), 2)
        for n, stride in enumerate(STRIDES, 1):
            x = self._layer(f"wide_{n}", x, stride, x.shape[1])
            x = self._layer(f"deep_{n}", x)
        return x.mean((2, 3)).float()


def _weights(file: Path) -> dict[str, NDArray[np.float32]]:
    """By layer; a batch norm's shift as ``LAYER_bn``, its scale as ``LAYER_scale``."""
    return {
        name.replace("_bn/batchnorm_1/sub", "_bn").replace("_bn/batchnorm_1/mul", "_scale"): value
        for name, value in read(file)[1].items()
    }
