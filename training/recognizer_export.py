"""Checkpoint to ONNX: python -m training.recognizer_export --checkpoint last.pt --output FILE.

The graph: ``input`` n x 3 x 112 x 112 float32, RGB in [0, 1], to ``embedding`` n x 128, unit
length. Batch norms are folded, weights stored as float16 and cast at load.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.asset_file import write_asset
from training.onnx_session import opened
from training.recognizer_model import Recognizer

OPSET = 18
SIDE = 112
LEAST_COSINE = 0.9995  # between the PyTorch network and the file, on any picture


class _Embedding(nn.Module):
    def __init__(self, recognizer: Recognizer) -> None:
        super().__init__()
        self.recognizer = recognizer

    def forward(self, pictures: Tensor) -> Tensor:
        return normalize(self.recognizer(pictures).embedding)


def folded(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose batch norms are folded into the convolution before them."""
    model = copy.deepcopy(model).eval()
    for part in model.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for n in range(len(part) - 1):
            conv, norm = part[n], part[n + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part[n] = fuse_conv_bn_eval(conv, norm)
                part[n + 1] = nn.Identity()
    return model


def to_onnx(model: Recognizer) -> onnx.ModelProto:
    """The float32 graph of ``model`` with its output of unit length."""
    program = torch.onnx.export(
        _Embedding(folded(model)).eval(),
        (torch.rand(2, 3, SIDE, SIDE),),
        input_names=["input"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    graph = program.model_proto
    _forget_origin(graph)
    return graph


def _forget_origin(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes: they hold stack traces with the paths of the training machine."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""


def halved(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with float32 weights stored as float16, each followed by a Cast back."""
    result = onnx.ModelProto()
    result.CopyFrom(graph)
    casts = []
    for tensor in result.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or not tensor.dims:
            continue
        name = tensor.name
        weights = numpy_helper.to_array(tensor)
        if np.abs(weights).max(initial=0) > np.finfo(np.float16).max:
            raise ValueError(f"{name} does not fit float16")
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = list(result.graph.node)
    del result.graph.node[:]
    result.graph.node.extend(casts + nodes)
    del result.graph.value_info[:]
    onnx.checker.check_model(result)
    return result


def trial_pictures(count: int, side: int) -> Tensor:
    """``count`` pictures of noise and as many smooth ones, 2n x 3 x side x side in [0, 1], to ask
    a network and its file the same of."""
    noise = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.interpolate(noise[..., ::16, ::16], (side, side), mode="bicubic")
    return torch.cat([noise, smooth.clamp(0, 1)])


def least_cosine(model: Recognizer, graph: onnx.ModelProto, pictures: Tensor) -> float:
    """The worst cosine between the network's and the graph's embedding of ``pictures``."""
    session = opened(graph.SerializeToString())
    (found,) = session.run(["embedding"], {"input": pictures.numpy()})
    with torch.no_grad():
        wanted = normalize(model.eval()(pictures).embedding).numpy()
    return float((found * wanted).sum(axis=1).min())


def export(model: Recognizer, output: Path) -> float:
    """Write ``model`` and return the worst cosine measured between it and the file.

    :raises RuntimeError: when that is below ``LEAST_COSINE``; nothing is written then.
    """
    model = copy.deepcopy(model).eval()
    graph = halved(to_onnx(model))
    worst = least_cosine(model, graph, trial_pictures(8, SIDE))
    if worst < LEAST_COSINE:
        raise RuntimeError(f"the file's embeddings agree by {worst:.5f}, wanted {LEAST_COSINE}")
    write_asset(output, graph.SerializeToString())
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = Recognizer()
    model.load_state_dict(torch.load(args.checkpoint, weights_only=True)["ema"])
    worst = export(model, args.output)
    size_mb = args.output.stat().st_size / 1e6
    print(f"{args.output}: {size_mb:.2f} MB, worst cosine to the network {worst:.6f}")


if __name__ == "__main__":
    main()
