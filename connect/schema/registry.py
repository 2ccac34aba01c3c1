"""A client of Confluent's registry API: register, look up by id, check compatibility."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import threading
import time
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from connect.errors import ConfigError, Failed, Problem, Retriable

MAX_ANSWER: Final = 8 << 20  # bytes; the largest schema that a registry can mean
DOWN_SECONDS: Final = 10.0  # how long a registry that did not answer is not asked what can wait
_SHOWN: Final = 4_000  # characters of a schema in a hint
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"
_HINT_URL: Final = "check schema_registry.url: it must lead to the Confluent API (Apicurio: .../apis/ccompat/v7)"
_NO_REASON: Final = "the registry gives no reason"
_MISSING: Final = {40401, 40402, 40403, 40408}  # subject, version, schema, compatibility of a subject


class Revealable(Protocol):
    """A secret that shows its text only when asked: ``connect.config.fields.Secret``."""

    @property
    def rotates(self) -> bool:
        """Whether it may be another at the next ``reveal``."""
        ...

    def reveal(self) -> str:
        """The clear text."""
        ...


class Login(NamedTuple):
    """Who we are for the registry. Secrets are read again for each request.

    Attributes:
        user: For basic authentication.
        password: Of that user.
        token: Of a bearer, instead of both.
    """

    user: str | None = None
    password: Revealable | None = None
    token: Revealable | None = None


class _Answer(NamedTuple):
    status: int
    reason: str
    body: bytes
    headers: http.client.HTTPMessage


class TlsFiles(NamedTuple):
    """Files of certificates.

    Attributes:
        ca: To trust instead of the system's.
        cert: Our own, for a registry that asks who we are.
        key: Its private key, where that is another file.
        key_password: Of that key.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: Revealable | None = None


_NO_FILES: Final = TlsFiles()
_NOBODY: Final = Login()


