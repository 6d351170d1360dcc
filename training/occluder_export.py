"""State to ONNX: ``python -m training.occluder_export --state FILE.pt --output FILE.onnx``.

The graph: ``input`` n x 3 x 128 x 128 float32, RGB in [0, 1], to ``parts`` n x 4 x 128 x 128 in
[0, 1]: visible face, eyes, brows, mouth. Batch norms are folded, weights stored as float16 and cast
at load.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.occluder_labels import SIDE
from training.occluder_model import Occluder, OccluderShape, Unit
from training.recognizer_export import forget_origin, halved

OPSET = 18
MOST_APART = 0.02  # between the PyTorch network's and the file's answer, of 1, anywhere


class _Parts(nn.Module):
    def __init__(self, occluder: Occluder) -> None:
        super().__init__()
        self.occluder = occluder

    def forward(self, pictures: Tensor) -> Tensor:
        return self.occluder(pictures).sigmoid()


def folded(model: Occluder) -> Occluder:
    """A copy in eval mode whose batch norms are folded into their convolutions."""
    model = copy.deepcopy(model).eval()
    for part in model.modules():
        if isinstance(part, Unit):
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            part.norm = nn.Identity()
    return model


def to_onnx(model: Occluder) -> onnx.ModelProto:
    """The float32 graph of ``model``, answers between 0 and 1."""
    program = torch.onnx.export(
        _Parts(folded(model)).eval(),
        (torch.rand(2, 3, SIDE, SIDE),),
        input_names=["input"],
        output_names=["parts"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    graph = program.model_proto
    forget_origin(graph)
    return graph


def apart(model: Occluder, graph: onnx.ModelProto, pictures: Tensor) -> float:
    """The largest difference between the network's and the graph's answers."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["parts"], {"input": pictures.numpy()})
    with torch.no_grad():
        wanted = model.eval()(pictures).sigmoid().numpy()
    return float(abs(found - wanted).max())


def export(model: Occluder, output: Path) -> float:
    """Write ``model`` and return how far the file's answers are from its own, at most.

    :raises RuntimeError: when that is above ``MOST_APART``; nothing is written then.
    """
    model = copy.deepcopy(model).eval()
    graph = halved(to_onnx(model))
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(6, 3, SIDE, SIDE, generator=generator)
    smooth = nn.functional.interpolate(noise[..., ::16, ::16], (SIDE, SIDE), mode="bicubic")
    worst = apart(model, graph, torch.cat([noise, smooth.clamp(0, 1)]))
    if worst > MOST_APART:
        raise RuntimeError(f"the file's answers are off by {worst:.4f}, at most {MOST_APART}")
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_suffix(".part")
    part.write_bytes(graph.SerializeToString())
    part.replace(output)
    return worst


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = Occluder(OccluderShape())
    model.load_state_dict(torch.load(args.state, weights_only=True))
    worst = export(model, args.output)
    print(f"{args.output}: {args.output.stat().st_size} bytes, off by {worst:.5f} at most")


if __name__ == "__main__":
    main()
