"""Content credentials: true while a file is as it was signed, false after; never by the network."""

from __future__ import annotations

import http.server
import io
import os
import platform
import stat
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import c2pa
import cv2
import pytest

from app.errors import SinkError
from app.frame import Frame
from app.provenance.c2pa_files import SOURCE_TYPE, manifest
from app.provenance.certificate import (
    VALID,
    find_certificate,
    make_certificate,
    own_certificate,
)
from app.provenance.credentials import Credentials, read_credentials
from app.sinks.recorder import Recorder
from app.sinks.snapshot import save_snapshot
from tests.helpers.fakes import picture
from tests.helpers.signed_files import recorded, rests_in, signed_picture

PICTURES = ("a.png", "a.jpg", "a.jpeg", "a.webp")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "data" / "key.pem"


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_what_it_is(tmp_path: Path, key: Path, name: str) -> None:
    path = signed_picture(tmp_path / name, key)
    assert cv2.imread(str(path)).shape == (60, 80, 3)
    found = read_credentials(path, key)
    assert found is not None
    assert (found.state, found.ai, found.issuer) == ("own", True, "Omokage")
    assert found.actions == ("c2pa.created", "c2pa.edited")
    assert found.generator.startswith("Omokage ")
    assert found.problems == ()
    assert not rests_in(tmp_path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.m4v"])
def test_a_recording_says_what_it_is(tmp_path: Path, key: Path, name: str) -> None:
    path = recorded(tmp_path / name, key)
    assert frames_of(path) == 60
    found = read_credentials(path, key)
    assert found is not None
    assert (found.state, found.ai) == ("own", True)
    assert {p.name for p in tmp_path.iterdir()} == {name, "data"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_a_killed_recording_left_can_be_signed(tmp_path: Path, key: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 25)
    for index in range(160):
        recorder.write(Frame(picture(seed=index), index, index / 25))
    left = tmp_path / "left.mp4"
    left.write_bytes((tmp_path / "a.part.mp4").read_bytes())
    recorder.abort()
    count = frames_of(left)
    assert count > 0
    Credentials(key).file(left, ".mp4")
    found = read_credentials(left, key)
    assert found is not None
    assert found.state == "own"
    assert frames_of(left) == count


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.mp4"])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_one_changed_bit_is_told(tmp_path: Path, key: Path, name: str, place: float) -> None:
    path = tmp_path / name
    if name == "a.mp4":
        plain = recorded(path, key).read_bytes()
        start = plain.index(b"mdat")
    else:
        plain = signed_picture(path, key).read_bytes()
        start = plain.index({"a.png": b"IDAT", "a.jpg": b"\xff\xda", "a.webp": b"VP8"}[name])
    data = bytearray(plain)
    data[start + 8 + round(place * 2000)] ^= 1
    path.write_bytes(data)
    found = read_credentials(path, key)
    assert found is not None
    assert found.state == "tampered"
    assert any("mismatch" in problem for problem in found.problems)


def test_a_changed_statement_is_told(tmp_path: Path, key: Path) -> None:
    path = signed_picture(tmp_path / "a.png", key)
    data = path.read_bytes()
    assert data.count(b"compositeWithTrained") == 2
    path.write_bytes(data.replace(b"compositeWithTrained", b"compositeSansTrained_"[:20]))
    found = read_credentials(path, key)
    assert found is not None
    assert found.state in ("tampered", "unreadable")


def test_another_computers_signature_is_valid_but_not_ours(tmp_path: Path, key: Path) -> None:
    path = signed_picture(tmp_path / "a.png", tmp_path / "other.pem")
    own_certificate(key)  # of the same name
    found = read_credentials(path, key)
    assert found is not None
    assert found.state == "untrusted"
    assert "not known" in found.explanation


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.txt"])
def test_a_file_without_credentials(tmp_path: Path, key: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.txt":
        path.write_text("words")
    else:
        cv2.imwrite(str(path), picture())
    assert read_credentials(path, key) is None


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.mp4"])
def test_a_file_cut_off_is_no_failure(tmp_path: Path, key: Path, name: str) -> None:
    whole = recorded if name == "a.mp4" else signed_picture
    data = whole(tmp_path / name, key).read_bytes()
    for length in (0, 3, 12, 40, len(data) // 3, len(data) - 9):
        (tmp_path / name).write_bytes(data[:length])
        found = read_credentials(tmp_path / name, key)
        assert found is None or found.state in ("unreadable", "tampered")


def test_nothing_personal_is_written(tmp_path: Path, key: Path) -> None:
    data = signed_picture(tmp_path / "Ana at home.png", key).read_bytes()
    for word in (platform.node(), "Ana at home", tmp_path.name, str(Path.home())):
        assert word
        assert word.encode() not in data, word
    assert SOURCE_TYPE.encode() in data


def test_a_recording_that_cannot_be_signed_is_kept(tmp_path: Path) -> None:
    class Broken:
        due = True

        def data(self, data: bytes, suffix: str) -> bytes:
            raise SinkError("No ink.")

        def file(self, path: Path, suffix: str) -> None:
            raise SinkError("No ink.")

    recorder = Recorder(tmp_path / "a.mp4", 64, 48, 25, seal=Broken())
    recorder.write(Frame(picture(), 0, 0.0))
    recorder.close()
    assert frames_of(tmp_path / "a.mp4") == 1
    assert "without content credentials" in recorder.unsealed
    with pytest.raises(SinkError, match="No ink"):
        save_snapshot(tmp_path / "a.png", picture(), Broken())
    assert not (tmp_path / "a.png").exists()


def test_what_is_no_such_file_stays_as_it_was(tmp_path: Path, key: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all" * 9)
    with pytest.raises(SinkError, match="cannot be written"):
        Credentials(key).file(path, ".mp4")
    with pytest.raises(SinkError, match="cannot be written"):
        Credentials(key).data(b"no picture", ".tiff")
    with pytest.raises(SinkError, match="cannot be written"):
        Credentials(key).file(tmp_path / "missing.mp4", ".mp4")
    assert path.read_bytes() == b"no video at all" * 9
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "data"}


# the certificate


def test_the_key_is_made_once_and_for_its_owner_alone(key: Path) -> None:
    first = own_certificate(key)
    assert own_certificate(key) == first
    assert "PRIVATE" not in repr(first)
    assert b"PRIVATE KEY" in key.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {p.name for p in key.parent.iterdir()} == {"key.pem"}


@pytest.mark.parametrize("data", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_key_is_put_aside(key: Path, data: bytes) -> None:
    key.parent.mkdir()
    key.write_bytes(data)
    assert find_certificate(key) is None
    assert find_certificate(key) is None
    made = own_certificate(key)
    assert find_certificate(key) == made
    assert key.with_name("key.pem.damaged").read_bytes() == data


@pytest.mark.parametrize("age", [VALID - timedelta(days=1), timedelta(days=-9)])
def test_a_certificate_out_of_its_time_is_replaced(key: Path, age: timedelta) -> None:
    key.parent.mkdir()
    old = make_certificate(datetime.now(UTC) - age)
    key.write_bytes(old.key + old.chain)
    assert own_certificate(key) != old


def test_a_key_that_cannot_be_kept_still_signs(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    credentials = Credentials(tmp_path / "data" / "key.pem")
    save_snapshot(tmp_path / "a.png", picture(), credentials)
    found = read_credentials(tmp_path / "a.png", tmp_path / "data" / "key.pem")
    assert found is not None
    assert found.state == "untrusted"


# the network


@pytest.fixture
def website() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that notes every request."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_CONNECT = do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def linked(url: str, key: Path) -> bytes:
    """A picture whose credentials lie elsewhere."""
    own = own_certificate(key)
    info = c2pa.C2paSignerInfo(b"es256", own.chain, own.key, None)
    out = io.BytesIO()
    done, data = cv2.imencode(".jpg", picture())
    assert done
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest()) as builder:
        builder.set_no_embed()
        builder.set_remote_url(url)
        builder.sign(signer, "image/jpeg", io.BytesIO(data.tobytes()), out)
    return out.getvalue()


def test_credentials_that_lie_elsewhere_are_not_fetched(
    tmp_path: Path, key: Path, website: tuple[str, list[str]]
) -> None:
    address, asked = website
    path = tmp_path / "a.jpg"
    path.write_bytes(linked(f"{address}/manifest.c2pa", key))
    assert address.encode() in path.read_bytes()
    found = read_credentials(path, key)
    assert found is not None
    assert found.state == "remote"
    assert asked == []
    with path.open("rb") as stream, pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/jpeg", stream)  # as it comes, the library would have asked
    assert asked == ["/manifest.c2pa"]


def test_signing_and_reading_ask_nobody(
    tmp_path: Path, key: Path, website: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = website
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, address)
    monkeypatch.delenv("no_proxy", raising=False)
    found = read_credentials(recorded(tmp_path / "a.mp4", key, frames=5), key)
    assert found is not None
    assert found.state == "own"
    assert asked == []
