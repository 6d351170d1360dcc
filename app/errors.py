"""Errors a user reads as one sentence; everything else is a bug and is not caught on its way."""

from __future__ import annotations

from engines.errors import AppError, EngineError

__all__ = [
    "AppError",
    "CaptureError",
    "ConsentError",
    "ControlError",
    "EngineError",
    "PictureError",
    "SettingsError",
    "SinkError",
    "as_problem",
]


MOST_WORDS = 200  # characters of a fault that are shown; the log has all of it


def brief(cause: BaseException) -> str:
    """What an error says, on one line and not long: OpenCV's are whole paragraphs."""
    return " ".join(str(cause).split())[:MOST_WORDS].rstrip(".")


def as_problem(cause: BaseException) -> AppError:
    """``cause`` as a user reads it: itself, or a fault of ours, named."""
    if isinstance(cause, AppError):
        return cause
    return AppError(
        f"Omokage has a fault: {type(cause).__name__}: {brief(cause)}.",
        "Start again, and report it with the log if it stays.",
    )


class CaptureError(AppError):
    """A camera, clip or picture gives no frames."""


class SinkError(AppError):
    """A recording, snapshot or virtual camera cannot take frames."""


class PictureError(AppError):
    """A picture cannot be read, or is no usable source face."""


class ConsentError(AppError):
    """A source face has no valid consent record."""


class SettingsError(AppError):
    """A settings file or value cannot be used."""


class ControlError(AppError):
    """A command of another program cannot be understood or carried out, or does not get through."""
