"""List the networks of ``assets/`` in ``assets/models.toml``: python -m training.bundle.

Run it after any of them has changed: what is loaded must have the sha256 listed. Tensors are read
from the files; licence, normalisation and template are said here.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import onnx
import tomlkit
from onnx import helper

from training.asset_file import write_asset

ASSETS = Path(__file__).resolve().parent.parent / "assets"
LICENCE = "Apache-2.0"
ARCFACE = "ArcFace five points, 112 px"
MADE_OF = "quantised_from"  # in a file's metadata: sha256 of the float32 file it was made of
KNOWN = {
    "detector": {
        "what": "YuNet 2023mar layout",
        "normalisation": "BGR, 0 to 255; sides a multiple of 32",
    },
    "recognizer": {
        "what": "identity embedding of length 1",
        "normalisation": "RGB, 0 to 1",
        "template": ARCFACE,
    },
    "occluder": {
        "what": "visible face, eyes, brows and mouth in the aligned square",
        "normalisation": "RGB, 0 to 1",
        "template": f"{ARCFACE}, plus 8 px on both axes in 128 px",
    },
    "appearance": {
        "what": "what a source looks like beside its identity, of length 1",
        "normalisation": "RGB, 0 to 1",
        "template": ARCFACE,
    },
    "swapper_identity": {"what": "source to the generator's gains, run once per source"},
    "swapper_int8": {
        "what": "swap generator in int8, for engines that calculate in it",
        "variant": "int8",
    },
    "swapper": {
        "what": "swap generator",
        "normalisation": "RGB, 0 to 1, both ways",
        "template": f"{ARCFACE}, plus 8 px on both axes in 128 px",
    },
}


def tensors_of(values: list[onnx.ValueInfoProto]) -> list[str]:
    """``name: float32 1x3x112x112`` for each tensor."""
    lines = []
    for value in values:
        tensor = value.type.tensor_type
        dims = [dim.dim_param or str(dim.dim_value or "?") for dim in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        lines.append(f"{value.name}: {dtype} {' x '.join(dims)}")
    return lines


def listing(folder: Path) -> tomlkit.TOMLDocument:
    """The list of the networks found in ``folder``."""
    document = tomlkit.document()
    document.add(tomlkit.comment("The bundled models. Written by: python -m training.bundle"))
    entries = tomlkit.aot()
    for name, facts in KNOWN.items():
        path = folder / f"{name}.onnx"
        if not path.is_file():
            continue
        data = path.read_bytes()
        model = onnx.load_from_string(data)
        graph = model.graph
        made_of = {item.key: item.value for item in model.metadata_props}.get(MADE_OF)
        entry = tomlkit.table()
        entry.update(
            {
                "name": name,
                "file": path.name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "licence": LICENCE,
                **facts,
                **({"of": made_of} if made_of else {}),
                "inputs": tensors_of(list(graph.input)),
                "outputs": tensors_of(list(graph.output)),
            }
        )
        entries.append(entry)
    document.add("model", entries)
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=ASSETS)
    folder = parser.parse_args().assets
    document = listing(folder)
    write_asset(folder / "models.toml", tomlkit.dumps(document).encode())
    for entry in document["model"]:
        print(f"{entry['name']}: {entry['bytes']} bytes, sha256 {entry['sha256'][:12]}")


if __name__ == "__main__":
    main()
