"""Linux's loopback video devices (v4l2loopback), found without opening anybody's camera."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

LABEL = "Omokage"
DEVICES = Path("/sys/devices/virtual/video4linux")
MODULE = Path("/sys/module/v4l2loopback")
LOAD = f'sudo modprobe v4l2loopback video_nr=10 card_label="{LABEL}" exclusive_caps=1'
INSTALL = "sudo apt install v4l2loopback-dkms"


@dataclass(frozen=True)
class Loopback:
    """One device: its file and the name other programs show."""

    device: str
    label: str


def loopbacks(devices: Path = DEVICES) -> list[Loopback]:
    """The virtual video devices there are, those called after us first, then by number."""
    found = []
    with contextlib.suppress(OSError):
        for folder in devices.iterdir():
            if folder.name.startswith("video") and folder.name[5:].isdecimal():
                with contextlib.suppress(OSError):
                    label = (folder / "name").read_text(encoding="utf-8", errors="replace").strip()
                    found.append(Loopback(f"/dev/{folder.name}", label))
    return sorted(found, key=lambda one: (one.label != LABEL, int(one.device[10:])))


def chosen(name: str, there: list[Loopback]) -> Loopback | None:
    """The device with that file or label, the first one for an empty name, or None."""
    if not name:
        return there[0] if there else None
    for one in there:
        if name in (one.device, one.label) or name.casefold() == one.label.casefold():
            return one
    return None


def missing(name: str, there: list[Loopback], module: Path = MODULE) -> tuple[str, str]:
    """What is missing, and the command that mends it."""
    if name and there:
        names = ", ".join(f"{one.device} ({one.label})" for one in there)
        return f"There is no virtual camera {name!r}.", f"There is: {names}."
    if module.exists():  # loaded, but with no device left for us
        return (
            "The v4l2loopback module is loaded but has no device.",
            f"Run: sudo modprobe -r v4l2loopback && {LOAD}",
        )
    return "There is no virtual camera device.", f"Run: {INSTALL} && {LOAD}"
