"""The local control over real sockets: who gets in, what is answered, who is put out."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.control.client import ControlClient, running_address
from app.control.commands import Action, AskFor, Swap
from app.control.server import ControlServer, Limits
from app.errors import ControlError, SettingsError
from app.session import Session, State
from app.settings import Settings
from app.timing import Timing
from tests.helpers.fakes import FakePipeline, StillSource

TOKEN = "t" * 32
WAIT_S = 20


class Stage:
    """A performer that does everything at once, except ``hold`` until a test lets it go."""

    def __init__(self) -> None:
        self.done: list[Action] = []
        self.panics = 0
        self.state: dict[str, Any] = {"swap": True}
        self.load = ""
        self.held: list[Future[dict[str, Any]]] = []
        self.hold = False
        self.failure: Exception | None = None

    def perform(self, action: Action) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        self.done.append(action)
        if self.hold:
            self.held.append(future)
        elif self.failure is not None:
            future.set_exception(self.failure)
        else:
            future.set_result({"state": self.state} if isinstance(action, AskFor) else {})
        return future

    def panic(self) -> None:
        self.panics += 1

    def report(self) -> dict[str, dict[str, Any]]:
        return {"state": dict(self.state), "metrics": {"fps": 30.0, "load": self.load}}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.005)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def server(stage: Stage, tmp_path: Path) -> Iterator[ControlServer]:
    server = ControlServer(
        stage,
        TOKEN,
        0,
        address_path=tmp_path / "address",
        limits=Limits(unread_s=0.5, flood_s=1.0, clients=3),
    )
    yield server
    server.close()


def joined(server: ControlServer) -> ClientConnection:
    return connect(server.address, compression=None, proxy=None)


def asked(connection: ClientConnection, **command: Any) -> dict[str, Any]:
    connection.send(json.dumps(command))
    answer: dict[str, Any] = json.loads(connection.recv(WAIT_S))
    return answer


def test_a_command_is_carried_out_and_answered(server: ControlServer, stage: Stage) -> None:
    with joined(server) as connection:
        assert asked(connection, do="swap", on=False, id=3) == {"id": 3, "ok": True, "result": {}}
        assert stage.done == [Swap(False)]
        answer = asked(connection, do="dance", id="a")
        assert (answer["id"], answer["ok"]) == ("a", False)
        assert "There is no command" in answer["error"]
        stage.failure = SettingsError("There is no scene 'x'.", "There are: y.")
        answer = asked(connection, do="scene", name="x")
        assert answer["error"] == "There is no scene 'x'. There are: y."
        stage.failure = RuntimeError("secret inside")
        answer = asked(connection, do="next-scene")
        assert "bug" in answer["error"]
        assert "secret" not in answer["error"]
        stage.failure = None
        connection.send(b"\xff\x00")
        assert json.loads(connection.recv(WAIT_S))["error"] == "The command is no JSON."


def test_a_bug_with_one_client_is_in_the_log_and_ends_that_client(
    server: ControlServer, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with joined(server) as other, joined(server) as connection:
        stage.panic = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        connection.send('{"do": "panic"}')
        with pytest.raises(ConnectionClosedError):
            connection.recv(WAIT_S)
        assert asked(other, do="swap", id=1)["ok"]
    (record,) = (record for record in caplog.records if record.exc_info)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"path": "/"}, 401),
        ({"path": "/?token=" + "u" * 32}, 401),
        ({"path": f"/?token={TOKEN}&token={TOKEN}"}, 401),
        ({"headers": {"Origin": "https://example.com"}}, 403),
        ({"headers": {"Origin": "null"}}, 403),
        ({"headers": {"Origin": "http://127.0.0.1:8080"}}, 403),
    ],
)
def test_who_is_kept_out(
    server: ControlServer, stage: Stage, change: dict[str, Any], status: int
) -> None:
    address = f"ws://127.0.0.1:{server.port}" + change.get("path", f"/?token={TOKEN}")
    headers = change.get("headers")
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(address, additional_headers=headers, proxy=None),
    ):
        pass
    assert refused.value.response.status_code == status
    assert TOKEN.encode() not in (refused.value.response.body or b"")
    assert stage.done == []


def test_a_foreign_host_name_is_kept_out(server: ControlServer) -> None:
    """A web site whose name was pointed at this machine."""
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as plain:
        plain.sendall(handshake(server).replace(b"Host: 127.0.0.1", b"Host: evil.example"))
        assert b" 403 " in plain.recv(4096).split(b"\r\n")[0]


def test_a_header_and_a_page_from_a_file_get_in(server: ControlServer) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "file://"}
    with connect(
        f"ws://localhost:{server.port}/", additional_headers=headers, proxy=None
    ) as connection:
        assert asked(connection, do="state")["result"] == {"state": {"swap": True}}


def test_it_listens_to_this_machine_alone(server: ControlServer) -> None:
    assert server._listening.getsockname()[0] == "127.0.0.1"


def test_one_too_many_is_told(server: ControlServer) -> None:
    with joined(server), joined(server), joined(server):
        wait_for(lambda: server.clients == 3)
        with pytest.raises(InvalidStatus) as refused, joined(server):
            pass
        assert refused.value.response.status_code == 503
    wait_for(lambda: server.clients == 0)


def test_panic_waits_for_nothing(server: ControlServer, stage: Stage) -> None:
    stage.hold = True
    with joined(server) as connection:
        connection.send('{"do": "source", "face": "Aoi", "id": 1}')
        connection.send('{"do": "panic", "id": 2}')
        assert json.loads(connection.recv(WAIT_S))["id"] == 2
        assert stage.panics == 1
        stage.held[0].set_result({})
        assert json.loads(connection.recv(WAIT_S))["id"] == 1


def test_a_command_whose_sender_left_is_carried_out(server: ControlServer, stage: Stage) -> None:
    with joined(server) as connection:
        connection.send('{"do": "swap"}')
    wait_for(lambda: stage.done == [Swap(None)])


def test_the_state_is_told_when_it_changed_and_metrics_always(
    server: ControlServer, stage: Stage
) -> None:
    with joined(server) as connection:
        connection.send('{"do": "subscribe", "interval_ms": 100}')
        events = [json.loads(connection.recv(WAIT_S)) for _ in range(6)]
        told = [event for event in events if event.get("event") == "state"]
        assert [event["state"] for event in told] == [{"swap": True}]
        assert sum(event.get("event") == "metrics" for event in events) >= 3
        stage.state["swap"] = False
        while (event := json.loads(connection.recv(WAIT_S))).get("event") != "state":
            pass
        assert event["state"] == {"swap": False}
        connection.send('{"do": "subscribe", "to": [], "id": 9}')
        while json.loads(connection.recv(WAIT_S)).get("id") != 9:
            pass
        with pytest.raises(TimeoutError):
            connection.recv(0.5)


def test_too_large_a_message_ends_that_client_alone(server: ControlServer) -> None:
    with joined(server) as good, joined(server) as bad:
        bad.send("x" * 10_000)
        wait_for(lambda: server.clients == 1)
        assert asked(good, do="swap")["ok"]


def handshake(server: ControlServer) -> bytes:
    lines = [
        f"GET /?token={TOKEN} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(text: str) -> bytes:
    """A masked text frame (RFC 6455, 5.2); the mask is zeros."""
    data = text.encode()
    assert len(data) < 65536
    size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack(">BH", 0xFE, len(data))
    return b"\x81" + size + bytes(4) + data


def raw(server: ControlServer) -> socket.socket:
    """A client that reads only when told to."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", server.port))
    plain.settimeout(WAIT_S)
    plain.sendall(handshake(server))
    assert b" 101 " in plain.recv(4096)
    return plain


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session(FakePipeline(), Timing(), Settings())  # type: ignore[arg-type]
    yield session
    session.close()


