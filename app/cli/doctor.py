"""``omokage doctor``: what this machine has, what is wrong with it, and the fix."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.cli.examination import Examination


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor``."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine has, what is wrong, and the fix",
        description="Look at this machine and the installation. The result can be pasted into a "
        "report: it names no person and no picture.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--camera",
        action="store_true",
        help="film with each camera for two seconds and say what slows it",
    )
    parser.add_argument(
        "--fix-camera", action="store_true", help="the same, and mend what can be mended"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 0 where nothing is wrong, 1 otherwise."""
    if arguments.camera or arguments.fix_camera:
        return _check_cameras(fix=arguments.fix_camera, as_json=arguments.json)
    from app.cli.examination import examine

    found = examine()
    print(json.dumps(found.as_json()) if arguments.json else "\n".join(_lines(found)))
    return 0 if found.ok else 1


def _check_cameras(*, fix: bool, as_json: bool) -> int:
    from app.cli.camera_check import check_all

    checked = check_all(fix=fix)
    ok = bool(checked) and all(one.ok for one in checked)
    if as_json:
        print(json.dumps({"ok": ok, "cameras": [one.as_json() for one in checked]}))
    else:
        print("\n".join(line for one in checked for line in one.lines()) or "There is no camera.")
    return 0 if ok else 1


def _gpu(gpu: dict[str, Any]) -> str:
    if not gpu["ok"]:
        return f"none to use: {gpu['note']}"
    return (
        f"{gpu['name']}, {gpu['memory_bytes'] / 2**30:.0f} GiB, compute capability "
        f"{gpu['compute_capability']}, driver for CUDA {gpu['driver_cuda']}"
    )


def _output(one: dict[str, Any]) -> str:
    return f"{one['kind']}: {one['name'] if one['ok'] else 'not here'}"


def _rung(rung: dict[str, Any]) -> str:
    runs = f"runs {', '.join(rung['runs'])}. " if rung["runs"] else ""
    return f"  {rung['name']:<18}{runs}{rung['why_not']}".rstrip()


def _lines(found: Examination) -> list[str]:
    rows = [
        ("Omokage", found.version),
        ("System", found.system),
        ("GPU", _gpu(found.gpu)),
        ("Packages", ", ".join(f"{name} {version}" for name, version in found.packages.items())),
        ("Engines", "; ".join(f"{e['name']}: {e['note']}" for e in found.engines) or "none"),
        ("Models", "; ".join(f"{name} {state}" for name, state in found.models.items()) or "none"),
        ("Personas", ", ".join(found.personas) or "none"),
        ("Cameras", "; ".join(f"{c['id']} {c['name']}" for c in found.cameras) or "none"),
        ("Outputs", "; ".join(_output(one) for one in found.outputs) or "none"),
        ("Folders", found.folders),
    ]
    lines = [f"{title:<10}{text}" for title, text in rows]
    lines += ["", "Engines, the preferred ones first:", *(_rung(rung) for rung in found.chain)]
    for title, findings in (("Wrong", found.problems), ("Note", found.notes)):
        for finding in findings:
            lines += ["", f"{title}: {finding.what}"]
            lines += [f"  Fix: {finding.fix}"] if finding.fix else []
    return [*lines, "", "All is well." if found.ok else f"{len(found.problems)} to be fixed."]
