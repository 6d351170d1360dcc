"""A named thread that repeats one step and reports its first failure."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.mailbox import Closed

log = logging.getLogger(__name__)


class Finished(Exception):  # noqa: N818 - a signal, not a failure
    """Raised by a step that has nothing left to do (the end of a clip)."""


class Worker:
    """Runs ``step`` again and again until it is stopped, or raises Finished, Closed or a failure.

    ``clean_up(cause)`` and then ``on_end(cause)`` are called once, in the worker's thread, with
    None at a normal end or with the exception that ended it. A failure of ``clean_up`` is logged,
    and is the cause where there was none. ``step`` must return or raise within a fraction of a
    second, or wait on a mailbox that ``clean_up``, ``on_end`` or the owner closes. A ``daemon``'s
    may hang in a driver: the program ends without it.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], None],
        on_end: Callable[[BaseException | None], None],
        *,
        clean_up: Callable[[BaseException | None], None] | None = None,
        daemon: bool = False,
    ) -> None:
        self._step = step
        self._on_end = on_end
        self._clean_up = clean_up or _ignore
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the loop to end after the step under way; does not wait."""
        self._stopping.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread to end; whether it did."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        cause = self._outcome(self._repeat)
        failure = self._outcome(lambda: self._clean_up(cause))
        cause = failure if cause is None else cause
        # Owner and worker know each other, and a traceback knows every frame's locals. Unless they
        # are parted here, a source's pictures stay in memory until the collector happens to run.
        _forget_traceback(cause)
        on_end, self._step, self._on_end, self._clean_up = self._on_end, _nothing, _ignore, _ignore
        on_end(cause)

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            self._step()

    def _outcome(self, work: Callable[[], None]) -> BaseException | None:
        """What ended ``work``; None where nothing went wrong."""
        try:
            work()
        except Finished:
            return None
        except Closed as closed:
            return closed.cause
        except Exception as error:  # the one broad except: a thread's failure must reach its owner
            log.exception("worker %s failed", self._thread.name)
            return error
        return None


def _forget_traceback(error: BaseException | None) -> None:
    """Drop the tracebacks of an error, which was logged, and of what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _nothing() -> None:
    """What a worker that has ended would do."""


def _ignore(cause: BaseException | None) -> None:
    """To whom a worker that has ended would tell it."""
