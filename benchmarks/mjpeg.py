"""Reads an MJPEG stream over HTTP as a browser does."""

from __future__ import annotations

import socket
from collections.abc import Generator


def open_stream(host: str, port: int, target: str) -> socket.socket:
    """A connection on which ``target`` was asked for."""
    line = socket.create_connection((host, port), timeout=20)
    line.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return line


def parts_of(line: socket.socket) -> Generator[bytes, None, None]:
    """Each JPEG as soon as the mark after it has come, until the stream ends."""
    with line.makefile("rb") as file:
        status = file.readline()
        if b" 200 " not in status:
            raise ConnectionError(status.decode().strip())
        while file.readline() not in (b"\r\n", b""):
            pass
        mark = file.readline()
        while True:
            length = 0
            while (head := file.readline()) not in (b"\r\n", b""):
                if head.lower().startswith(b"content-length:"):
                    length = int(head.split(b":")[1])
            data = file.read(length)
            file.readline()
            if not head or file.readline() != mark:
                return
            yield data
