"""A network that is opened when it is first wanted."""

from __future__ import annotations

import threading

import pytest

from engines.errors import AppError, EngineError
from engines.reserve import Reserve

WAIT_S = 20


class Network:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_it_is_opened_once_beside_who_wants_it() -> None:
    made: list[Network] = []
    may, opened = threading.Event(), threading.Event()

    def open_it() -> Network:
        assert may.wait(WAIT_S)
        made.append(Network())
        opened.set()
        return made[0]

    reserve = Reserve("network", open_it)
    assert not opened.is_set()  # nobody wants it yet
    assert [reserve.want() for _ in range(3)] == [None] * 3  # nobody waits
    may.set()
    assert opened.wait(WAIT_S)
    assert reserve._opening is not None
    reserve._opening.result(WAIT_S)
    assert reserve.want() is made[0]
    reserve.close()
    reserve.close()
    assert made[0].closed
    assert len(made) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EngineError("The file is gone."), "The file is gone."),
        (AppError("It is ours.", "Get it."), "It is ours. Get it."),
        (OSError(5, "Input/output error"), "cannot be opened ([Errno 5] Input/output error)."),
        (RuntimeError(), "The model network cannot be opened (RuntimeError)."),
    ],
)
def test_what_cannot_be_opened_says_why(error: Exception, sentence: str) -> None:
    def fail() -> Network:
        raise error

    reserve = Reserve("network", fail)
    assert reserve.want() is None
    reserve.close()
    assert reserve.want() is None
    assert reserve.failure.endswith(sentence)


def test_it_is_never_opened_where_nobody_wants_it() -> None:
    reserve: Reserve[Network] = Reserve("network", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    reserve.close()
    assert reserve.want() is None
