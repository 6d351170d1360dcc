"""C2PA content credentials: a signed statement inside the file that AI replaced a face in it.

After the C2PA specification 2.x. Nothing here uses the network: no time stamp is asked for, no
manifest and no revocation list is fetched, and nothing about the source face is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import c2pa

from app import __version__
from app.provenance.certificate import Certificate, find_certificate
from app.provenance.credentials import Found

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
    "core": {"backing_store_memory_threshold_in_mb": 16},  # what is longer is copied by the disk
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_LINKED = "Remote:"  # how the library's message begins
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


def sign(plain: IO[bytes], signed: IO[bytes], suffix: str, certificate: Certificate) -> None:
    """Copy a file of the format of ``suffix`` with credentials; ``ValueError`` where it cannot be.

    ``plain`` can be read and sought, ``signed`` also written.
    """
    info = c2pa.C2paSignerInfo(b"es256", certificate.chain, certificate.key, None)
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(_OFFLINE)) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(manifest(), context) as builder,
        ):
            builder.sign(signer, TYPES[suffix.lower()], plain, signed)
    except (c2pa.C2paError, KeyError) as error:
        raise ValueError(str(error)) from error


def read(path: Path, key_path: Path) -> Found | None:
    """As ``credentials.read_credentials``."""
    options = _OFFLINE
    own = find_certificate(key_path)
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
        except c2pa.C2paError.ManifestNotFound:
            return None
        except (c2pa.C2paError, ValueError) as error:
            if str(error).startswith(_LINKED):
                return Found("remote", "They lie on a web page, which is not asked.")
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
