"""A certificate authority and the servers' certificates for a secure stack, made anew for each stack."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

LIFETIME = dt.timedelta(days=30)
_SKEW = dt.timedelta(hours=1)  # of the clock of another machine or container


class Authority:
    """Signs certificates for 127.0.0.1 and localhost. Its own is written to ``folder/ca.pem``, its key nowhere."""

    def __init__(self, folder: Path) -> None:
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _name("Connect local stack")
        now = dt.datetime.now(dt.UTC)
        own = (
            _certificate(self._name, self._name, self._key.public_key(), (now - _SKEW, now + LIFETIME))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / "ca.pem"
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        self.path.chmod(0o644)

    def issue(self, *, ended: dt.timedelta | None = None) -> tuple[str, str]:
        """A certificate and its private key (PKCS 8), as PEM texts; one that ended so long ago where that is said."""
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        valid = (now - _SKEW, now + LIFETIME) if ended is None else (now - ended - LIFETIME, now - ended)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _certificate(_name("127.0.0.1"), self._name, key.public_key(), valid)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(_key_usage(authority=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return text, private.decode()


@dataclass(frozen=True, slots=True)
class Security:
    """What the servers of a secure stack present and ask for.

    Attributes:
        issuer: The authority that clients trust.
        certificate: PEM text of the servers' certificate, for 127.0.0.1 and localhost.
        key: PEM text of its private key (PKCS 8).
        user: Whom Kafka (SCRAM and PLAIN; it may do everything there) and Elasticsearch let in.
        password: That user's, and of the user ``postgres``.
    """

    issuer: Authority
    certificate: str
    key: str
    user: str
    password: str

    @property
    def authority(self) -> Path:
        """PEM file of the authority."""
        return self.issuer.path


def make_security(folder: Path) -> Security:
    """New keys and a password; the authority's certificate is written to ``folder/ca.pem``."""
    issuer = Authority(folder)
    certificate, key = issuer.issue()
    return Security(issuer, certificate, key, user="connect", password=secrets.token_urlsafe(12))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[dt.datetime, dt.datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
