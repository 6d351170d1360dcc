"""A worker repeats its step and tells once why it ended."""

from __future__ import annotations

import logging
import threading

import pytest

from app.mailbox import Closed, Mailbox
from app.worker import Finished, Worker

Ends = list[BaseException | None]


def run(step) -> Ends:  # type: ignore[no-untyped-def]
    ends: Ends = []
    worker = Worker("test", step, ends.append)
    worker.start()
    assert worker.join(5)
    assert not worker.alive
    return ends


def raising(error: BaseException):  # type: ignore[no-untyped-def]
    def step() -> None:
        raise error

    return step


FAILURE = ValueError("on purpose")


@pytest.mark.parametrize(
    ("error", "cause"),
    [(Finished(), None), (Closed(None), None), (Closed(FAILURE), FAILURE), (FAILURE, FAILURE)],
)
def test_end_and_its_cause(error: Exception, cause: Exception | None) -> None:
    assert run(raising(error)) == [cause]


def test_failure_is_logged_with_the_worker_s_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        run(raising(FAILURE))
    assert "worker test failed" in caplog.text


LATER = RuntimeError("while cleaning up")


@pytest.mark.parametrize(
    ("error", "fails", "cause"),
    [
        (Finished(), None, None),
        (FAILURE, None, FAILURE),
        (Finished(), LATER, LATER),
        (FAILURE, LATER, FAILURE),
    ],
)
def test_it_cleans_up_before_it_tells(
    error: Exception, fails: Exception | None, cause: Exception | None
) -> None:
    told: list[tuple[str, BaseException | None]] = []

    def clean_up(why: BaseException | None) -> None:
        told.append(("clean up", why))
        if fails is not None:
            raise fails

    worker = Worker(
        "test", raising(error), lambda why: told.append(("end", why)), clean_up=clean_up
    )
    worker.start()
    assert worker.join(5)
    assert told == [("clean up", None if error is not FAILURE else FAILURE), ("end", cause)]


def test_stop_between_steps() -> None:
    ends: Ends = []
    stepped = threading.Event()
    worker = Worker("test", stepped.set, ends.append)
    worker.start()
    assert stepped.wait(5)
    worker.request_stop()
    assert worker.join(5)
    assert ends == [None]


def test_closing_its_mailbox_ends_a_waiting_worker() -> None:
    box: Mailbox[int] = Mailbox()
    ends: Ends = []
    worker = Worker("test", lambda: box.take() and None, ends.append)
    worker.start()
    box.close(FAILURE)
    assert worker.join(5)
    assert ends == [FAILURE]


def test_join_before_start_and_from_itself() -> None:
    joined: list[bool] = []
    worker = Worker("test", raising(Finished()), lambda cause: joined.append(worker.join()))
    assert worker.join()
    worker.start()
    assert worker.join(5)
    assert joined == [False]
