"""What ``build_engines.py --list`` says: the runtime, the GPU, and the state of each engine."""

from __future__ import annotations

import argparse
from typing import Any

from app.errors import AppError
from engines.build_target import Target, key_for
from engines.cuda import find_gpu
from engines.engine_file import ANY_GPU, EngineFiles, EngineRecord, engines_folder
from engines.manifest import ModelFile
from engines.tensorrt_runtime import TensorRT, load_runtime

READY = "ready"
MISSING = "not built"


def listing(arguments: argparse.Namespace, models: list[ModelFile]) -> dict[str, Any]:
    """The document of ``--list --json``; works without a runtime and without a GPU."""
    files = EngineFiles(arguments.folder or engines_folder())
    document: dict[str, Any] = {"runtime": None, "gpu": None, "compute_capability": None}
    document["problems"] = []
    trt, target = None, None
    try:
        trt = load_runtime()
        document["runtime"] = f"{trt.name} {trt.version}"
    except AppError as error:
        document["problems"].append({"what": error.what, "fix": error.remedy})
    try:
        gpu = find_gpu()
        document |= {"gpu": gpu.name, "compute_capability": gpu.compute_capability}
        target = Target(gpu.name, gpu.compute_capability, True, gpu.driver_cuda)
    except AppError as error:
        document["problems"].append({"what": error.what, "fix": error.remedy})
    document["folder"] = str(files.folder)
    records = files.records()
    rows = []
    for model in models:
        own = [record for record in records if record.key.model == model.path.stem]
        if not own:
            rows.append({"model": model.path.stem, "state": MISSING})
        rows += [_row(files, record, _state(files, record, model, trt, target)) for record in own]
    document["engines"] = rows
    return document


def table(document: dict[str, Any]) -> list[str]:
    """The same for people."""
    lines = [
        f"Runtime  {document['runtime'] or 'none'}",
        f"GPU      {document['gpu'] or 'none'}",
        f"Folder   {document['folder']}",
    ]
    for row in document["engines"]:
        if row["state"] == MISSING:
            lines.append(f"{row['model']}: {MISSING}")
            continue
        kept = f" ({row['kept_float']} in FP32)" if row["kept_float"] else ""
        lines.append(
            f"{row['model']}: {row['precision']}{kept}, {row['gpu']} {row['compute_capability']}, "
            f"{row['bytes'] / 1e6:.1f} MB: {row['state']}"
        )
    return [*lines, *(f"Note: {p['what']} {p['fix']}".rstrip() for p in document["problems"])]


def _state(
    files: EngineFiles,
    record: EngineRecord,
    model: ModelFile,
    trt: TensorRT | None,
    target: Target | None,
) -> str:
    """``ready``, or why this computer does not use it."""
    key = record.key
    if trt is None:
        return f"not used: {key.runtime} is not installed"
    here = target or Target(ANY_GPU, key.compute_capability, False)
    wanted = key_for(trt, here, key.model, model.sha256, key.precision)
    reason = files.refusal(record, wanted)
    return f"not used: {reason}" if reason else READY


def _row(files: EngineFiles, record: EngineRecord, state: str) -> dict[str, Any]:
    key = record.key
    return {
        "model": key.model,
        "state": state,
        "file": str(files.path(key)),
        "bytes": record.bytes,
        "precision": key.precision,
        "kept_float": record.kept_float,
        "shapes": record.shapes_text,
        "gpu": key.gpu,
        "compute_capability": key.compute_capability,
        "runtime": f"{key.runtime} {key.runtime_version}",
        "check": record.check,
        "check_sentence": record.check_sentence,
        "seconds": record.seconds,
    }
