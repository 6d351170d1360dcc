"""C2PA content credentials: a signed statement inside the file that AI replaced a face in it.

After the C2PA specification 2.x. Nothing here uses the network: no time stamp is asked for, no
manifest and no revocation list is fetched, and nothing about the source face is written.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import c2pa

from app import __version__
from app.errors import SinkError
from app.provenance.certificate import Certificate, find_certificate, own_certificate

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
WHAT = "A face was replaced by AI."
TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
}
_OFFLINE: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_UNTRUSTED = "signingCredential.untrusted"


def manifest() -> dict[str, Any]:
    """What the credentials state: made here, by AI, in part."""
    agent = {"name": "Omokage", "version": __version__}
    edited = {"action": "c2pa.edited", "description": WHAT, "softwareAgent": agent}
    actions = [
        {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE},
        edited | {"digitalSourceType": SOURCE_TYPE},
    ]
    return {
        "claim_generator_info": [agent],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


class Credentials:
    """Signs finished files with the certificate kept at ``key_path``, which is made when needed.

    May be used by several threads.
    """

    def __init__(self, key_path: Path) -> None:
        self._key_path = key_path
        self._lock = threading.Lock()
        self._certificate: Certificate | None = None

    def data(self, data: bytes, suffix: str) -> bytes:
        """A picture file's bytes with credentials; ``SinkError`` where it cannot have any."""
        signed = io.BytesIO()
        self._sign(io.BytesIO(data), signed, suffix)
        return signed.getvalue()

    def file(self, path: Path, suffix: str) -> None:
        """Put credentials into the file at ``path``, whole or not at all.

        ``suffix`` names its format. ``SinkError`` where it cannot have any: the file is then as it
        was.
        """
        part = path.with_name(path.name + ".signing")
        try:
            with path.open("rb") as plain, part.open("w+b") as signed:
                self._sign(plain, signed, suffix)
            shutil.copymode(path, part)
            part.replace(path)
        except OSError as error:
            raise SinkError(
                f"Content credentials cannot be written ({error.strerror or error})."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _sign(self, plain: IO[bytes], signed: IO[bytes], suffix: str) -> None:
        with self._lock:
            self._certificate = self._certificate or own_certificate(self._key_path)
        info = c2pa.C2paSignerInfo(b"es256", self._certificate.chain, self._certificate.key, None)
        try:
            with (
                c2pa.Context(c2pa.Settings.from_dict(_OFFLINE)) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(manifest(), context) as builder,
            ):
                builder.sign(signer, TYPES[suffix.lower()], plain, signed)
        except (c2pa.C2paError, KeyError) as error:
            raise SinkError(f"Content credentials cannot be written ({error}).") from error


@dataclass(frozen=True)
class Found:
    """The credentials of a file.

    ``state`` is ``own`` (valid, signed by this computer), ``untrusted`` (valid, but anybody may
    have signed), ``tampered`` (changed after signing) or ``unreadable``; ``explanation`` says it in
    a sentence; ``ai`` tells whether they state that AI had a part in it.
    """

    state: str
    explanation: str
    issuer: str = ""
    generator: str = ""
    actions: tuple[str, ...] = ()
    ai: bool = False
    problems: tuple[str, ...] = ()


def read_credentials(path: Path, key_path: Path | None = None) -> Found | None:
    """What a file's own credentials say; None where it has none, or is of a kind that cannot.

    ``key_path`` is where this computer's certificate is kept. The network is never used: where
    credentials are only linked to, there are none. ``OSError`` where the file cannot be read.
    """
    options = _OFFLINE
    own = find_certificate(key_path) if key_path is not None else None
    if own is not None:
        options = _OFFLINE | {"trust": {"user_anchors": own.chain.decode()}}
    with path.open("rb") as stream:
        kind = _kind(stream.read(12)) or TYPES.get(path.suffix.lower())
        stream.seek(0)
        if kind is None:
            return None
        try:
            with (
                c2pa.Context(c2pa.Settings.from_dict(options)) as context,
                c2pa.Reader(kind, stream, context=context) as reader,
            ):
                return _found(json.loads(reader.json()))
        except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.RemoteManifest):
            return None
        except (c2pa.C2paError, ValueError) as error:
            return Found("unreadable", f"Its content credentials cannot be read ({error}).")


def _kind(start: bytes) -> str | None:
    """The format by a file's first 12 bytes."""
    if start[4:8] == b"ftyp":
        return "video/mp4"
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return "image/webp"
    magic = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
    return next((kind for first, kind in magic.items() if start.startswith(first)), None)


def _found(document: dict[str, Any]) -> Found:
    """From the reader's report."""
    active = document["manifests"][document["active_manifest"]]
    results = document.get("validation_results", {}).get("activeManifest", {})
    problems = tuple(entry["code"] for entry in results.get("failure", []))
    actions = [
        action
        for assertion in active.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]
    state, explanation = _verdict(document.get("validation_state", "Invalid"), problems)
    made_by = (active.get("claim_generator_info") or [{}])[0]
    return Found(
        state=state,
        explanation=explanation,
        issuer=active.get("signature_info", {}).get("issuer") or "",
        generator=f"{made_by.get('name', '')} {made_by.get('version', '')}".strip(),
        actions=tuple(action.get("action", "") for action in actions),
        ai=any("AlgorithmicMedia" in action.get("digitalSourceType", "") for action in actions),
        problems=tuple(code for code in problems if code != _UNTRUSTED),
    )


def _verdict(validation: str, problems: tuple[str, ...]) -> tuple[str, str]:
    if validation == "Invalid":
        return "tampered", "The file was changed after it was signed, or its signature is false."
    if _UNTRUSTED in problems:
        return "untrusted", (
            "The signature is valid and the file unchanged; who signed it is not known."
        )
    return "own", "The signature is valid and the file unchanged; it was signed on this computer."
