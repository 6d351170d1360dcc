"""Options that several sub-commands share, and the settings they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings

# Spelled out here so that --help needs no settings; a test keeps both in step.
MASKS = ("hull", "rectangle")
FACES = ("largest", "centre", "all", "me", "each")
ENGINES = (
    "auto",
    *("tensorrt", "tensorrt-rtx", "cuda"),
    *("openvino-bf16", "onnx-int8", "openvino-int8", "openvino", "onnx"),
)
KEPT = ("mouth", "eyes")
BASES = ("own-face", "written-consent", "synthetic", "licensed")


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """A time from 0.1 s to a day."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.1 <= number <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds from 0.1 on")
    return number


def day(text: str) -> str:
    """An ISO date, today or later."""
    from datetime import date

    try:
        wanted = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2030-12-31") from None
    if wanted < date.today():
        raise argparse.ArgumentTypeError(f"{text} has passed")
    return wanted.isoformat()


def pair(text: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def add_look_options(parser: argparse.ArgumentParser) -> None:
    """How the swapped face looks; each mirrors a setting."""
    group = parser.add_argument_group("look")
    group.add_argument("--mask", choices=MASKS, help="outline of the replaced part")
    group.add_argument(
        "--occluder",
        action=argparse.BooleanOptionalAction,
        help="leave hands, glasses and hair before the face as they are",
    )
    group.add_argument("--keep", choices=KEPT, nargs="+", help="parts of your own face that stay")
    group.add_argument(
        "--faces",
        choices=FACES,
        help="which faces are swapped; each: every person to another --source",
    )
    group.add_argument("--color", type=share, metavar="0..1", help="how far light is matched")
    group.add_argument("--no-badge", action="store_true", help="leave the visible AI sign out")
    group.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="turn left into right: the window's preview, else what comes out",
    )
    group.add_argument("--swapper", metavar="NAME", help="swap model (see: omokage models)")
    group.add_argument("--engine", choices=ENGINES, help="what runs the networks")
    group.add_argument(
        "--set",
        dest="pairs",
        type=pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, e.g. mask.feather=0.2",
    )


def add_source_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Whose face, and on what ground it is used."""
    group = parser.add_argument_group("source face")
    group.add_argument(
        "--source",
        nargs="+",
        action="extend",
        required=required,
        metavar="FACE",
        help="a persona, a face you added, or a picture file; several are averaged",
    )
    group.add_argument(
        "--consent", choices=BASES, help="why a picture's face may be used; asked once per picture"
    )
    group.add_argument("--scope", default="", help="what the consent covers, in words")
    group.add_argument(
        "--expires", type=day, metavar="YYYY-MM-DD", help="the last day the consent holds"
    )
    group.add_argument("--person", default="", metavar="WHO", help="whose face the picture shows")
    group.add_argument("--note", default="", help="kept with the consent, e.g. where the letter is")


def _mirror_path(arguments: argparse.Namespace) -> str:
    """With a window ``--mirror`` is about what its user sees, else about what comes out."""
    return "outputs.mirror" if getattr(arguments, "headless", True) else "mirror"


def settings_from(arguments: argparse.Namespace, base: Settings) -> Settings:
    """``base`` with what the options say; ``SettingsError`` for a ``--set`` that does not fit."""
    from app.cli.control import chosen_control
    from app.cli.outputs import chosen_outputs
    from app.scenes import remembering
    from app.settings import with_value
    from engines.toml_text import parse_toml

    chosen: dict[str, object] = {
        "mask.kind": arguments.mask,
        "mask.occluder": arguments.occluder,
        "detector.faces": arguments.faces,
        "color.match": arguments.color,
        "badge.enabled": False if arguments.no_badge else None,
        _mirror_path(arguments): arguments.mirror,
        "swapper": arguments.swapper,
        **chosen_outputs(arguments),
        **chosen_control(arguments),
        "engine": arguments.engine,
    }
    for part in arguments.keep or ():
        chosen[f"mask.keep_{part}"] = True
    for name, text in arguments.pairs:
        try:
            chosen[name] = parse_toml(f"value = {text}")["value"]
        except ValueError:
            chosen[name] = text  # a bare word: mask.kind=hull
    settings = base
    for path, value in chosen.items():
        if value is not None:
            settings = with_value(settings, path, value)
    return remembering(base, settings)
