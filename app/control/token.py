"""The secret that a program must know to give commands."""

from __future__ import annotations

from pathlib import Path

from app.errors import ControlError, SinkError
from app.sinks.web_page import kept_token


def control_token(path: Path) -> str:
    """Made at first use and readable by its owner alone; deleting the file makes a new one.

    ``ControlError`` where it cannot be kept.
    """
    try:
        return kept_token(path)
    except SinkError as error:
        raise ControlError(
            f"The control's secret cannot be kept in {path}.", error.remedy
        ) from error
