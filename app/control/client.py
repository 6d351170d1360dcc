"""Giving commands to an Omokage that runs on this machine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import connect

from app.errors import ControlError

PATIENCE_S = 30.0  # a command that reads a face from a slow disk
OPENING_S = 5.0
START = "Start Omokage with --control, or turn it on in the window (F1)."


def running_address(path: Path) -> str:
    """Where the control of this user listens; ``ControlError`` where none does."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ControlError("No Omokage with control is running.", START) from None
    except (OSError, ValueError) as error:
        raise ControlError(f"{path} cannot be read ({error}).") from error


class ControlClient:
    """A connection; use it in a ``with``. ``ControlError`` where nobody answers."""

    def __init__(self, address: str) -> None:
        self._open = contextlib.ExitStack()
        try:
            self._connection = self._open.enter_context(
                connect(
                    address, open_timeout=OPENING_S, close_timeout=1, compression=None, proxy=None
                )
            )
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise ControlError("No Omokage with control answers.", START) from error

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; may be called twice."""
        self._open.close()

    def ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Give a command and wait for its answer; ``ControlError`` with its sentence otherwise."""
        self._send({**command, "id": 1})
        for message in self._messages(PATIENCE_S):
            if "ok" in message:
                if message["ok"]:
                    result: dict[str, Any] = message["result"]
                    return result
                raise ControlError(message["error"])
        raise ControlError("Omokage ended before it answered.")

    def watch(self, command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Subscribe; every report until the other side ends."""
        self._send(command)
        for message in self._messages(None):
            if message.get("ok") is False:
                raise ControlError(message["error"])
            if "event" in message:
                yield message

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._connection.send(json.dumps(message))
        except ConnectionClosed as error:
            raise ControlError("Omokage closed the control.") from error

    def _messages(self, timeout_s: float | None) -> Iterator[dict[str, Any]]:
        while True:
            try:
                message = json.loads(self._connection.recv(timeout=timeout_s))
            except ConnectionClosed:
                return
            except TimeoutError as error:
                raise ControlError(f"Omokage did not answer in {timeout_s:.0f} s.") from error
            yield message
