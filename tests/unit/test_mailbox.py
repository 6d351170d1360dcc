"""One slot or a short queue between two threads."""

from __future__ import annotations

import threading
import time

import pytest

from app.mailbox import BoundedQueue, Closed, Mailbox


def test_newest_wins_and_drops_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for value in (1, 2, 3):
        box.put(value)
    assert box.take() == 3
    assert box.dropped == 2
    assert box.take(0) is None
    box.put(4)
    assert box.dropped == 2


def test_none_is_a_value() -> None:
    box: Mailbox[None] = Mailbox()
    box.put(None)
    box.put(None)
    assert box.dropped == 1


@pytest.mark.parametrize(
    "make", [Mailbox, lambda: BoundedQueue(3), lambda: BoundedQueue(3, waits=True)]
)
def test_closing(make) -> None:  # type: ignore[no-untyped-def]
    box = make()
    box.put(1)
    first = ValueError("first")
    assert not box.closed
    box.close(first)
    box.close(ValueError("second"))
    assert box.closed
    assert box.cause is first
    assert box.take() == 1
    for action in (box.take, lambda: box.put(2)):
        with pytest.raises(Closed) as caught:
            action()
        assert caught.value.cause is first


@pytest.mark.parametrize("make", [Mailbox, lambda: BoundedQueue(1)])
def test_put_and_close_wake_a_waiting_take(make) -> None:  # type: ignore[no-untyped-def]
    box, got = make(), []

    def take() -> None:
        try:
            while True:
                got.append(box.take())
        except Closed:
            got.append("closed")

    taker = threading.Thread(target=take)
    taker.start()
    box.put(7)
    deadline = time.monotonic() + 2
    while not got and time.monotonic() < deadline:
        time.sleep(0.001)
    box.close()
    taker.join(2)
    assert got == [7, "closed"]


def test_queue_keeps_order_and_refuses_what_is_too_much() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2)
    for value in (1, 2, 3):
        queue.put(value)
    assert queue.dropped == 1
    assert [queue.take(), queue.take(), queue.take(0)] == [1, 2, None]


def test_queue_that_waits_loses_nothing() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2, waits=True)

    def fill() -> None:
        for value in range(100):
            queue.put(value)
        queue.close()

    filler = threading.Thread(target=fill)
    filler.start()
    got = [queue.take() for _ in range(100)]
    filler.join(2)
    assert got == list(range(100))
    assert queue.dropped == 0


def test_close_wakes_a_waiting_put() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1, waits=True)
    queue.put(1)
    ended = threading.Event()

    def fill() -> None:
        with pytest.raises(Closed):
            queue.put(2)
        ended.set()

    filler = threading.Thread(target=fill)
    filler.start()
    queue.close()
    assert ended.wait(2)
    filler.join()


def test_a_queue_holds_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BoundedQueue(0)


def test_what_is_useless_is_dropped_and_not_given() -> None:
    mailbox: Mailbox[int] = Mailbox()
    mailbox.drop_if(lambda value: True)
    assert mailbox.dropped == 0
    mailbox.put(1)
    mailbox.drop_if(lambda value: value > 1)
    assert mailbox.dropped == 0
    mailbox.drop_if(lambda value: value == 1)
    assert mailbox.dropped == 1
    assert mailbox.take(0) is None