class RegistryClient:
    """Speaks with one registry. Thread-safe; every request is a connection of its own, since requests are rare.

    Redirects are refused, proxies of the environment ignored, answers bounded in size and time, certificates checked
    (faults.md §5, 30).

    Args:
        url: ``http`` or ``https``, with the path under which the Confluent API lives. Credentials in it are used and
            never shown.
        login: Where the URL does not say it.
        tls: Certificates, for ``https``.
        timeout: Seconds for connecting, and for each answer as a whole.
        auto_register: False: schemas are only looked up, somebody else registers them.

    Raises:
        ConfigError: The URL is none of a registry.
    """

    def __init__(
        self,
        url: str,
        *,
        login: Login = _NOBODY,
        tls: TlsFiles = _NO_FILES,
        timeout: float = 10.0,
        auto_register: bool = True,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = _address(parts)
        self._path = parts.path.rstrip("/")
        self._tls = _context(tls) if parts.scheme == "https" else None
        self._user = login.user or (unquote(parts.username) if parts.username else None)
        self._password = login.password
        self._token = login.token
        self._url_password = unquote(parts.password) if parts.password else ""
        self._timeout = timeout
        self._auto_register = auto_register
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str], int] = {}
        self._down_until = 0.0
        self.shown_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._path}"

    @property
    def is_down(self) -> bool:
        """True for some seconds after a request found nobody: what can wait is not asked meanwhile."""
        return time.monotonic() < self._down_until

    def schema_id(self, subject: str, text: str) -> int:
        """The id of a schema under a subject; registers it unless ``auto_register`` is off. Asks once for each.

        It is looked up first: an older version, met again after a restart, must not be checked against its successor.

        Raises:
            Retriable: ``registry_unreachable``.
            Failed: ``schema_incompatible`` with the registry's words (F101), ``schema_missing``, ``schema_refused``,
                ``registry_denied``, ``registry_untrusted``, ``registry_answer``.
        """
        with self._lock:
            known = self._ids.get((subject, text))
        if known is None:
            known = self._find(subject, text)
            if known is None:
                known = self._register(subject, text)
            with self._lock:
                self._ids[subject, text] = known
        return known

    def schema_text(self, schema_id: int) -> str:
        """The schema with that id.

        Raises:
            Retriable: ``registry_unreachable``.
            Failed: ``schema_unknown`` (F103, F104), ``schema_unsupported`` for one that is not Avro, and as above.
        """
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer is None:
            raise Failed(
                "schema_unknown",
                f"the registry at {self.shown_url} does not know schema id {schema_id}",
                hint="restore the registry's storage, or point schema_registry.url at the registry of the producer",
            )
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO" or answer.get("references"):
            what = f"is {kind}" if kind != "AVRO" else "refers to other schemas"
            raise Failed("schema_unsupported", f"schema id {schema_id} {what}: only self-contained Avro is read")
        text = answer.get("schema")
        if not isinstance(text, str):
            message = f"{self.shown_url}/schemas/ids/{schema_id}: an answer without a schema"
            raise Failed("registry_answer", message, hint=_HINT_URL)
        return text

    def incompatibilities(self, subject: str, text: str) -> list[str]:
        """What the registry has against this schema as the subject's next version; empty if it may be registered.

        A subject without versions takes anything. Raises as ``schema_id`` does.
        """
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        answer = self._ask("POST", path, {"schema": text})
        if answer is None or answer.get("is_compatible") is True:
            return []
        messages = answer.get("messages")
        if not isinstance(messages, list) or not messages:  # Apicurio keeps its reasons for the 409 of a registration
            return [_NO_REASON]
        return [str(message) for message in messages]

    def compatibility(self, subject: str) -> str | None:
        """The level that was set for this very subject, for example ``NONE``; None where nobody set one.

        Apicurio answers for every subject, with the level of the whole registry where none was set, and that is NONE
        until somebody changes it. So a level that is also the registry's is nobody's word on this subject.
        """
        level = self._level(f"/config/{quote(subject, safe='')}")
        return level if level and level != self._level("/config") else None

    def _level(self, path: str) -> str:
        answer = self._ask("GET", path) or {}
        return str(answer.get("compatibilityLevel") or answer.get("compatibility") or "")

    def subjects(self) -> frozenset[str]:
        """Those that have a version; raises as ``schema_id`` does. Whoever may register need not be let to see them."""
        answer = self._answer("GET", "/subjects", None)
        self._refuse(answer, "/subjects")
        names = self._json(answer, "/subjects")
        if not isinstance(names, list):
            raise self._nonsense(answer, "/subjects")
        return frozenset(map(str, names))

    def _find(self, subject: str, text: str) -> int | None:
        path = f"/subjects/{quote(subject, safe='')}"
        answer = self._ask("POST", path, {"schema": text})
        return None if answer is None else self._id_of(answer, path)

    def _register(self, subject: str, text: str) -> int:
        if not self._auto_register:
            message = f"{subject}: the registry at {self.shown_url} does not have this schema and auto_register is off"
            wanted = f"register it: {text}\n" if len(text) <= _SHOWN else ""
            hint = f"{wanted}`connect plan FILE --json` has the schema of each subject; or auto_register: true"
            raise Failed("schema_missing", message, hint=hint)
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._ask("POST", path, {"schema": text}, subject=subject)
        if answer is None:
            raise Failed("registry_answer", f"{self.shown_url}{path}: not found", hint=_HINT_URL)
        return self._id_of(answer, path)

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, subject: str = ""
    ) -> dict[str, Any] | None:
        """The answer's object, or None where the registry says that there is no such subject, version or schema."""
        answer = self._answer(method, path, body)
        if answer.status == http.HTTPStatus.NOT_FOUND and self._error_code(answer) in _MISSING:
            return None
        if answer.status == http.HTTPStatus.CONFLICT and subject and body:
            raise self._incompatible(subject, body["schema"], answer)
        self._refuse(answer, path)
        value = self._json(answer, path)
        if not isinstance(value, dict):
            raise self._nonsense(answer, path)
        return value

    def _incompatible(self, subject: str, text: str, answer: _Answer) -> Failed:
        words = [_message(answer)]
        with contextlib.suppress(Retriable, Failed):  # the refusal itself said why
            words += [word for word in self.incompatibilities(subject, text) if word not in {*words, _NO_REASON}]
        return Failed(
            "schema_incompatible",
            f"{subject}: the registry at {self.shown_url} refuses the new schema: {'; '.join(words)}",
            hint="leave the column out with `columns:`, or let it pass: PUT /config/SUBJECT with another compatibility",
        )

    def _refuse(self, answer: _Answer, path: str) -> None:
        """Raise for every status that is not a success."""
        status, url = answer.status, f"{self.shown_url}{path}"
        if status in {200, 201}:
            return
        if status in {401, 403}:
            raise self._denied(f"{url}: {status} {answer.reason}", status)
        if status in {408, 429} or status >= 500:
            self._down_until = time.monotonic() + DOWN_SECONDS
            raise Retriable(f"{url}: {status} {answer.reason}", code="registry_unreachable", after=_retry_after(answer))
        if 300 <= status < 400:
            to = str(answer.headers.get("Location", "elsewhere"))
            raise Failed("registry_answer", f"{url}: redirected to {_printable(to.encode())}", hint=_HINT_URL)
        if self._error_code(answer):
            raise Failed("schema_refused", f"{url}: {status}: {_message(answer)}")
        raise self._nonsense(answer, path)

    def _denied(self, message: str, status: int) -> Failed | Retriable:
        """A password that is read from a file may be another one at the next try."""
        hint = "check schema_registry's username and password, or token, and its rights on subjects"
        if status == 401 and any(secret is not None and secret.rotates for secret in (self._password, self._token)):
            hint = f"{hint}; it goes on trying, and reads the secret from its file again each time"
            return Retriable(message, code="registry_denied", hint=hint)
        return Failed("registry_denied", message, hint=hint)

    def _json(self, answer: _Answer, path: str) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._nonsense(answer, path) from None

    def _error_code(self, answer: _Answer) -> int | None:
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            return None
        code = value.get("error_code") if isinstance(value, dict) else None
        return code if isinstance(code, int) else None

    def _id_of(self, answer: dict[str, Any], path: str) -> int:
        number = answer.get("id")
        if type(number) is not int or not 0 <= number < 1 << 32:
            raise Failed("registry_answer", f"{self.shown_url}{path}: an answer without an id", hint=_HINT_URL)
        return number

    def _nonsense(self, answer: _Answer, path: str) -> Failed:
        message = f"{self.shown_url}{path}: {answer.status}, not a registry's answer: {_printable(answer.body)}"
        return Failed("registry_answer", message, hint=_HINT_URL)

    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> _Answer:
        """One request on a connection of its own."""
        deadline = time.monotonic() + self._timeout
        connection = self._connection()
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, self._path + path, data, self._headers(data))
            with connection.getresponse() as response:
                answer = _Answer(response.status, response.reason, _body(response, deadline), response.headers)
        except ssl.SSLCertVerificationError as error:
            message = f"{self.shown_url}: its certificate is not trusted: {error.verify_message}"
            raise Failed("registry_untrusted", message, hint=_trust_hint(error.verify_message)) from error
        except (OSError, http.client.HTTPException) as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            reason = str(error) or type(error).__name__
            raise Retriable(f"{self.shown_url}{path}: {reason}", code="registry_unreachable") from error
        finally:
            connection.close()
        self._down_until = 0.0
        if len(answer.body) > MAX_ANSWER:
            message = f"{self.shown_url}{path}: an answer of more than {MAX_ANSWER} bytes"
            raise Failed("registry_answer", message, hint=_HINT_URL)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)

    def _headers(self, data: bytes | None) -> dict[str, str]:
        headers = {"Accept": _ACCEPT}
        if data is not None:
            headers["Content-Type"] = "application/vnd.schemaregistry.v1+json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        elif self._user is not None:
            password = self._password.reveal() if self._password else self._url_password
            token = base64.b64encode(f"{self._user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        return headers


def _address(parts: SplitResult) -> tuple[str, int | None]:
    with contextlib.suppress(ValueError):  # a port that is no number
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts.hostname, parts.port
    raise ConfigError(
        [Problem("schema_registry.url", "not an http or https URL", "write for example http://host:8081")]
    )


def _context(tls: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key, tls.key_password.reveal if tls.key_password else None)
    except (OSError, ssl.SSLError) as error:
        message = f"a file of schema_registry.tls cannot be used: {error.strerror or type(error).__name__}"
        raise Failed("registry_untrusted", message, hint="check ca, cert, key and key_password there") from None
    return context


def _trust_hint(why: str) -> str:
    if "expired" in why:
        return "give the registry a new certificate"
    if "ismatch" in why:
        return "write a name of its certificate in schema_registry.url"
    return "set schema_registry.tls.ca to the file of its authority's certificate"


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body up to one byte more than allowed; a server that trickles is cut off at the deadline."""
    body = bytearray()
    while len(body) <= MAX_ANSWER:
        part = response.read1(min(1 << 16, MAX_ANSWER + 1 - len(body)))
        if not part:
            break
        body += part
        if time.monotonic() > deadline:
            message = "the answer took too long"
            raise TimeoutError(message)
    return bytes(body)


def _retry_after(answer: _Answer) -> float | None:
    value = str(answer.headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else None


def _message(answer: _Answer) -> str:
    """The registry's own words, or what came instead."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = None
    words = value.get("message") if isinstance(value, dict) else None
    return words[:2000] if isinstance(words, str) else _printable(answer.body)


def _printable(data: bytes) -> str:
    """The first 80 printable characters, quoted."""
    shown = "".join(c if c.isprintable() else " " for c in data[:400].decode("utf-8", "replace"))
    return repr(" ".join(shown.split())[:80])
