"""A network that is opened when it is first wanted, beside the running picture."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from engines.errors import AppError

log = logging.getLogger(__name__)


class Closable(Protocol):
    """What is freed."""

    def close(self) -> None:
        """Free it; may be called twice."""


T = TypeVar("T", bound=Closable)


class Reserve(Generic[T]):
    """``opener`` is called once, in a thread called ``name``, after the first ``want``.

    Whatever it raises, ``failure`` then has in a sentence. May be used from any thread.
    """

    def __init__(self, name: str, opener: Callable[[], T]) -> None:
        self._name, self._opener = name, opener
        self._lock = threading.Lock()
        self._opened: T | None = None
        self._opening: threading.Thread | None = None
        self._closed = False
        self.failure = ""

    def want(self) -> T | None:
        """The network once it is open; None until then, and for good where it cannot be."""
        with self._lock:
            if self._opening is None and not self._closed:
                self._opening = threading.Thread(target=self._open, name=self._name)
                self._opening.start()
            return self._opened

    def close(self) -> None:
        """Free it, or see that it is never opened; waits for an opening under way."""
        with self._lock:
            self._closed = True
            opening = self._opening
        if opening is not None:
            opening.join()
        if self._opened is not None:
            self._opened.close()

    def _open(self) -> None:
        try:
            opened = self._opener()
        except AppError as error:
            log.warning("%s cannot be used: %s", self._name, error)
            self.failure = str(error)
            return
        except Exception as error:  # the top of this thread: the picture goes on without it
            log.exception("%s cannot be used", self._name)
            why = " ".join(str(error).split()) or type(error).__name__
            self.failure = f"The model {self._name} cannot be opened ({why})."
            return
        with self._lock:
            self._opened = opened
