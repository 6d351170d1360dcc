"""Between two threads: one slot where the newest wins, or a short queue in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - a signal between threads, not a failure
    """The mailbox was closed; ``cause`` is the first failure behind it, or None at a normal end."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__(cause)
        self.cause = cause


class Mailbox(Generic[T]):
    """A slot for one value. ``put`` never waits; an unread value is replaced and counted.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._value: T | None = None
        self._full = False
        self._closed = False
        self._cause: BaseException | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many values were replaced before anybody took them."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    @property
    def cause(self) -> BaseException | None:
        """The cause given to the first ``close``."""
        return self._cause

    @property
    def waiting(self) -> bool:
        """Whether a value can be taken at once."""
        return self._full

    def put(self, value: T) -> None:
        """Leave ``value``; raises ``Closed`` after ``close``."""
        with self._ready:
            if self._closed:
                raise Closed(self._cause)
            self._dropped += self._full
            self._value, self._full = value, True
            self._ready.notify()

    def drop_if(self, useless: Callable[[T], bool]) -> None:
        """Drop an unread value that is ``useless``; it counts as dropped."""
        with self._ready:
            if self._full and useless(cast(T, self._value)):
                self._dropped += 1
                self._value, self._full = None, False

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for a value and take it; None when ``timeout_s`` passed.

        A value left before ``close`` is still given; after it, raises ``Closed``.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._full or self._closed, timeout_s)
            if self._full:
                value, self._value, self._full = self._value, None, False
                return value
            if self._closed:
                raise Closed(self._cause)
            return None

    def close(self, cause: BaseException | None = None) -> None:
        """Wake all waiters; the first cause stays."""
        with self._ready:
            if not self._closed:
                self._closed, self._cause = True, cause
            self._ready.notify_all()


class BoundedQueue(Generic[T]):
    """A few values in order between two threads, for what must not lose frames (a recording).

    When ``depth`` values wait, ``put`` either waits for room (``waits``) or refuses the new value
    and counts it as dropped. All methods may be called from any thread.
    """

    def __init__(self, depth: int, *, waits: bool = False) -> None:
        if depth < 1:
            raise ValueError(f"depth is {depth}, expected at least 1")
        self._changed = threading.Condition()
        self._values: deque[T] = deque()
        self._depth = depth
        self._waits = waits
        self._closed = False
        self._cause: BaseException | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many values were refused."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    @property
    def cause(self) -> BaseException | None:
        """The cause given to the first ``close``."""
        return self._cause

    @property
    def waiting(self) -> bool:
        """Whether a value can be taken at once."""
        return bool(self._values)

    def put(self, value: T) -> None:
        """Leave ``value`` behind the others; raises ``Closed`` after ``close``."""
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._closed or len(self._values) < self._depth)
            if self._closed:
                raise Closed(self._cause)
            if len(self._values) < self._depth:
                self._values.append(value)
            else:
                self._dropped += 1
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for the oldest value and take it; None when ``timeout_s`` passed.

        Values left before ``close`` are still given; after them, raises ``Closed``.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._values or self._closed, timeout_s)
            if self._values:
                value = self._values.popleft()
                self._changed.notify_all()
                return value
            if self._closed:
                raise Closed(self._cause)
            return None

    def close(self, cause: BaseException | None = None) -> None:
        """Wake all waiters; the first cause stays."""
        with self._changed:
            if not self._closed:
                self._closed, self._cause = True, cause
            self._changed.notify_all()
