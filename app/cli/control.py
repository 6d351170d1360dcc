"""``omokage control``: gives a command to the Omokage that runs, for scripts and system keys."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli.options import pair
from app.errors import ControlError

SWITCH = {"on": True, "off": False, "toggle": "toggle"}


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--control`` and ``--scene`` of ``run``."""
    from app.cli.outputs import port

    group = parser.add_argument_group("control")
    group.add_argument(
        "--scene",
        metavar="NAME",
        help="a scene saved in the window: its faces, mask, light and badge",
    )
    group.add_argument(
        "--control",
        nargs="?",
        const=True,
        type=port,
        metavar="PORT",
        help="let programs of this machine give commands (see docs/control.md)",
    )


def chosen_control(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that ``--control`` stands for."""
    value = getattr(arguments, "control", None)
    if value is None:
        return {}
    return {"control.enabled": True, **({} if value is True else {"control.port": value})}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``control``."""
    parser = commands.add_parser(
        "control",
        help="give a command to the Omokage that runs",
        description="Give a command to the Omokage that runs on this machine with --control.",
    )
    actions = parser.add_subparsers(dest="word", metavar="COMMAND", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--address", metavar="ws://…", help="default: the one that runs")
    shared.add_argument("--json", action="store_true", help="print the answer as JSON")

    def add(word: str, text: str, fill: Callable[[argparse.Namespace], dict[str, Any]]) -> Any:
        action = actions.add_parser(word, parents=[shared], help=text)
        action.set_defaults(run=run, fill=fill)
        return action

    for word, text in (("swap", "turn the swap on or off"), ("record", "start or finish")):
        action = add(word, text, lambda a: {"on": SWITCH[a.on]})
        action.add_argument("on", choices=SWITCH, nargs="?", default="toggle")
    add("panic", "hide the picture at once", lambda _: {})
    action = add("resume", "show the picture again", lambda a: {"confirm": a.confirm})
    action.add_argument("--confirm", action="store_true", help="it is meant")
    action = add("source", "use these faces", lambda a: {"face": a.face})
    action.add_argument("face", nargs="+", metavar="FACE")
    action = add("scene", "show a scene", lambda a: {"name": a.name})
    action.add_argument("name", metavar="NAME")
    for word in ("mask", "badge"):
        action = add(word, f"change the {word}", lambda a: dict(_value(p) for p in a.pairs))
        action.add_argument("pairs", nargs="+", type=pair, metavar="NAME=VALUE")
    for word, text in (
        ("next-source", "use the next face"),
        ("next-scene", "show the next scene"),
        ("state", "how things stand"),
        ("metrics", "rates and times"),
        ("sources", "the faces there are"),
        ("scenes", "the scenes there are"),
    ):
        add(word, text, lambda _: {})
    action = add("watch", "print every change, one JSON object a line", lambda _: {})
    action.add_argument("--metrics", action="store_true", help="the metrics as well")


def run(arguments: argparse.Namespace) -> int:
    """Give it; 0 once it was carried out, ``ControlError`` otherwise."""
    from app.control.client import ControlClient, running_address
    from app.paths import control_address_path

    address = arguments.address or running_address(Path(control_address_path()))
    with ControlClient(address) as client:
        if arguments.word == "watch":
            topics = ["state", "metrics"] if arguments.metrics else ["state"]
            for message in client.watch({"do": "subscribe", "to": topics}):
                print(json.dumps(message, ensure_ascii=False), flush=True)
            raise ControlError("Omokage ended.")
        answer = client.ask({"do": arguments.word, **arguments.fill(arguments)})
    _print(answer, as_json=arguments.json)
    return 0


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    for value in answer.values():
        if isinstance(value, list):
            for entry in value:
                print(entry["name"])
        elif isinstance(value, dict):
            from app.control.performing import flat

            for name, part in value.items():
                print(flat({name: part}))
        elif value is not None:
            print(value)


def _value(item: tuple[str, str]) -> tuple[str, Any]:
    """A number where the text is one, else the text."""
    name, text = item
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
