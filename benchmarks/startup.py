"""From the command to the first swapped frame in the window: ``python -m benchmarks.startup``.

Starts the program as a user would, several times, with the built-in demo and the first persona, and
closes it after the first frame with a swapped face was painted. Prints seconds since the process
was started, and where they went. Needs a display (``xvfb-run -a``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

MARKS = ("python", "imports", "networks", "window", "swapped")


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=float, metavar="STARTED_AT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        return _child(arguments.child)
    with tempfile.TemporaryDirectory() as home:
        runs = [_one(home) for _ in range(arguments.runs + 1)][1:]  # the first one is not warm
    medians = {mark: round(statistics.median(run[mark] for run in runs), 3) for mark in MARKS}
    worst = round(max(run["swapped"] for run in runs), 3)
    if arguments.json:
        print(json.dumps({"seconds": medians, "worst": worst, "runs": len(runs)}))
        return 0
    for mark, seconds in medians.items():
        print(f"{mark:<10}{seconds:7.3f} s")
    print(f"{'worst':<10}{worst:7.3f} s of {len(runs)} runs")
    return 0


def _one(home: str) -> dict[str, float]:
    """The marks of one start, in seconds since the process was asked for."""
    command = [sys.executable, "-m", "benchmarks.startup", "--child", repr(time.time())]
    environment = os.environ | {"OMOKAGE_HOME": home}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"The program ended with {done.returncode}.")
    marks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return marks


def _child(started_at: float) -> int:
    """The program itself, with a look at when each step was done."""
    marks = {"python": time.time() - started_at}

    def mark(name: str) -> None:
        marks.setdefault(name, time.time() - started_at)

    import app.cli.windowed as windowed
    from app.__main__ import main as program
    from app.gui.preview import Preview
    from app.gui.window import MainWindow

    mark("imports")
    windowed.load_engines = _followed_by(windowed.load_engines, lambda: mark("networks"))
    MainWindow.showEvent = _followed_by(  # type: ignore[method-assign]
        MainWindow.showEvent, lambda: mark("window")
    )
    paint = Preview.paintEvent

    def painted(preview: Preview, event: Any) -> None:
        paint(preview, event)
        if preview.shown is not None and preview.shown.swapped and "swapped" not in marks:
            mark("swapped")
            preview.window().close()

    Preview.paintEvent = painted  # type: ignore[method-assign]
    status = program(["run", "--camera", "demo"])
    print(json.dumps(marks))
    return status


def _followed_by(call: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    def both(*positional: Any, **named: Any) -> Any:
        result = call(*positional, **named)
        then()
        return result

    return both


if __name__ == "__main__":
    sys.exit(main())
