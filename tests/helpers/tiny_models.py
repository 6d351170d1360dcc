"""Tiny ONNX networks with the signatures of the real ones, whose answers can be worked out by hand.

Each function returns the bytes of a model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import tomlkit
from onnx import TensorProto, helper, numpy_helper

GAINS = 6
EMBEDDING = 128
LOOKS = 128  # values of an appearance


def _value(name: str, shape: list[int | str], half: bool = False) -> onnx.ValueInfoProto:
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, shape)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray],
) -> bytes:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def detector() -> bytes:
    """YuNet's 12 outputs: a face wherever the mean blue of a stride-8 cell is near 255.

    ``cls`` and ``obj`` are mean blue / 255 at stride 8 and 0 at the others; boxes are 10 x 10
    cells centred on the cell's corner, landmarks lie on a fixed cross around it.
    """
    blue = np.array([1 / 255, 0, 0], np.float32).reshape(1, 3, 1, 1)
    nodes = [helper.make_node("Conv", ["input", "blue"], ["share"], kernel_shape=[1, 1])]
    weights: dict[str, np.ndarray] = {"blue": blue}
    outputs = []
    for stride in (8, 16, 32):
        nodes.append(
            helper.make_node(
                "AveragePool",
                ["share"],
                [f"mean_{stride}"],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
            )
        )
        on = 1.0 if stride == 8 else 0.0
        kps = np.array([-1, -1, 1, -1, 0, 0, -1, 1, 1, 1], np.float32)
        box = np.array([0, 0, np.log(10), np.log(10)], np.float32)
        heads = {
            "cls": (np.full(1, on), np.zeros(1)),
            "obj": (np.full(1, on), np.zeros(1)),
            "bbox": (np.zeros(4), box),
            "kps": (np.zeros(10), kps),
        }
        for kind, (gain, bias) in heads.items():
            name, size = f"{kind}_{stride}", len(gain)
            weights[f"{name}.w"] = gain.astype(np.float32).reshape(size, 1, 1, 1)
            weights[f"{name}.b"] = bias.astype(np.float32)
            weights[f"{name}.s"] = np.array([1, -1, size], np.int64)
            nodes += [
                helper.make_node(
                    "Conv", [f"mean_{stride}", f"{name}.w", f"{name}.b"], [f"{name}.map"]
                ),
                helper.make_node("Transpose", [f"{name}.map"], [f"{name}.t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}.t", f"{name}.s"], [name]),
            ]
            outputs.append(_value(name, [1, f"n_{stride}", size]))
    outputs.sort(key=lambda item: ("cls", "obj", "bbox", "kps").index(item.name.split("_")[0]))
    return _model(nodes, [_value("input", [1, 3, "height", "width"])], outputs, weights)


def recognizer(width: int = EMBEDDING, *, bias: float = 0.01) -> bytes:
    """Mean colour of 4 x 4 tiles through a fixed random matrix; not of length 1."""
    return _tiles(width, bias, "embedding", seed=7)


def appearance(width: int = LOOKS, *, seed: int = 11) -> bytes:
    """As ``recognizer``, through the matrix of a ``seed`` and with another output."""
    return _tiles(width, 0.02, "appearance", seed=seed)


def _tiles(width: int, bias: float, output: str, *, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    weights = {
        "matrix": rng.normal(size=(48, width)).astype(np.float32),
        "bias": np.full(width, bias, np.float32),
        "flat": np.array([0, 48], np.int64),
    }
    nodes = [
        helper.make_node(
            "AveragePool", ["input"], ["tiles"], kernel_shape=[28, 28], strides=[28] * 2
        ),
        helper.make_node("Reshape", ["tiles", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], [output]),
    ]
    return _model(
        nodes, [_value("input", ["n", 3, 112, 112])], [_value(output, ["n", width])], weights
    )


def identity(gains: int = GAINS, *, looks: int = 0) -> bytes:
    """``gains`` are the first values of ``embedding``.

    With ``looks`` that many values of appearance follow the embedding, and the last three gains are
    the first of them.
    """
    width = EMBEDDING + looks
    matrix = np.eye(width, gains, dtype=np.float32)
    if looks:
        matrix[:, -3:] = np.eye(width, 3, -EMBEDDING, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["embedding", "matrix"], ["gains"])]
    inputs, outputs = [_value("embedding", ["n", width])], [_value("gains", ["n", gains])]
    return _model(nodes, inputs, outputs, {"matrix": matrix})


def generator(gains: int = GAINS, *, mask: bool = False) -> bytes:
    """``output`` is ``target`` plus the first three gains as RGB; ``mask`` is its red channel."""
    weights = {
        "pick": np.eye(gains, 3, dtype=np.float32),
        "shape": np.array([-1, 3, 1, 1], np.int64),
        "red": np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1),
    }
    nodes = [
        helper.make_node("MatMul", ["gains", "pick"], ["colour"]),
        helper.make_node("Reshape", ["colour", "shape"], ["added"]),
        helper.make_node("Add", ["target", "added"], ["output"]),
    ]
    outputs = [_value("output", ["n", 3, 128, 128])]
    if mask:
        nodes.append(helper.make_node("Conv", ["target", "red"], ["mask"], kernel_shape=[1, 1]))
        outputs.append(_value("mask", ["n", 1, 128, 128]))
    else:
        del weights["red"]
    inputs = [_value("target", ["n", 3, 128, 128]), _value("gains", ["n", gains])]
    return _model(nodes, inputs, outputs, weights)


def occluder(*, clear: bool = False) -> bytes:
    """``parts`` are red, green, nothing and blue; where ``clear``, all is visible face."""
    weights = {
        "gain": np.zeros((4, 3, 1, 1), np.float32),
        "bias": np.array([1.0 if clear else 0.0, 0, 0, 0], np.float32),
    }
    if not clear:
        for part, colour in ((0, 0), (1, 1), (3, 2)):
            weights["gain"][part, colour] = 1
    nodes = [helper.make_node("Conv", ["input", "gain", "bias"], ["parts"], kernel_shape=[1, 1])]
    outputs = [_value("parts", ["n", 4, 128, 128])]
    return _model(nodes, [_value("input", ["n", 3, 128, 128])], outputs, weights)


def embedding_swapper(size: int, width: int = 512, *, half: bool = False) -> bytes:
    """SimSwap's signature: ``target``, ``source`` 1 x d; ``output`` is target + source[:3]."""
    kind = np.float16 if half else np.float32
    weights = {"pick": np.eye(width, 3, dtype=kind), "shape": np.array([1, 3, 1, 1], np.int64)}
    return _swap_by_source(size, width, weights, half)


