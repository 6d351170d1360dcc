"""Content credentials (C2PA) in finished files, signed with this computer's own certificate."""

from __future__ import annotations

import io
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from app.errors import SinkError
from app.provenance.signing_copy import signing_copy

if TYPE_CHECKING:
    from app.provenance.certificate import Certificate

INSTALL = "Install it: pip install c2pa-python"


@dataclass(frozen=True)
class Found:
    """The credentials of a file.

    ``state`` is ``own`` (valid, signed by this computer), ``untrusted`` (valid, but anybody may
    have signed), ``tampered`` (changed after signing), ``remote`` (only linked to) or
    ``unreadable``; ``explanation`` says it in a sentence; ``ai`` tells whether they state that AI
    had a part in it.
    """

    state: str
    explanation: str
    issuer: str = ""
    generator: str = ""
    actions: tuple[str, ...] = ()
    ai: bool = False
    problems: tuple[str, ...] = ()


class Credentials:
    """Signs finished files with the certificate kept at ``key_path``, which is made when needed.

    May be used by several threads.
    """

    due = True  # every file gets them

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
        try:
            with signing_copy(path) as (place, signed):
                with path.open("rb") as plain:
                    self._sign(plain, signed, suffix)
                shutil.copymode(path, place)
                signed.close()  # Windows moves no file that is open
                place.replace(path)
        except OSError as error:
            raise SinkError(
                f"Content credentials cannot be written ({error.strerror or error})."
            ) from error

    def _sign(self, plain: IO[bytes], signed: IO[bytes], suffix: str) -> None:
        try:  # heavy, and needed first when a file is finished
            from app.provenance.c2pa_files import sign
            from app.provenance.certificate import own_certificate
        except (ImportError, OSError) as error:
            raise SinkError(f"Content credentials need c2pa-python ({error}).", INSTALL) from error
        with self._lock:
            certificate = self._certificate or own_certificate(self._key_path)
            self._certificate = certificate
        try:
            sign(plain, signed, suffix, certificate)
        except ValueError as error:
            raise SinkError(f"Content credentials cannot be written ({error}).") from error


def read_credentials(path: Path, key_path: Path) -> Found | None:
    """What a file's own credentials say; None where it has none, or is of a kind that cannot.

    ``key_path`` is where this computer's certificate is kept. The network is never used.
    ``OSError`` where the file cannot be read.
    """
    try:
        from app.provenance.c2pa_files import read
    except (ImportError, OSError) as error:
        return Found("unreadable", f"They cannot be read without c2pa-python ({error}). {INSTALL}")
    return read(path, key_path)
