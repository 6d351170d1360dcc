"""Serves the page, its stream and a snapshot to whoever knows the token, and to nobody else."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs

from app.sinks.web_view import page, policy

log = logging.getLogger(__name__)

LOCAL = "127.0.0.1"
MOST_CONNECTIONS = 24
SILENT_S = 5.0  # a client that neither asks nor reads for so long is put out
AGAIN_S = 2.0  # the last picture is sent again, to notice who left
PARTING_S = 0.5  # for the last picture, when the page is closed
SEND_BUFFER = 128 * 1024  # bytes: a slow client must not be shown what is long past
BOUNDARY = "omokage"


class Pictures:
    """The newest JPEG for any number of watchers; made only where somebody wants it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._make: Callable[[], bytes] | None = None
        self._data = b""
        self._number = 0
        self._closed = False
        self._watchers = 0

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._watchers

    def offer(self, make: Callable[[], bytes]) -> None:
        """A new picture; encoded here where somebody watches, else when it is asked for."""
        data = make() if self._watchers else b""
        with self._changed:
            self._make, self._data = make, data
            self._number += 1
            self._changed.notify_all()

    def newest(self) -> bytes:
        """The newest picture; empty where there was none."""
        with self._changed:
            if not self._data and self._make is not None:
                self._data = self._make()
            return self._data

    def after(self, number: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Wait for a newer picture than ``number``; the newest there is, or None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout_s)
            if self._number <= number and self._closed:
                return None
            if not self._data and self._make is not None:
                self._data = self._make()
            return self._number, self._data

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block one more watches."""
        with self._changed:
            self._watchers += 1
        try:
            yield
        finally:
            with self._changed:
                self._watchers -= 1

    def close(self) -> None:
        """No more pictures: watchers get the last one and leave."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class PageServer(ThreadingMixIn, TCPServer):
    """One thread a connection, ``MOST_CONNECTIONS`` at most; ``OSError`` if the port is taken."""

    allow_reuse_address = os.name == "posix"  # elsewhere it would share the port with anybody
    daemon_threads = False
    block_on_close = True
    request_queue_size = 16

    def __init__(self, port: int, token: str) -> None:
        self.token = token
        self.pictures = Pictures()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        super().__init__((LOCAL, port), _Handler)

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more."""
        with self._changed:
            return len(self._open) < MOST_CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that closing can end it."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a bug and goes to the log."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("the web page failed on a request")

    def server_close(self) -> None:
        """Stop reading, give everybody a moment to take the last picture, then end all."""
        with self._changed:
            for connection in self._open:
                _shut(connection, socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._open, PARTING_S)
            for connection in self._open:
                _shut(connection, socket.SHUT_RDWR)
        super().server_close()


def _shut(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # it went by itself
        connection.shutdown(how)


class _Handler(BaseHTTPRequestHandler):
    """One request; HTTP/1.0, so a connection each."""

    server: PageServer
    timeout = SILENT_S
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Keep little on the way to a slow client."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def version_string(self) -> str:
        """No versions."""
        return "Omokage"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request's line holds the token."""

    def do_GET(self) -> None:
        """Answer the page, the stream, a snapshot, or a refusal that gives nothing away."""
        path, _, query = self.path.partition("?")
        answers: dict[str, Callable[[], None]] = {
            "/": self._page,
            "/stream": self._stream,
            "/snapshot": self._snapshot,
            "/alive": lambda: self._answer(HTTPStatus.NO_CONTENT),
        }
        if not self._welcome(parse_qs(query, keep_blank_values=True).get("token", [])):
            self._answer(HTTPStatus.FORBIDDEN, b"Open the whole address that Omokage shows.\n")
        elif path not in answers:
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such page.\n")
        else:
            answers[path]()

    def _welcome(self, tokens: list[str]) -> bool:
        """Whether it comes from this machine's own page or address line, with the token.

        A foreign name in ``Host`` is DNS rebinding; a foreign ``Origin`` another site's script.
        """
        names = [f"{name}:{self.server.port}" for name in (LOCAL, "localhost")]
        if self.headers.get_all("Host", []) not in [[name] for name in names]:
            return False
        origins = self.headers.get_all("Origin", [])
        if any(origin not in [f"http://{name}" for name in names] for origin in origins):
            return False
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return False
        return len(tokens) == 1 and hmac.compare_digest(
            tokens[0].encode(), self.server.token.encode()
        )

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(12)
        more = {"Content-Security-Policy": policy(nonce)}
        self._answer(HTTPStatus.OK, page(nonce), "text/html; charset=utf-8", more)

    def _snapshot(self) -> None:
        data = self.server.pictures.newest()
        if data:
            self._answer(HTTPStatus.OK, data, "image/jpeg")
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"There is no picture yet.\n")

    def _stream(self) -> None:
        pictures, number = self.server.pictures, -1
        with pictures.watched():
            self._head(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.wfile.write(b"--%s\r\n" % BOUNDARY.encode())
            while (newer := pictures.after(number, AGAIN_S)) is not None:
                number, data = newer
                if data:  # the mark after it shows the picture now, not when the next one begins
                    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                    self.wfile.write(head + data + b"\r\n--%s\r\n" % BOUNDARY.encode())

    def _answer(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        kind: str = "text/plain; charset=utf-8",
        more: dict[str, str] | None = None,
    ) -> None:
        self._head(status, kind, {"Content-Length": str(len(body)), **(more or {})})
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in (fixed | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
