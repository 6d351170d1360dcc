"""The local control of a run without a window."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from app.control.headless import SessionPerformer
from app.control.server import ControlServer
from app.control.token import control_token
from app.faces import FaceLibrary
from app.paths import control_address_path, control_token_path, default_video_dir, scenes_path
from app.scenes import SceneBook
from app.session import Session


@contextlib.contextmanager
def controlled(session: Session, library: FaceLibrary) -> Iterator[None]:
    """Within the block programs may give commands, where the settings allow it.

    ``ControlError`` where the port cannot be opened.
    """
    wanted = session.settings.control
    if not wanted.enabled:
        yield
        return
    book = SceneBook(scenes_path())
    for problem in book.problems:
        print(f"omokage: {problem}", file=sys.stderr)
    performer = SessionPerformer(session, library, book, default_video_dir())
    with contextlib.closing(performer):
        token = control_token(control_token_path())
        server = ControlServer(performer, token, wanted.port, address_path=control_address_path())
        with contextlib.closing(server):
            print(f"Control: {server.address}", file=sys.stderr, flush=True)
            yield