def run_all(session: Session, frames: int) -> None:
    """Every frame of a source, none lost."""
    session.start(lambda: StillSource(count=frames), pace_loss=False)
    wait_for(lambda: session.status().state is State.ENDED)
    assert session.status().timing.frames == frames


def test_a_client_that_never_reads_is_put_out_and_holds_up_nobody(
    server: ControlServer, stage: Stage, session: Session
) -> None:
    stage.load = "x" * 200_000
    with raw(server) as deaf, joined(server) as good:
        deaf.sendall(frame('{"do": "subscribe", "interval_ms": 100}'))
        run_all(session, 300)
        assert asked(good, do="swap")["ok"]
        wait_for(lambda: server.clients == 1)
        assert asked(good, do="swap")["ok"]


def test_a_flood_is_read_slowly_and_the_frames_go_on(
    server: ControlServer, stage: Stage, session: Session
) -> None:
    limits = Limits()
    over = threading.Event()
    sent = 0

    def flood() -> None:
        nonlocal sent
        many = frame('{"do": "swap"}') * 100
        with raw(server) as plain:
            plain.setblocking(False)
            while not over.is_set():
                try:
                    sent += plain.send(many)
                except BlockingIOError:  # it is held back, as it should be
                    over.wait(0.01)
                except OSError:  # and in the end put out
                    return

    begun = time.monotonic()
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        wait_for(lambda: sent > 100_000)
        run_all(session, 300)
        with joined(server) as good:
            assert asked(good, do="state")["ok"]
    finally:
        over.set()
        flooding.join()
    elapsed = time.monotonic() - begun
    wait_for(lambda: server.clients == 0)
    assert len(stage.done) <= limits.burst + limits.commands_per_s * elapsed + 2


def test_the_address_is_there_while_it_runs(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "data" / "address"
    with pytest.raises(ControlError, match="No Omokage with control is running"):
        running_address(path)
    server = ControlServer(stage, TOKEN, 0, address_path=path)
    assert running_address(path) == server.address
    assert path.stat().st_mode & 0o077 == 0 or os.name != "posix"
    with pytest.raises(ControlError, match=f"Port {server.port} of the control cannot be opened"):
        ControlServer(stage, TOKEN, server.port)
    server.close()
    server.close()
    assert not path.exists()


def test_closing_ends_everybody_and_what_they_wait_for(stage: Stage, tmp_path: Path) -> None:
    stage.hold = True
    server = ControlServer(stage, TOKEN, 0)
    with joined(server) as connection:
        connection.send('{"do": "swap"}')
        wait_for(lambda: bool(stage.held))
        server.close()
        stage.held[0].set_result({})  # later: nobody is there any more


def test_the_client_gives_the_sentence_on(server: ControlServer, stage: Stage) -> None:
    with ControlClient(server.address) as client:
        assert client.ask({"do": "state"}) == {"state": {"swap": True}}
        with pytest.raises(ControlError, match="Did you mean swap"):
            client.ask({"do": "swop"})
        watching = client.watch({"do": "subscribe", "to": ["state"]})
        assert next(watching) == {"event": "state", "state": {"swap": True}}
        server.close()
        assert list(watching) == []
    with pytest.raises(ControlError, match="No Omokage with control answers"):
        ControlClient(server.address)
