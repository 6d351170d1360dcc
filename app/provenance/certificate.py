"""The certificate that signs content credentials: made here at first use, known to nobody else.

It proves that a file was not changed since this computer signed it, not who sits before it: it
names the program alone. Files signed with one key can be recognised as coming from one computer;
deleting the key's file ends that.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engines.atomic_file import write_atomically

log = logging.getLogger(__name__)

ISSUER, NAME = "Omokage", "Omokage on this computer (self-signed)"
VALID = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=30)
CLOCK_SLACK = timedelta(days=1)  # other computers' clocks may be behind
_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True)
class Certificate:
    """An ES256 key and its certificate, both PEM."""

    key: bytes
    chain: bytes

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "Certificate(...)"


def own_certificate(path: Path) -> Certificate:
    """The one kept at ``path``; a new one where there is none, or it is damaged or runs out.

    The file is readable by its owner alone. A damaged file is kept as ``.damaged``. Where the disk
    refuses, the certificate lasts as long as the process.
    """
    found = find_certificate(path)
    if found is not None:
        return found
    made = make_certificate(datetime.now(UTC))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(path.name + ".damaged"))
        write_atomically(path, made.key + made.chain)
    except OSError as error:
        log.warning("the signing key cannot be kept in %s (%s)", path, error.strerror)
    return made


def find_certificate(path: Path) -> Certificate | None:
    """The one kept at ``path``; None where none is that can still be used."""
    try:
        data = path.read_bytes()
        place = data.index(b"-----BEGIN CERTIFICATE-----")
        key, certificate = (
            load_pem_private_key(data[:place], password=None),
            x509.load_pem_x509_certificate(data[place:]),
        )
    except (OSError, ValueError, TypeError):
        return None
    now = datetime.now(UTC)
    fits = certificate.public_key() == key.public_key()
    if not fits or not certificate.not_valid_before_utc <= now:
        return None
    if now > certificate.not_valid_after_utc - RENEW_BEFORE:
        return None
    return Certificate(data[:place], data[place:])


def make_certificate(now: datetime) -> Certificate:
    """A new key with a self-signed certificate after the C2PA profile for signers."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ISSUER),
            x509.NameAttribute(NameOID.COMMON_NAME, NAME),
        ]
    )
    usages = dict.fromkeys(_KEY_USAGES, False) | {"digital_signature": True}
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usages), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(pem, certificate.public_bytes(Encoding.PEM))
