"""A real HTTP client of the web page: raw sockets, so that every header can be chosen."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import cv2
import numpy as np

from app.frame import Pixels
from benchmarks.mjpeg import parts_of


@dataclass(frozen=True)
class Answer:
    """Status, headers with small names, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(address: str, path: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    """GET ``address`` with another path; ``headers`` replace the usual ones, None leaves out."""
    with connect(address, path, headers) as line:
        data = b""
        while part := line.recv(1 << 16):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    pairs = (one.partition(": ") for one in rest)
    return Answer(int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body)


def connect(
    address: str, path: str | None = None, headers: dict[str, str] | None = None
) -> socket.socket:
    """A connection on which the request was sent."""
    url = urlsplit(address)
    assert url.hostname is not None
    line = socket.create_connection((url.hostname, url.port or 80), timeout=20)
    sent = {"Host": url.netloc} | (headers or {})
    target = path or f"{url.path}?{url.query}"
    lines = [
        f"GET {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in sent.items()),
        "",
        "",
    ]
    line.sendall("\r\n".join(lines).encode())
    return line


def decode(jpeg: bytes) -> Pixels:
    """The picture in a JPEG."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


class StreamViewer:
    """Reads the MJPEG stream as a browser does: a picture is shown when the mark after it came."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        assert url.hostname is not None
        assert url.port is not None
        self._line = connect(address, "/stream?" + url.query)
        self._parts = parts_of(self._line)

    def read(self) -> Pixels | None:
        """The next picture; None at the stream's end."""
        data = next(self._parts, None)
        return None if data is None else decode(data)

    def end(self) -> None:
        """Make a waiting ``read`` return None."""
        self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._parts.close()
        self._line.close()
