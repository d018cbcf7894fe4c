"""This installation's own certificate: made once, renewed in time, its key readable by its owner only."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zprl_web.private import write_private

VALID_DAYS, RENEW_DAYS = 397, 30  # browsers refuse longer ones


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key on the disk.

    Attributes:
        certificate, key: PEM files.
        fingerprint: SHA-256 of the certificate, as browsers show it.
    """

    certificate: Path
    key: Path
    fingerprint: str

    def context(self) -> ssl.SSLContext:
        """For a server: TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def certificate(folder: Path, names: Iterable[str], now: datetime.datetime) -> Certificate:
    """The certificate in `folder`; a new one where there is none that holds for these names long enough.

    Args:
        folder: private to its owner.
        names: host names and addresses by which this machine is reached.
        now: with a time zone.
    """
    wanted = frozenset(names)
    paths = folder / "tls.crt", folder / "tls.key"
    known = _load(*paths)
    if known is None or not wanted <= _names(known) or _days_left(known, now) < RENEW_DAYS:
        known = _make(*paths, wanted | (_names(known) if known else frozenset()), now)
    digest = hashlib.sha256(known.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return Certificate(*paths, ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)))


def _load(path: Path, key: Path) -> x509.Certificate | None:
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    same = loaded.public_key().public_bytes(*encoding) == found.public_key().public_bytes(*encoding)
    return found if same else None


def _names(found: x509.Certificate) -> frozenset[str]:
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = extension.get_values_for_type(x509.IPAddress)
    return frozenset([*extension.get_values_for_type(x509.DNSName), *map(str, addresses)])


def _days_left(found: x509.Certificate, now: datetime.datetime) -> float:
    if hasattr(found, "not_valid_after_utc"):
        until = found.not_valid_after_utc
    else:  # Ubuntu 24.04's cryptography, as all before 42, says it without its time zone
        until = found.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    return (until - now) / datetime.timedelta(days=1)


def _make(path: Path, key_path: Path, names: frozenset[str], now: datetime.datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ZPRL")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    write_private(key_path, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    write_private(path, made.public_bytes(pem))
    return made


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
