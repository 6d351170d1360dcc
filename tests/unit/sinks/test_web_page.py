"""The page, its stream and its guard, asked by a real client over a real socket."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from app.errors import SinkError
from app.sinks import web_server
from app.sinks.port import Format
from app.sinks.web_page import WebPage, kept_token
from tests.helpers.fakes import picture
from tests.helpers.web_viewer import StreamViewer, ask, connect, decode

FORM = Format(64, 48, 30)
TOKEN = "t" * 32


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebPage]:
    monkeypatch.setattr("app.sinks.web_page.POLL_S", 0.01)
    made = WebPage(0, TOKEN, FORM)
    yield made
    made.close()
    made.close()


def close_to(got: np.ndarray, wanted: np.ndarray) -> bool:
    return float(np.abs(got.astype(int) - wanted).mean()) < 4


def test_the_page_allows_itself_alone(page: WebPage) -> None:
    answer = ask(page.address)
    assert answer.status == 200
    assert b"<img" in answer.body
    assert TOKEN.encode() not in answer.body  # it is in the address and nowhere else
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert answer.body.count(f'nonce="{nonce}"'.encode()) == 2
    assert nonce not in ask(page.address).headers["content-security-policy"]
    for name, value in (
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
    ):
        assert answer.headers[name] == value
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["server"] == "Omokage"


def test_a_snapshot(page: WebPage) -> None:
    path = f"/snapshot?token={TOKEN}"
    assert ask(page.address, path).status == 503
    page.send(picture())
    answer = ask(page.address, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert close_to(decode(answer.body), picture())
    assert ask(page.address, f"/alive?token={TOKEN}").status == 204
    assert ask(page.address, f"/other?token={TOKEN}").status == 404


@pytest.mark.parametrize("path", ["/", "/stream", "/snapshot", "/alive", "/other"])
@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=x", f"?token={TOKEN}x", f"?token={TOKEN}&token=", "?token=%ff"]
)
def test_without_the_token_there_is_nothing(page: WebPage, path: str, query: str) -> None:
    page.send(picture())
    answer = ask(page.address, path + query)
    assert answer.status == 403
    assert len(answer.body) < 100


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1:{port}.evil.example"},
        {"Host": ""},
        {"Host": "127.0.0.1:{port}\r\nHost: evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_is_refused_even_with_the_token(
    page: WebPage, headers: dict[str, str]
) -> None:
    page.send(picture())
    port = str(urlsplit(page.address).port)
    asked = {name: value.replace("{port}", port) for name, value in headers.items()}
    assert ask(page.address, f"/snapshot?token={TOKEN}", asked).status == 403


def test_its_own_scripts_and_localhost_are_welcome(page: WebPage) -> None:
    page.send(picture())
    port = urlsplit(page.address).port
    for headers in (
        {"Host": f"localhost:{port}"},
        {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert ask(page.address, f"/snapshot?token={TOKEN}", headers).status == 200


def test_only_this_machine_can_reach_it(page: WebPage) -> None:
    assert page._server.socket.getsockname()[0] == "127.0.0.1"


def test_several_viewers_see_every_change_and_the_last_picture(page: WebPage) -> None:
    page.send(picture(seed=1))
    viewers = [StreamViewer(page.address) for _ in range(4)]
    for viewer in viewers:
        assert close_to(viewer.read(), picture(seed=1))  # at once, without waiting for a change
    assert page.viewers == 4
    for seed in (3, 5, 2):
        page.send(picture(seed=seed))
        for viewer in viewers:
            assert close_to(viewer.read(), picture(seed=seed))
    page.send(picture(seed=4))
    page.close()
    for viewer in viewers:
        assert close_to(viewer.read(), picture(seed=4))
        assert viewer.read() is None
        viewer.close()
    assert page.viewers == 0


def test_a_viewer_that_does_not_read_blocks_nobody(
    page: WebPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server._Handler, "timeout", 0.3)
    noise = np.random.default_rng(0)
    page.send(picture())
    stuck = connect(page.address, f"/stream?token={TOKEN}")
    viewer = StreamViewer(page.address)
    viewer.read()
    gone = threading.Event()
    for _ in range(4000):  # until the stuck one's buffers are full and it is put out
        page.send(noise.integers(0, 255, (480, 640, 3), dtype=np.uint8))
        assert viewer.read() is not None
        if page.viewers == 1:
            gone.set()
            break
    assert gone.is_set()
    stuck.close()
    viewer.close()


def test_a_repeat_or_an_unwatched_picture_is_not_encoded(
    page: WebPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    encode = __import__("app.sinks.web_page", fromlist=["_jpeg"])._jpeg
    monkeypatch.setattr("app.sinks.web_page._jpeg", lambda pixels: made.append(1) or encode(pixels))
    for seed in range(5):
        page.send(picture(seed=seed))
    assert made == []
    viewer = StreamViewer(page.address)
    viewer.read()
    assert made == [1]
    same = picture(seed=9)
    for _ in range(5):
        page.send(same)
    viewer.read()
    assert made == [1, 1]
    viewer.close()


def test_a_silent_connection_does_not_keep_it_from_closing() -> None:
    page = WebPage(0, TOKEN, FORM)
    url = urlsplit(page.address)
    silent = socket.create_connection((url.hostname, url.port))
    half = socket.create_connection((url.hostname, url.port))
    half.sendall(b"GET / HTTP/1.1\r\nHost:")
    assert ask(page.address).status == 200  # so both were accepted before
    page.close()
    silent.close()
    half.close()


def test_there_is_a_limit_to_connections(page: WebPage) -> None:
    page.send(picture())
    viewers = [StreamViewer(page.address) for _ in range(web_server.MOST_CONNECTIONS)]
    for viewer in viewers:
        viewer.read()
    with connect(page.address) as line:
        assert line.recv(1) == b""
    for viewer in viewers:
        viewer.close()


def test_rubbish_is_survived(page: WebPage) -> None:
    url = urlsplit(page.address)
    noise = np.random.default_rng(1)
    for size in (1, 10, 1000, 100_000):
        with socket.create_connection((url.hostname, url.port), timeout=20) as line:
            try:
                line.sendall(noise.bytes(size))
                line.shutdown(socket.SHUT_WR)
                while line.recv(4096):
                    pass
            except OSError:
                pass
    for word in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        with socket.create_connection((url.hostname, url.port), timeout=20) as line:
            line.sendall(f"{word} /?token={TOKEN} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            assert b" 501 " in line.recv(4096)
    for path in ("//[", "/?token=[", "/?" + "&" * 5000, "*", "/\x00?token=\xff"):
        assert ask(page.address, path).status == 403
    assert ask(page.address).status == 200


def test_a_taken_port_is_one_sentence(page: WebPage) -> None:
    taken = urlsplit(page.address).port
    with pytest.raises(SinkError, match=f"Port {taken} .* used by another program"):
        WebPage(taken, TOKEN, FORM)


def test_the_address_stays_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = kept_token(path)
    assert len(token) == 32
    assert kept_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    assert len(kept_token(path)) == 32
    path.unlink()
    assert kept_token(path) != token
    path.unlink()
    path.mkdir()
    with pytest.raises(SinkError, match="cannot be kept"):
        kept_token(path)
