"""``build_engines.py``: builds, lists and checks the engines of an NVIDIA GPU."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from app.cli.parser import Parser
from app.errors import AppError

if TYPE_CHECKING:
    from engines.build_checks import OpenEngine
    from engines.build_progress import Progress
    from engines.building import Outcome
    from engines.manifest import ModelFile, ModelStore

DESCRIPTION = (
    "Build the networks into engines for this computer's NVIDIA GPU, compare each with the "
    "reference, and keep those that give the same answers. A build that was interrupted goes on "
    "where it ended."
)
_TOLD_EVERY_S = 0.2


def build_parser() -> argparse.ArgumentParser:
    """The words of ``build_engines.py``; sets ``run``, as the sub-commands do."""
    parser = Parser(prog="build_engines.py", description=DESCRIPTION)
    parser.add_argument("--model", metavar="NAME", action="append", help="this network alone")
    parser.add_argument("--precision", choices=("fp16", "fp32"), default="fp16")
    parser.add_argument(
        "--compute-capability",
        metavar="8.6",
        help="build for another GPU (TensorRT-RTX only); its engines are checked on that computer",
    )
    parser.add_argument("--rebuild", action="store_true", help="also what is there already")
    parser.add_argument("--low-memory", action="store_true", help="slower, with less GPU memory")
    parser.add_argument("--folder", type=Path, help="where engines are kept")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="say what is there and stop")
    action.add_argument("--verify", action="store_true", help="compare what is there once more")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one document for programs")
    output.add_argument("--events", action="store_true", help="print a JSON line for each step")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, open_engine: OpenEngine | None = None) -> int:
    """Do it; 0 where all is built and well, else ``AppError`` says what is not.

    ``open_engine`` makes a backend of an engine (default: on this computer's GPU).
    """
    if not arguments.list and importlib.util.find_spec("onnx") is None:
        raise AppError("The package onnx is needed to build engines.", "Run: pip install onnx")
    from engines.manifest import ModelStore

    store = ModelStore()
    models = _chosen(store, arguments.model)
    if arguments.list:
        return _list(arguments, models)
    return _build(arguments, store, models, open_engine)


def _chosen(store: ModelStore, names: list[str] | None) -> list[tuple[str, ModelFile]]:
    """The networks asked for, each with the swapper that uses it."""
    from engines.manifest import OWN_SWAPPER

    found = [(OWN_SWAPPER, file) for file in store.networks()]
    for card in store.cards()[0]:
        found += [(card.name, f) for f in (card.generator, card.recognizer) if f is not None]
    if names is None:
        return found
    known = [file.path.stem for _, file in found]
    for name in names:
        if name not in known:
            raise AppError(f"There is no network {name!r}; there are {', '.join(known)}.")
    return [(swapper, file) for swapper, file in found if file.path.stem in names]


def _list(arguments: argparse.Namespace, models: list[tuple[str, ModelFile]]) -> int:
    from app.cli.build_listing import listing, table

    found = listing(arguments, [file for _, file in models])
    print(json.dumps(found) if arguments.json or arguments.events else "\n".join(table(found)))
    return 0


def _build(
    arguments: argparse.Namespace,
    store: ModelStore,
    models: list[tuple[str, ModelFile]],
    open_engine: OpenEngine | None,
) -> int:
    from engines.build_target import choose_target
    from engines.building import BuildOptions, EngineBuilder
    from engines.engine_file import EngineFiles, engines_folder
    from engines.probes import Probe, record_probes
    from engines.tensorrt_backend import TensorRTBackend
    from engines.tensorrt_plan import BuildCancelledError
    from engines.tensorrt_runtime import load_runtime

    trt = load_runtime()
    target = choose_target(trt, arguments.compute_capability)
    files = EngineFiles(arguments.folder or engines_folder())
    probes: dict[str, Probe] = {}
    for swapper in dict.fromkeys(swapper for swapper, _ in models):
        probes |= record_probes(store, swapper)
    reporter = _Reporter(arguments)
    options = BuildOptions(arguments.precision, arguments.low_memory, arguments.rebuild)
    with _cancelled_by_signals() as cancelled:
        builder = EngineBuilder(
            files,
            trt,
            target,
            probes,
            options,
            reporter.progress,
            cancelled.is_set,
            open_engine or TensorRTBackend,
        )
        files_of_models = [file for _, file in models]
        try:
            if arguments.verify:
                outcomes = builder.verify_all(files_of_models)
            else:
                outcomes = builder.build(files_of_models)
        except BuildCancelledError:
            reporter.cancelled()
            raise
    failed = [
        outcome
        for outcome in outcomes
        if outcome.state == "failed" or (arguments.verify and outcome.check != "passed")
    ]
    reporter.end(
        {
            "ok": not failed,
            "runtime": f"{trt.name} {trt.version}",
            "gpu": target.gpu,
            "compute_capability": target.compute_capability,
            "folder": str(files.folder),
            "engines": [outcome.as_json() for outcome in outcomes],
        },
        outcomes,
    )
    if failed:
        first = f"{failed[0].model}: {failed[0].sentence.rstrip('.')}."
        what = "were not checked or failed" if arguments.verify else "cannot be used"
        raise AppError(f"{len(failed)} of {len(outcomes)} engines {what}; {first}")
    return 0


class _Reporter:
    """Says what happens: lines for people on standard error, or JSON on standard output."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._json, self._events = arguments.json, arguments.events
        self._told_at, self._said = 0.0, ("", "")

    def progress(self, progress: Progress) -> None:
        """Pass it on: each new stage to people, some five a second to a program."""
        stage = (progress.model, progress.stage)
        now = time.monotonic()
        if self._events:
            if stage != self._said or now - self._told_at >= _TOLD_EVERY_S:
                self._told_at = now
                _line({"event": "progress"} | asdict(progress))
        elif stage != self._said:
            left = progress.remaining_s
            wait = "" if left is None else f", about {left:.0f} s left"
            print(
                f"[{progress.number}/{progress.count}] {progress.model}: {progress.stage} "
                f"({progress.elapsed_s:.0f} s{wait})",
                file=sys.stderr,
            )
        self._said = stage

    def cancelled(self) -> None:
        """A program is told apart from a failure what somebody wanted."""
        if self._events:
            _line({"event": "cancelled"})

    def end(self, report: dict[str, Any], outcomes: list[Outcome]) -> None:
        """The result."""
        if self._events:
            _line({"event": "report"} | report)
        elif self._json:
            print(json.dumps(report))
        else:
            print(f"{report['runtime']}, for {report['gpu']} ({report['compute_capability']})")
            for outcome in outcomes:
                kept = f", {outcome.kept_float} in FP32" if outcome.kept_float else ""
                size = f"{outcome.bytes / 1e6:.1f} MB"
                if not outcome.file:
                    print(f"{outcome.model}: {outcome.state}: {outcome.sentence}")
                    continue
                print(
                    f"{outcome.model}: {outcome.state}, {outcome.precision}{kept}, {size}, "
                    f"{outcome.seconds:.1f} s; check {outcome.sentence}"
                )
                if outcome.cast_sentence:
                    print(f"    float16 network, on the CPU: {outcome.cast_sentence}")


def _line(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


@contextlib.contextmanager
def _cancelled_by_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event; an exception must not pass through the builder's C++."""
    cancelled = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield cancelled
        return

    def stop(number: int, frame: FrameType | None) -> None:
        cancelled.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
