"""Every user setting: frozen dataclasses whose metadata builds the controls.

Settings are one frozen object, read once per frame and swapped by reference.
"""

from __future__ import annotations

import contextlib
import dataclasses
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import SettingsError
from engines.runtimes import AUTO, NAMES

MOST_NAMED = 80  # characters of a name nobody knows that are repeated in a sentence
# What has no effect without the occluder's network.
OCCLUDER_SETTINGS = (
    "mask.occluder",
    "mask.occluder_every",
    "mask.keep_mouth",
    "mask.keep_eyes",
)


def _setting(
    default: Any,
    label: str,
    help_text: str,
    *,
    limits: tuple[float, float] | None = None,
    step: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    return field(
        default=default,
        metadata={
            "label": label,
            "help": help_text,
            "limits": limits,
            "step": step,
            "choices": choices,
        },
    )


@dataclass(frozen=True)
class MaskSettings:
    """Which part of the aligned crop is replaced. Paddings are shares of the crop's side."""

    kind: str = _setting(
        "hull",
        "Mask",
        "Hull follows the face's outline, rectangle keeps a padded square.",
        choices=("hull", "rectangle"),
    )
    top: float = _setting(0.06, "Top", "Keep this much at the top.", limits=(0.0, 0.4), step=0.01)
    right: float = _setting(
        0.08, "Right", "Keep this much at the right.", limits=(0.0, 0.4), step=0.01
    )
    bottom: float = _setting(
        0.03, "Bottom", "Keep this much at the bottom.", limits=(0.0, 0.4), step=0.01
    )
    left: float = _setting(
        0.08, "Left", "Keep this much at the left.", limits=(0.0, 0.4), step=0.01
    )
    feather: float = _setting(
        0.1, "Feather", "Softness of the mask's edge.", limits=(0.0, 0.3), step=0.01
    )
    occluder: bool = _setting(
        False, "Keep hands", "Hands, glasses, hair and things before the face stay as they are."
    )
    occluder_every: int = _setting(
        1,
        "Look every",
        "Frames between two looks for hands; between them they move along.",
        limits=(1, 10),
    )
    keep_mouth: bool = _setting(False, "Keep my mouth", "Your own lips and teeth are shown.")
    keep_eyes: bool = _setting(False, "Keep my eyes", "Your own eyes and brows are shown.")


@dataclass(frozen=True)
class ColorSettings:
    """How far the swapped face takes on the light of the scene."""

    match: float = _setting(
        0.7, "Match light", "0 keeps the model's colours.", limits=(0.0, 1.0), step=0.05
    )


@dataclass(frozen=True)
class DetectorSettings:
    """How faces are found and followed."""

    threshold: float = _setting(
        0.6, "Certainty", "Faces below this score are left out.", limits=(0.3, 0.95), step=0.05
    )
    interval: int = _setting(
        5, "Search every", "Frames between two searches of the whole picture.", limits=(1, 30)
    )
    smoothing: float = _setting(
        0.5, "Steadiness", "Higher is calmer, lower follows faster.", limits=(0.0, 1.0), step=0.05
    )
    faces: str = _setting(
        "largest",
        "Swap",
        "Which faces are swapped. Me: only the face you enrolled. Each: every person another one.",
        choices=("largest", "centre", "all", "me", "each"),
    )
    max_faces: int = _setting(4, "At most", "Most faces swapped in a frame.", limits=(1, 8))


@dataclass(frozen=True)
class BadgeSettings:
    """The visible sign that the picture is AI-generated."""

    enabled: bool = _setting(True, "AI badge", "Show a small AI sign in the output.")
    position: str = _setting(
        "bottom right",
        "Place",
        "Corner of the badge.",
        choices=("top left", "top right", "bottom left", "bottom right"),
    )
    size: float = _setting(
        0.05, "Size", "Height as a share of the picture's.", limits=(0.035, 0.12), step=0.005
    )


@dataclass(frozen=True)
class PrivacySettings:
    """What is shown when a face is not swapped: held, then blurred, then a slate."""

    others: str = _setting(
        "blurred",
        "Other people",
        "What becomes of faces that are not swapped.",
        choices=("blurred", "left alone"),
    )
    strict: bool = _setting(
        False, "No face, no picture", "Show nothing of the room unless your face is swapped."
    )
    hold_ms: int = _setting(
        400, "Hold (ms)", "How long the last swap stays in its place.", limits=(0, 2000), step=50
    )
    blur_ms: int = _setting(
        3000,
        "Blur (ms)",
        "How long it is blurred after that, before the picture is hidden.",
        limits=(200, 20000),
        step=100,
    )
    empty_ms: int = _setting(
        5000,
        "Empty room (ms)",
        "How long nothing may move before a room without a face is shown.",
        limits=(2000, 60000),
        step=500,
    )


@dataclass(frozen=True)
class CaptureSettings:
    """The camera or clip in use; an empty source means the first camera, else the demo."""

    source: str = _setting("", "Camera", "Camera index or name, URL, file, or demo.")
    width: int = _setting(1280, "Width", "Width asked of the camera.", limits=(160, 3840))
    height: int = _setting(720, "Height", "Height asked of the camera.", limits=(120, 2160))
    rate: int = _setting(30, "Rate", "Frames per second asked of the camera.", limits=(5, 120))


@dataclass(frozen=True)
class LatencySettings:
    """The delay from camera to outputs that is aimed at."""

    governor: bool = _setting(
        True, "Hold the delay", "Spare what is missed least where the delay grows too long."
    )
    target_ms: int = _setting(
        50, "Target (ms)", "95 % of the frames shall take less.", limits=(15, 500), step=5
    )


@dataclass(frozen=True)
class OutputSettings:
    """Where the picture goes beside the window; size and rate hold for all of it."""

    virtual_camera: bool = _setting(False, "Virtual camera", "A camera for other programs.")
    camera_name: str = _setting("", "Camera", "Device or name; empty: ours, else the first.")
    web_page: bool = _setting(False, "Web page", "A page on this machine, e.g. for OBS.")
    web_port: int = _setting(8756, "Port", "Of the web page; 0: any.", limits=(0, 65535))
    pipewire: bool = _setting(False, "PipeWire", "A camera for programs that use PipeWire.")
    width: int = _setting(1280, "Width", "Width of the outputs.", limits=(160, 3840))
    height: int = _setting(720, "Height", "Height of the outputs.", limits=(120, 2160))
    rate: int = _setting(30, "Rate", "Frames per second of the outputs.", limits=(5, 120))
    mirror: bool = _setting(
        False, "Mirrored", "Turn left into right in outputs, recordings and snapshots, too."
    )


@dataclass(frozen=True)
class KeySettings:
    """Keys the user chose, as ``Ctrl+Shift+F9``; empty for none."""

    everywhere: bool = _setting(
        False, "In other programs too", "These keys work whatever program is in front."
    )
    swap: str = _setting("Ctrl+Shift+F8", "Swap on or off", "Turn the swap on or off.")
    panic: str = _setting("Ctrl+Shift+F9", "Hide the picture", "Show the slate at once.")
    next_face: str = _setting("Ctrl+Shift+F10", "Next face", "Go to the next source face.")
    next_scene: str = _setting("Ctrl+Shift+F11", "Next scene", "Go to the next scene.")
    record: str = _setting("Ctrl+Shift+F12", "Record", "Start or finish a recording.")
    badge: str = _setting("Ctrl+Shift+F7", "Move the badge", "Go to the badge's next corner.")


@dataclass(frozen=True)
class ControlSettings:
    """Control by other programs of this machine (docs/control.md)."""

    enabled: bool = _setting(
        False, "Control by other programs", "Let programs that know the secret give commands."
    )
    port: int = _setting(8757, "Port", "Of the control; 0: any.", limits=(0, 65535))


@dataclass(frozen=True)
class EngineSettings:
    """What is done about engines for an NVIDIA card."""

    build_automatically: bool = _setting(
        True, "Build engines", "Build what is missing for the NVIDIA card beside the picture."
    )


@dataclass(frozen=True)
class Settings:
    """All of it. ``source_face`` is the id of a persona or of an added face."""

    swap: bool = _setting(True, "Swap", "Replace the face.")
    mirror: bool = _setting(True, "Mirror", "Show the preview as in a mirror.")
    source_face: str = _setting("", "Source face", "Whose face is shown.")
    further_faces: str = _setting("", "Further faces", "Whose faces further people get.")
    faces_before: str = _setting(
        "largest",
        "Swapped before",
        "Which faces are swapped again once people get no faces of their own any more.",
        choices=("largest", "centre", "all", "me"),
    )
    swapper: str = _setting("omokage", "Swapper", "Name of the swap model.")
    device: str = _setting(
        "auto",
        "Pixel work",
        "Where faces are cut out and put back: auto takes an NVIDIA card where it can.",
        choices=("auto", "cpu", "gpu"),
    )
    engine: str = _setting(
        AUTO, "Engine", "What runs the networks from the next start on.", choices=NAMES
    )
    engines: EngineSettings = field(default_factory=EngineSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    color: ColorSettings = field(default_factory=ColorSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    badge: BadgeSettings = field(default_factory=BadgeSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    latency: LatencySettings = field(default_factory=LatencySettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    control: ControlSettings = field(default_factory=ControlSettings)


@dataclass(frozen=True)
class SettingField:
    """One setting as the window shows it; ``path`` is dotted, e.g. ``mask.feather``."""

    path: str
    label: str
    help: str
    kind: type[Any]
    default: Any
    limits: tuple[float, float] | None
    step: float | None
    choices: tuple[str, ...] | None


def fields_of(settings: Any, prefix: str = "") -> Iterator[SettingField]:
    """Every leaf of ``settings``, in order of declaration."""
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        path = prefix + item.name
        if dataclasses.is_dataclass(value):
            yield from fields_of(value, path + ".")
        else:
            yield SettingField(path=path, kind=type(value), default=item.default, **item.metadata)


def get_value(settings: Settings, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_value(settings: Settings, path: str, value: Any) -> Settings:
    """A copy with the value at a dotted path replaced; ``SettingsError`` where it does not fit."""
    spec = {item.path: item for item in fields_of(settings)}.get(path)
    if spec is None:
        raise SettingsError(f"There is no setting {path!r}.")
    checked = _checked(spec, value)
    section, _, leaf = path.rpartition(".")
    if not section:
        return dataclasses.replace(settings, **{leaf: checked})
    part = dataclasses.replace(getattr(settings, section), **{leaf: checked})
    return dataclasses.replace(settings, **{section: part})


def _checked(spec: SettingField, value: Any) -> Any:
    if spec.kind is float and isinstance(value, int) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a number of 400 digits stays what it is
            value = float(value)
    if type(value) is not spec.kind:
        raise SettingsError(
            f"Setting {spec.path} is {reprlib.repr(value)}, expected a {spec.kind.__name__}.",
        )
    if spec.choices is not None and value not in spec.choices:
        raise SettingsError(
            f"Setting {spec.path} is {reprlib.repr(value)}, expected one of: "
            f"{', '.join(spec.choices)}."
        )
    if spec.limits is not None and not _within(value, spec.limits):
        raise SettingsError(
            f"Setting {spec.path} is {value}, expected {spec.limits[0]} to {spec.limits[1]}."
        )
    return value


def _within(number: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= number <= limits[1]  # False for NaN


def from_mapping(values: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """Settings from nested tables, and a sentence for each value that was left out.

    A value that does not fit is left at its default; nothing else is lost.
    """
    settings, problems = Settings(), []
    known = {item.path for item in fields_of(settings)}
    for path, value in _leaves(values):
        if path == "version":
            continue
        if path not in known:
            name = " ".join(path[:MOST_NAMED].split())  # a key may hold line breaks
            problems.append(f"Setting {name} is not known and was left out.")
            continue
        try:
            settings = with_value(settings, path, value)
        except SettingsError as error:
            problems.append(str(error))
    return settings, problems


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
