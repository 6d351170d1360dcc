"""The picture as a page on this machine alone, e.g. for OBS as a browser source."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import threading
from pathlib import Path

import cv2

from app.errors import SinkError
from app.frame import Pixels
from app.sinks.port import Format
from app.sinks.web_server import LOCAL, PageServer

QUALITY = 85  # of the JPEGs: 60-120 kB each at 1280 x 720
POLL_S = 0.1  # between two looks of the server at whether it is to stop
TOKEN_BYTES = 24
TOKEN_LENGTH = 32  # letters


class WebPage:
    """A ``Port`` on 127.0.0.1: ``/`` the page, ``/stream`` MJPEG, ``/snapshot`` one JPEG.

    Every request needs ``?token=``. ``port`` 0 takes any free one. A viewer who cannot keep up
    skips pictures; one who stops reading is put out. ``SinkError`` where the port is taken.
    """

    def __init__(self, port: int, token: str, form: Format) -> None:
        self._token = token
        self._sent: Pixels | None = None
        try:
            self._server = PageServer(port, token)
        except OSError as error:
            raise SinkError(*_refused(port, error)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="web-page"
        )
        self._thread.start()

    @property
    def name(self) -> str:
        """Where it is, without the token."""
        return f"{LOCAL}:{self._server.port}"

    @property
    def address(self) -> str:
        """The whole address, to be pasted into OBS or a browser."""
        return f"http://{self.name}/?token={self._token}"

    @property
    def viewers(self) -> int | None:
        """Streams being watched."""
        return self._server.pictures.watchers

    def send(self, pixels: Pixels) -> None:
        """As ``Port.send``; repeats cost nothing, and so do pictures that nobody watches."""
        if pixels is self._sent:
            return
        self._sent = pixels
        self._server.pictures.offer(lambda: _jpeg(pixels))

    def close(self) -> None:
        """Stop serving; viewers keep what was sent last."""
        if not self._thread.is_alive():
            return
        self._server.pictures.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def kept_token(path: Path) -> str:
    """The secret of the page's address, made at first use and readable by its owner alone.

    Deleting the file makes a new one. ``SinkError`` where it cannot be kept.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text(encoding="ascii", errors="replace").strip()
            if len(text) == TOKEN_LENGTH and all(c.isalnum() or c in "-_" for c in text):
                return text
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as out:
            out.write(token)
    except OSError as error:
        raise SinkError(
            f"The web page's address cannot be kept in {path} ({error.strerror}).",
            "Allow writing there, or free the disk.",
        ) from error
    return token


def _jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _refused(port: int, error: OSError) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} for the web page is used by another program.",
            f"Close that program, or take another port: --web-page {port + 1}",
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "This machine has no address 127.0.0.1.", "Bring the loopback network up."
    return f"The web page cannot be served on port {port} ({error.strerror}).", ""
