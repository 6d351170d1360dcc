"""Uncaught exceptions, of the window and of any thread, become one sentence in the window."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from app.gui.bridge import Bridge

log = logging.getLogger(__name__)


def sentence_for(error: BaseException) -> str:
    """What the user reads of a bug."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"Omokage hit a bug ({name}: {text})." if text else f"Omokage hit a bug ({name})."


@contextmanager
def reporting_to(bridge: Bridge) -> Iterator[None]:
    """Inside the block uncaught exceptions are logged and go to ``bridge``."""

    def uncaught(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            bridge.interrupt()
            return
        log.critical("uncaught exception", exc_info=(kind, error, traceback))
        bridge.report_crash(sentence_for(error))

    def uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    before, before_thread = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = uncaught, uncaught_in_thread
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = before, before_thread
