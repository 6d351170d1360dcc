"""The teacher: a MobileFaceNet ONNX (Chen et al. 2018, arXiv:1804.07573), asked for inner maps too.

Only its answers are used: the student starts from random weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.onnx_session import opened

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)
# What the exported graph calls its maps at the stage borders.
MAPS = tuple(f"/features/features.{block}/Add_output_0" for block in (4, 11, 14))


class Features(NamedTuple):
    """Maps at the stage borders and the raw embedding, not normalised.

    at_28: n x 64 x 28 x 28, at_14: n x 128 x 14 x 14, at_7: n x 128 x 7 x 7, embedding: n x 128.
    """

    at_28: Tensor
    at_14: Tensor
    at_7: Tensor
    embedding: Tensor


class Teacher:
    """RGB in [0, 1], n x 3 x 112 x 112, to :class:`Features` without gradient."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        """
        :raises ValueError: when the graph has no tensors of the names in ``MAPS``.
        """
        model = onnx.load(file)
        known = {name for node in model.graph.node for name in node.output}
        if missing := [name for name in MAPS if name not in known]:
            raise ValueError(f"{file} has no tensor {missing[0]}: not the MobileFaceNet expected")
        self._input = model.graph.input[0].name
        self._outputs = [*MAPS, model.graph.output[0].name]
        for name in MAPS:
            model.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            )
        self._session = opened(model.SerializeToString(), threads)

    def __call__(self, pictures: NDArray[np.float32]) -> Features:
        feed = {self._input: (pictures - IMAGENET_MEAN) / IMAGENET_STD}
        return Features(*map(torch.from_numpy, self._session.run(self._outputs, feed)))