def inswapper(emap: np.ndarray, *, half: bool = False) -> bytes:
    """INSwapper's signature at 128 px, with ``emap`` (d x d) unused as the file's last weight."""
    width = len(emap)
    kind = np.float16 if half else np.float32
    weights = {
        "pick": np.eye(width, 3, dtype=kind),
        "shape": np.array([1, 3, 1, 1], np.int64),
        "other": np.zeros((width, width), kind),
        "emap": emap.astype(kind),
    }
    return _swap_by_source(128, width, weights, half)


def _swap_by_source(size: int, width: int, weights: dict[str, np.ndarray], half: bool) -> bytes:
    nodes = [
        helper.make_node("MatMul", ["source", "pick"], ["colour"]),
        helper.make_node("Reshape", ["colour", "shape"], ["added"]),
        helper.make_node("Add", ["target", "added"], ["output"]),
    ]
    inputs = [_value("target", [1, 3, size, size], half), _value("source", [1, width], half)]
    return _model(nodes, inputs, [_value("output", [1, 3, size, size], half)], weights)


def blendface() -> bytes:
    """BlendSwap's signature: ``source`` 1x3x112x112 and ``target`` 1x3x256x256.

    ``output`` is ``target`` plus the source's mean colour.
    """
    nodes = [
        helper.make_node("GlobalAveragePool", ["source"], ["colour"]),
        helper.make_node("Add", ["target", "colour"], ["output"]),
    ]
    inputs = [_value("target", [1, 3, 256, 256]), _value("source", [1, 3, 112, 112])]
    return _model(nodes, inputs, [_value("output", [1, 3, 256, 256])], {})


def add_int8(folder: Path, *, of: str | None = None) -> bytes:
    """List an int8 file of the swapper in a bundle; ``of`` is the sha256 it was made of."""
    document = tomlkit.parse((folder / "models.toml").read_text(encoding="utf-8"))
    data = generator(mask=True)
    (folder / "swapper_int8.onnx").write_bytes(data)
    plain = hashlib.sha256((folder / "swapper.onnx").read_bytes()).hexdigest()
    entry = {
        "name": "swapper_int8",
        "file": "swapper_int8.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "licence": "Apache-2.0",
        "variant": "int8",
        "of": of or plain,
    }
    document["model"].append(entry)
    (folder / "models.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    return data


def put(folder: Path, name: str, data: bytes) -> None:
    """Another network in the place of one in a bundle, listed as it is now."""
    document = tomlkit.parse((folder / "models.toml").read_text(encoding="utf-8"))
    (entry,) = (entry for entry in document["model"] if entry["name"] == name)
    entry.update({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    (folder / entry["file"]).write_bytes(data)
    (folder / "models.toml").write_text(tomlkit.dumps(document), encoding="utf-8")


def bundle(folder: Path, *, mask: bool = False, looks: int = 0) -> Path:
    """A folder like ``assets``: the five tiny networks and their ``models.toml``.

    With ``looks`` a sixth, the appearance network of so many values, which the identity network
    takes beside the embedding.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = {
        "detector": detector(),
        "recognizer": recognizer(),
        "swapper_identity": identity(looks=looks),
        "swapper": generator(mask=mask),
        "occluder": occluder(clear=True),
    }
    if looks:
        models["appearance"] = appearance(looks)
    entries = []
    for name, data in models.items():
        (folder / f"{name}.onnx").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        entries.append(
            {
                "name": name,
                "file": f"{name}.onnx",
                "sha256": digest,
                "bytes": len(data),
                "licence": "Apache-2.0",
            }
        )
    (folder / "models.toml").write_text(tomlkit.dumps({"model": entries}), encoding="utf-8")
    return folder
