"""A network that is opened when it is first wanted, beside the running picture."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from engines.errors import AppError

log = logging.getLogger(__name__)


class Closable(Protocol):
    """What is freed."""

    def close(self) -> None:
        """Free it; may be called twice."""


T = TypeVar("T", bound=Closable)


class Reserve(Generic[T]):
    """``opener`` is called once, in a thread of that ``name``, after the first ``want``.

    Whatever it raises, ``failure`` then says in a sentence. May be used from any thread.
    """

    def __init__(self, name: str, opener: Callable[[], T]) -> None:
        self._name, self._opener = name, opener
        self._lock = threading.Lock()
        self._opening: Future[T] | None = None
        self._closed = False

    @property
    def failure(self) -> str:
        """Why it cannot be had; empty while that is not known."""
        opening = self._opening
        error = opening.exception() if opening is not None and opening.done() else None
        if error is None or isinstance(error, AppError):
            return "" if error is None else str(error)
        why = " ".join(str(error).split()) or type(error).__name__
        return f"The model {self._name} cannot be opened ({why})."

    def want(self) -> T | None:
        """The network once it is open; None until then, and for good where it cannot be."""
        with self._lock:
            if self._opening is None and not self._closed:
                pool = ThreadPoolExecutor(1, thread_name_prefix=self._name)
                self._opening = pool.submit(self._opener)
                self._opening.add_done_callback(self._log)
                pool.shutdown(wait=False)  # its thread ends with the opening
            return self._opened()

    def close(self) -> None:
        """Free it, or see that it is never opened; waits for an opening under way."""
        with self._lock:
            self._closed = True
        if self._opening is not None:
            concurrent.futures.wait([self._opening])
        opened = self._opened()
        if opened is not None:
            opened.close()

    def _opened(self) -> T | None:
        opening = self._opening
        if opening is None or not opening.done() or opening.exception() is not None:
            return None
        return opening.result()

    def _log(self, opening: Future[T]) -> None:
        error = opening.exception()
        if error is not None:
            log.warning("%s cannot be used", self._name, exc_info=error)
            error.__traceback__ = None  # it knows the bytes of the model
