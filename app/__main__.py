"""The entry point: reads the arguments, runs one sub-command, turns failures into a sentence."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from app.cli.arguments import build_parser
from app.cli.logfile import LogFile, logging_to
from app.errors import AppError
from app.paths import log_path

log = logging.getLogger("omokage")

DONE, FAILED, INTERRUPTED = 0, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run Omokage; the exit status. Wrong use leaves by ``SystemExit`` with status 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run_parsed(build_parser().parse_args(words or ["run"]))


def run_parsed(arguments: argparse.Namespace) -> int:
    """Do what the words of a parser ask for (its ``run``); the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a letter is no failure
        sys.stdout.reconfigure(errors="backslashreplace")
    with logging_to(log_path()) as logfile, _terminate_like_interrupt():
        return _guarded(arguments, logfile)


def _guarded(arguments: argparse.Namespace, logfile: LogFile) -> int:
    try:
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except AppError as error:
        _say(f"omokage: {error}")
    except KeyboardInterrupt:
        _say("omokage: Stopped.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, less) went away
        _forget_output()
    except OSError as error:  # a disk or a folder that refuses, where no part had its own words
        log.exception("the system refused")
        named = f"{error.filename} cannot be used" if error.filename else "The system refused"
        _say(f"omokage: {named} ({error.strerror or error}).")
    except Exception as error:  # the entry point's one: a bug is told in a sentence
        log.exception("a bug")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        where = f"the details are in {logfile.path}" if logfile.working else "no log can be written"
        _say(f"omokage: Omokage hit a bug: {text}; {where}.")
    else:
        return status
    return FAILED


def _say(sentence: str) -> None:
    if sys.stderr is None:  # pythonw has no terminal
        return
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"{sentence}\n")


def _forget_output() -> None:
    """Let the interpreter flush into nothing at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """Within the block SIGTERM ends the program as Ctrl-C does: files are tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
