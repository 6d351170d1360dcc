"""The local control: a WebSocket on 127.0.0.1 for programs that know its secret.

One thread with its own event loop. A client that floods is read more slowly, one that does not
read is left out and then closed; the session is never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import socket
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request as Handshake
from websockets.http11 import Response

from app.control.commands import Panic, Subscribe, UnreadableError, read
from app.control.performing import Performer
from app.errors import AppError, ControlError
from app.worker import Finished, Worker
from engines.atomic_file import write_atomically

log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.protocol")  # port scanners are no news, our bugs are
_quiet.setLevel(logging.ERROR)
_quiet.addFilter(lambda record: record.msg == "connection handler failed")

LOCAL = "127.0.0.1"
WAITING_BYTES = 64 * 1024  # of a client that is read slowly, in the system's hands
FILE_PAGE = "file://"  # the origin of OBS docks made of a file; web sites cannot have it


@dataclass(frozen=True)
class Limits:
    """What a client may use up."""

    clients: int = 8
    message_bytes: int = 4096
    commands_per_s: float = 20.0
    burst: int = 20
    flood_s: float = 10.0  # a client that sends more all the time is closed
    pending: int = 8  # commands begun and not answered
    unread_s: float = 5.0  # a client that does not read for so long is closed
    unread_bytes: int = 16 * 1024


class ControlServer:
    """Listens from its making until ``close``; ``ControlError`` where it cannot.

    ``port`` 0 takes any free one. ``address_path``, where given, holds the address (readable by
    its owner alone) while this is open.
    """

    def __init__(
        self,
        performer: Performer,
        token: str,
        port: int,
        *,
        address_path: Path | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self._performer, self._token, self._limits = performer, token, limits
        self._listening = _listen(port)
        self.port = int(self._listening.getsockname()[1])
        self.address = f"ws://{LOCAL}:{self.port}/?token={token}"
        self._address_path = address_path
        self._clients: dict[ServerConnection, asyncio.Task[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._worker = Worker("control", self._run, self._ended)
        try:
            self._say_where()
        except ControlError:
            self._listening.close()
            raise
        self._worker.start()
        self._ready.wait()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def close(self) -> None:
        """Say goodbye to everybody; may be called twice."""
        if self._worker.alive and self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._stop.set)
            self._worker.join()
        if self._address_path is not None:
            with contextlib.suppress(OSError):
                if self._address_path.read_text(encoding="ascii") == self.address:
                    self._address_path.unlink()

    def _say_where(self) -> None:
        path = self._address_path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self.address.encode())
        except OSError as error:
            raise ControlError(
                f"The control's address cannot be kept in {path} ({error.strerror}).",
                "Allow writing there, or free the disk.",
            ) from error

    def _run(self) -> None:
        asyncio.run(self._serve())
        raise Finished

    def _ended(self, _: BaseException | None) -> None:
        self._listening.close()
        self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serve(
            self._talk,
            sock=self._listening,
            process_request=self._admit,
            compression=None,
            server_header=None,
            open_timeout=self._limits.unread_s,
            close_timeout=0.5,
            ping_interval=20,
            ping_timeout=20,
            max_size=self._limits.message_bytes,
            max_queue=4,
            write_limit=self._limits.unread_bytes,
            logger=_quiet,
        ):
            self._ready.set()
            await self._stop.wait()
            for task in self._clients.values():
                task.cancel()

    def _admit(self, connection: ServerConnection, handshake: Handshake) -> Response | None:
        """None lets it in."""
        headers = handshake.headers
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        own = {f"{name}:{self.port}" for name in (LOCAL, "localhost")}
        if len(hosts) != 1 or hosts[0] not in own:
            return connection.respond(HTTPStatus.FORBIDDEN, "This is a control of this machine.\n")
        if any(origin != FILE_PAGE for origin in origins):
            return connection.respond(HTTPStatus.FORBIDDEN, "Web sites may not control this.\n")
        asked = parse_qs(urlsplit(handshake.path).query).get("token", [])
        bearer = [
            value.removeprefix("Bearer ").strip() for value in headers.get_all("Authorization")
        ]
        given = [*asked, *bearer]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), self._token.encode()):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.\n")
        if len(self._clients) >= self._limits.clients:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Too many are connected.\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        client = _Client(connection, self._performer, self._limits)
        task = asyncio.current_task()
        assert task is not None
        self._clients[connection] = task
        try:
            await client.listen()
        except (ConnectionClosed, asyncio.CancelledError):
            pass  # it left, or the control ends
        finally:
            client.end()
            del self._clients[connection]


class _Client:
    """One connection: reads commands in order, reports what it subscribed to."""

    def __init__(self, connection: ServerConnection, performer: Performer, limits: Limits) -> None:
        self._connection, self._performer, self._limits = connection, performer, limits
        self._reporting: asyncio.Task[None] | None = None
        self._budget, self._filled_at = float(limits.burst), 0.0
        self._room = asyncio.Semaphore(limits.pending)
        self._answering: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Until it leaves. Commands are begun in their order; none waits for the one before, so
        that ``panic`` does not."""
        async for text in self._connection:
            if not await self._slow_down():
                return
            await self._room.acquire()
            task = asyncio.get_running_loop().create_task(self._answer(*self._begin(text)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def end(self) -> None:
        """No more reports and answers; what was begun is still carried out."""
        for task in [*self._answering, *([self._reporting] if self._reporting else [])]:
            task.cancel()
        self._reporting = None

    async def _slow_down(self) -> bool:
        """Reading stops for a client that used up its commands, and so does its sending.

        False once it left, or did so for too long; what it still had to say is dropped.
        """
        now = asyncio.get_running_loop().time()
        rate = self._limits.commands_per_s
        self._budget = min(self._limits.burst, self._budget + (now - self._filled_at) * rate) - 1
        self._filled_at = now
        if self._budget >= 0:
            self._flooding_since = now
            return True
        if now - self._flooding_since > self._limits.flood_s:
            await self._connection.close(CloseCode.POLICY_VIOLATION, "Too many commands.")
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connection.wait_closed(), -self._budget / rate)
            return False
        return True

    def _begin(self, text: str | bytes) -> tuple[str | int | None, Future[dict[str, Any]]]:
        """Begin a command at once, so that it is carried out though its sender left."""
        done: Future[dict[str, Any]] = Future()
        try:
            request = read(text)
        except ControlError as error:
            done.set_exception(error)
            return error.request_id if isinstance(error, UnreadableError) else None, done
        match request.command:
            case Subscribe():
                self._subscribe(request.command)
                done.set_result({})
            case Panic():
                self._performer.panic()
                done.set_result({})
            case _:
                done = self._performer.perform(request.command)
        return request.request_id, done

    async def _answer(self, request_id: str | int | None, outcome: Future[dict[str, Any]]) -> None:
        answer: dict[str, Any] = {"id": request_id, "ok": False}
        await _done(outcome)
        problem = CancelledError() if outcome.cancelled() else outcome.exception()
        if problem is None:
            answer |= {"ok": True, "result": outcome.result()}
        elif isinstance(problem, AppError):
            answer["error"] = str(problem)
        else:  # a bug in carrying it out ends the command, not the control
            log.error("a command failed", exc_info=problem)
            answer["error"] = "Omokage hit a bug with this command; the details are in its log."
        try:
            with contextlib.suppress(ConnectionClosed):
                await self._send(answer)
        finally:
            self._room.release()

    def _subscribe(self, wanted: Subscribe) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
        if wanted.topics:
            self._reporting = asyncio.get_running_loop().create_task(self._report(wanted))

    async def _report(self, wanted: Subscribe) -> None:
        """Send what is newest whenever the last was taken: a slow client gets fewer."""
        said: dict[str, Any] = {}
        with contextlib.suppress(ConnectionClosed):
            while True:
                report = self._performer.report()
                for topic in wanted.topics:
                    if topic == "metrics" or said.get(topic) != report[topic]:
                        said[topic] = report[topic]
                        await self._send({"event": topic, topic: report[topic]})
                await asyncio.sleep(wanted.interval_ms / 1000)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._limits.unread_s):
                await self._connection.send(json.dumps(message, ensure_ascii=False))
        except TimeoutError:
            self._connection.transport.abort()


async def _done(outcome: Future[dict[str, Any]]) -> None:
    """Wait for another thread's future; unlike ``asyncio.wrap_future`` never cancels it."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future[dict[str, Any]]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(done.set)

    outcome.add_done_callback(wake)
    await done.wait()


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING_BYTES)
        listening.bind((LOCAL, port))
        listening.listen(16)
    except OSError as error:
        listening.close()
        raise ControlError(
            f"Port {port} of the control cannot be opened ({error.strerror}).",
            "Close the program that uses it, or choose another port.",
        ) from error
    return listening
