"""The seam to the official client: one request at a time, its exceptions translated once.

The client retries nothing by itself and does not follow redirects: a lost answer is for the versions to settle (F151).
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from elastic_transport import SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from connect.config.fields import or_rotated
from connect.errors import ConnectError, Failed, Retriable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from connectors.elasticsearch.config import ElasticsearchConfig

_NAMES_PER_PART: Final = 10
_DISTRUST: Final = re.compile(
    r"(?i)certificate verify failed: ([^(]*[^( .])|certificate verify failed|fingerprints did not match"
)
_JSON: Final = {"accept": "application/json", "content-type": "application/json"}
_NDJSON: Final = {"accept": "application/json", "content-type": "application/x-ndjson"}


class Answer(NamedTuple):
    """A status and the decoded body."""

    status: int
    body: Any


class ServerError(NamedTuple):
    """``type`` and ``reason`` of Elasticsearch's error object; "" where the body has none."""

    type: str
    reason: str

    @classmethod
    def of(cls, body: Any) -> ServerError:
        """The error in a response body or a bulk item."""
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return cls("", str(error or ""))
        return cls(str(error.get("type", "")), str(error.get("reason", "")))


class Cluster:
    """A connection to one cluster. Thread-safe; secrets are read anew for each instance."""

    def __init__(self, config: ElasticsearchConfig) -> None:
        """Nothing is sent before the first request.

        Raises:
            Failed: ``target_tls``: the file of ``ca`` is not there or is no certificate.
        """
        self.name = ", ".join(_shown(url.reveal()) for url in config.url)
        options: dict[str, Any] = {
            "hosts": [_bare(url.reveal()) for url in config.url],
            "request_timeout": config.timeout / 1000,
            "max_retries": 0,
            "retry_on_timeout": False,
            "connections_per_node": config.in_flight + 1,
            **_credentials(config),
        }
        if any(url.reveal().startswith("https:") for url in config.url):
            options |= _trust(config)
        self._secrets = (config.password, config.api_key, *config.url)
        self._client = Elasticsearch(**options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        expect: Collection[int] = (),
    ) -> Answer:
        """Send one request. ``bytes`` are a bulk body, anything else becomes JSON.

        Args:
            method: ``GET``, ``PUT`` …
            path: Path with quoted parts; may not carry values of rows, since messages name it.
            params: Query parameters.
            body: What to send.
            expect: Error statuses that the caller handles itself.

        Raises:
            Retriable: ``target_unreachable``, ``target_busy``, ``target_blocked``.
            Failed: ``target_denied``, ``target_refused``, ``target_redirects``, ``target_tls``, ``not_elasticsearch``.
        """
        headers = _NDJSON if isinstance(body, bytes) else _JSON if body is not None else {"accept": "application/json"}
        try:
            response = self._client.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise Failed("not_elasticsearch", f"{self.name} is not Elasticsearch", hint="Check `url`.") from error
        except ApiError as error:
            if error.status_code in expect:
                return Answer(error.status_code, error.body)
            raise self._refusal(f"{method} {path}", error) from error
        except TransportError as error:
            raise self._silence(f"{method} {path}", error) from error
        return Answer(response.meta.status, response.body)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._client.close()

    def _refusal(self, what: str, error: ApiError) -> ConnectError:
        status, server = error.status_code, ServerError.of(error.body)
        message = f"Elasticsearch {self.name} answers {status} {server.type} to {what}"
        if server.type == "cluster_block_exception":  # F153; 403 or 429 by kind of block
            return blocked(message)
        if status in {401, 403}:
            denied = Failed("target_denied", message, hint="Check the credentials and the rights of their role.")
            return or_rotated(denied, *self._secrets) if status == 401 else denied
        if status == 429 or status >= 500:
            return Retriable(message, code="target_busy", hint="The cluster is overloaded or not ready.")
        if 300 <= status < 400:
            return Failed("target_redirects", message, hint="Set `url` to the cluster's own address.")
        if status == 404 and not server.type:
            hint = "Check `url`: something else answers there, or a proxy leads elsewhere."
            return Failed(
                "not_elasticsearch", f"{self.name} answers 404 to {what}, and not in Elasticsearch's words", hint=hint
            )
        return Failed("target_refused", f"{message}: {server.reason}")

    def _silence(self, what: str, error: TransportError) -> ConnectError:
        message = f"Elasticsearch {self.name} did not answer {what}: {type(error).__name__}"
        if isinstance(error, TlsError) and (found := _DISTRUST.search(error.message)):
            why = found[1] or found[0]
            return Failed("target_tls", f"the certificate of {self.name}: {why}", hint=_trust_hint(why))
        if isinstance(error, SerializationError):
            return Failed("not_elasticsearch", f"{self.name} answers what is no JSON", hint="Check `url`.")
        return Retriable(message, code="target_unreachable", hint="Check that the cluster runs and its address.")


def blocked(message: str) -> Retriable:
    """The error for an index that refuses writes, for example at the disk's flood stage (F153)."""
    hint = 'Free disk space; then PUT INDEX/_settings {"index.blocks.read_only_allow_delete": null} if the block stays.'
    return Retriable(message, code="target_blocked", hint=hint)


def part(name: str) -> str:
    """A name as one part of a request's path."""
    return quote(name, safe="")


def parts(names: Sequence[str]) -> Iterator[str]:
    """Names as path parts of several each, short enough for the server's 4 kB for a request line."""
    for start in range(0, len(names), _NAMES_PER_PART):
        yield ",".join(map(part, names[start : start + _NAMES_PER_PART]))


def _trust_hint(why: str) -> str:
    if "expired" in why:
        return "Give the cluster a new certificate."
    if "ismatch" in why:
        return "Write a name of its certificate in `url`."
    return "Set `ca` to the PEM file of the authority that signed it, or `fingerprint`."


def _trust(config: ElasticsearchConfig) -> dict[str, Any]:
    """The client's options that say whom it trusts."""
    if config.fingerprint:
        return {"ssl_assert_fingerprint": config.fingerprint.replace(":", "").lower()}
    return {"ssl_context": _verifying(config.ca)}


def _verifying(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        hint = "Set `ca` to a PEM file that the worker can read."
        raise Failed("target_tls", f"no certificates can be read from {ca}: {error}", hint=hint) from error


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _bare(url: str) -> str:
    """The address without user and password: those travel as a header only."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path}"


def _credentials(config: ElasticsearchConfig) -> dict[str, Any]:
    if config.api_key:
        return {"api_key": config.api_key.reveal()}
    if config.username and config.password:
        return {"basic_auth": (config.username, config.password.reveal())}
    parts = urlsplit(config.url[0].reveal())
    if parts.username:
        return {"basic_auth": (unquote(parts.username), unquote(parts.password or ""))}
    return {}
