"""What librdkafka says of connections that do not come up; the calls that wait for one report a timeout only."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import KafkaError

from connect.errors import ConnectError, Retriable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FRESH_SECONDS: Final = 30.0
_PROBE_SECONDS: Final = 3.0
CREDENTIALS: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001 - librdkafka's local codes have public names that begin so
TLS: Final = frozenset({KafkaError._SSL})  # noqa: SLF001 - as above
_TRANSPORT: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001 - as above
_UNTRUSTED: Final = "certificate verify failed"
_BROKER: Final = re.compile(r"^\w+://(.+?):(\d+)/\w+: ")
_PLACE: Final = re.compile(r"^\w+://(\S+?)/\w+: ")
_AFTER: Final = re.compile(r" \(after \d+ms in state (\w+)\).*$")
_LATER: Final = "A running worker goes on trying"
# librdkafka tells nobody of a broker that wants TLS or a log-in and closes the connection without a word.
UNREACHABLE_HINT: Final = (
    "Check that the brokers of kafka.bootstrap are up, and that kafka.security says what they want: one that wants TLS "
    "or a log-in closes a connection without."
)
_CREDENTIALS_HINT: Final = (
    f"Check kafka.security.sasl against the cluster's users. {_LATER}, and reads a secret given as ${{file:…}} again "
    "each time, so a rotated one is picked up."
)
_TLS_HINT: Final = f"Check kafka.security.tls: ca, cert and key. {_LATER}."
_HINTS: Final = (
    ("expired", f"Give the broker a new certificate. {_LATER}, and needs no restart."),
    ("not yet valid", f"Check the clocks of this machine and of the broker. {_LATER}."),
    ("ismatch", f"Write a name of the broker's certificate in kafka.bootstrap and in advertised.listeners. {_LATER}."),
    ("", f"Set kafka.security.tls.ca to the PEM file of the authority that signed the broker's certificate. {_LATER}."),
)


class _Heard(NamedTuple):
    """``authorities``: file of those that the client trusts; None for the system's, "" where it is not known."""

    error: KafkaError
    authorities: str | None
    at: float


# The worst of the last moments: a process talks to one cluster, and each new failure is said anew.
_last: deque[_Heard] = deque(maxlen=1)


def hears(settings: Mapping[str, Any]) -> Callable[[KafkaError], None]:
    """Librdkafka's error callback of a client with these settings.

    Its own retries come after, so nothing is raised: a call that waits in vain asks ``reason``.
    """
    authorities = settings.get("ssl.ca.location")

    def hear(error: KafkaError) -> None:
        tells = error.code() in CREDENTIALS | TLS
        if tells or (error.code() in _TRANSPORT and _UNTRUSTED not in error.str() and not _grave()):
            _last.append(_Heard(error, authorities, time.monotonic()))

    return hear


def _grave() -> bool:
    return any(h.error.code() in CREDENTIALS | TLS and time.monotonic() - h.at < _FRESH_SECONDS for h in _last)


def reason(error: KafkaError, doing: str) -> ConnectError | None:
    """Why a call that waited for a broker did so in vain, as far as librdkafka has said so; told once.

    ``error`` is what the call got, mostly a timeout.

    Retriable in every case: a broker with a stale certificate among good ones, an identity provider that is away and
    a password that is being rotated all look the same from here.
    """
    heard = _last.pop() if _last else _Heard(error, "", 0.0)
    if error.code() not in CREDENTIALS | TLS and time.monotonic() - heard.at > _FRESH_SECONDS:
        return None
    code, text = heard.error.code(), heard.error.str()
    shown = _AFTER.sub("", _PLACE.sub(r"\1: ", text))
    if code in CREDENTIALS:
        return Retriable(f"{doing}: {shown}", code="kafka_credentials", hint=_CREDENTIALS_HINT)
    if code in TLS:
        return _tls(doing, text, shown, heard.authorities)
    return Retriable(
        f"{doing}: {shown}",
        code="kafka_unreachable",
        hint=UNREACHABLE_HINT,
    )


def _tls(doing: str, text: str, shown: str, authorities: str | None) -> Retriable:
    """Librdkafka does not say what is wrong with a certificate; a handshake of our own does."""
    broker = _BROKER.match(text)
    if _UNTRUSTED not in text or broker is None or authorities == "":
        return Retriable(f"{doing}: {shown}", code="kafka_tls", hint=_TLS_HINT)
    host, port = broker[1].strip("[]"), int(broker[2])
    why = certificate_fault(host, port, authorities) or "it is not trusted"
    hint = next(hint for word, hint in _HINTS if word in why)
    return Retriable(f"{doing}: the certificate of {host}:{port}: {why}", code="kafka_tls", hint=hint)


def certificate_fault(host: str, port: int, authorities: str | None) -> str:
    """What is wrong with a server's certificate, in OpenSSL's words; "" where nothing is, or nobody answers."""
    try:
        context = ssl.create_default_context(cafile=authorities)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # librdkafka does not ask for it either
        with (
            socket.create_connection((host, port), _PROBE_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".")
    except OSError:
        return ""
