"""A program that records without end, to be killed: ``recording_child.py OUT.mp4 JOURNAL``."""

from __future__ import annotations

import itertools
import sys
import threading
from pathlib import Path

from app.session import Session
from app.settings import Settings
from app.sinks.journal import Journal
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource


def main() -> None:
    """Say the recorded seconds, line by line, for ever."""
    journal = Journal(Path(sys.argv[2]))
    session = Session(FakePipeline(), Timing(), Settings(), journal=journal)  # type: ignore[arg-type]
    session.start_recording(Path(sys.argv[1]))
    # Frames come faster than their times say; recorded losslessly they make a long file soon.
    clock = itertools.count(0.0, 0.1).__next__
    session.start(lambda: StillSource(rate=10.0, clock=clock), pace_loss=False)
    while True:
        threading.Event().wait(0.05)
        recording = session.status().recording
        sys.stdout.write(f"{recording.seconds if recording is not None else 0.0}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
