"""Field types that plugin configuration models share: secrets, URLs, durations, sizes."""

from __future__ import annotations

import re
import ssl
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from connect.config.references import Reference
from connect.errors import ConnectError, Failed, Retriable

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_UNITS_BYTES = {
    "": 1,
    "b": 1,
    "kb": 1_000,
    "mb": 1_000_000,
    "gb": 1_000_000_000,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


class Secret:
    """A text that never prints (F160): ``repr``, ``str``, formats, JSON and pickles show ``***``.

    Values from ``${file:…}`` are read again at each ``reveal``, so a rotated password is picked up at the next
    connection.
    """

    __slots__ = ("_parts",)

    def __init__(self, *parts: Any) -> None:
        """``parts`` are texts and zero-argument functions that give a text; ``reveal`` joins them."""
        self._parts = parts

    def reveal(self) -> str:
        """The clear text. Never log, raise or store it.

        Raises:
            Retriable: ``secret_unavailable``: the file that holds it is gone for now.
        """
        try:
            return "".join(part if isinstance(part, str) else part() for part in self._parts)
        except LookupError as error:  # it was there when the file was loaded
            raise Retriable(str(error.args[0]), code="secret_unavailable", hint=str(error.args[-1])) from None

    @property
    def rotates(self) -> bool:
        """Whether it is read from a file, and so may be another at the next ``reveal``."""
        return any(getattr(part, "changes", False) for part in self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return "***"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, ("***",))

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any) -> Secret:
            if isinstance(value, Secret):
                return value
            if isinstance(value, Reference):
                return cls(*value.parts)
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                return cls(str(value))
            message = "a text is needed here"
            raise ValueError(message)

        return core_schema.no_info_plain_validator_function(
            check, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***")
        )


_AGAIN: Final = "It goes on trying: the secret is read from its file again each time, so a rotated one is picked up."


def or_rotated(error: ConnectError, *secrets: Secret | None) -> ConnectError:
    """A refused log-in as it is, or as one that is tried again where one of its secrets may be another by then."""
    if not isinstance(error, Failed) or not any(secret is not None and secret.rotates for secret in secrets):
        return error
    return Retriable(error.message, code=error.code, hint=f"{error.hint} {_AGAIN}".strip())


def one_host(url: Secret) -> Secret:
    """A URL whose user and password cannot be taken for its host, which messages show (F160).

    Raises:
        ValueError: It has an @ besides the one before the host.
    """
    authority, _, rest = re.sub("[/?#]", "/", url.reveal().partition("://")[2]).partition("/")
    if authority.count("@") > 1 or "@" in rest:
        message = "user name or password hold an @, / or ? in clear: write %40, %2F or %3F, or give password: beside it"
        raise ValueError(message)
    return url


Url = Annotated[Secret, AfterValidator(one_host)]


def _http_url(url: Secret) -> Secret:
    parts = urlsplit(one_host(url).reveal())
    if parts.scheme not in ("http", "https") or not parts.hostname:  # F167
        message = "a URL that begins with http:// or https:// is needed here"
        raise ValueError(message)
    return url


HttpUrl = Annotated[Secret, AfterValidator(_http_url)]


def milliseconds(value: Any) -> Any:
    """``250ms``, ``2s``, ``5m``, ``1h``, ``90d``, ``forever`` (-1) → milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        message = f"{value} has no unit: write for example {value}s, {value}m or {value}d"
        raise ValueError(message)
    if value == "forever":
        return -1
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", str(value))
    if not found:
        message = f"{value!r} is no duration: write for example 250ms, 2s, 5m, 1h, 90d or forever"
        raise ValueError(message)
    return round(float(found[1]) * _UNITS_MS[found[2]])


def size_in_bytes(value: Any) -> Any:
    """``400MB``, ``20MiB`` or a number → bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).lower())
    if not found or found[2] not in _UNITS_BYTES:
        message = f"{value!r} is no size: write for example 400MB or 20MiB"
        raise ValueError(message)
    return round(float(found[1]) * _UNITS_BYTES[found[2]])


_NAMES = ("topic", "prefix", "schema", "table")
_NAME = re.compile(r"\{([^}]*)\}")


def fill(template: str, topic: str) -> str:
    """``{topic}``, ``{prefix}``, ``{schema}`` and ``{table}`` of a target's name filled in for a topic.

    They are the parts of ``<prefix>.<schema>.<table>``, with or without ``.events`` behind (DESIGN §6).
    """
    parts = topic.split(".")
    if len(parts) > 3 and parts[-1] == "events":
        parts.pop()
    schema = parts[-2] if len(parts) > 1 else ""
    names = dict(zip(_NAMES, (topic, ".".join(parts[:-2]), schema, parts[-1]), strict=True))
    return _NAME.sub(lambda found: names.get(found[1], found[0]), template)


def _fillable(template: str) -> str:
    unknown = [name for name in _NAME.findall(template) if name not in _NAMES]
    if unknown:
        message = f"{{{unknown[0]}}} is no part of a topic's name: there are {', '.join(f'{{{n}}}' for n in _NAMES)}"
        raise ValueError(message)
    return template


Template = Annotated[str, AfterValidator(_fillable)]
Milliseconds = Annotated[int, BeforeValidator(milliseconds)]
Size = Annotated[int, BeforeValidator(size_in_bytes)]


class Model(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        coerce_numbers_to_str=True,  # a table or password that looks like a number keeps its characters (F157)
        hide_input_in_errors=True,  # F160
    )


TlsMode = Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"]


def _mode(value: Any) -> Any:
    return value.lower().replace("-", "_") if isinstance(value, str) else value


class MysqlTls(Model):
    """``tls:`` of MySQL and MariaDB. The link's encryption, in MySQL's own words (F171).

    Attributes:
        mode: ``disabled``; ``preferred``: where the server offers it, nothing verified, and not on the loopback;
            ``required``: or no connection, nothing verified; ``verify_ca``: the certificate is of the authority;
            ``verify_identity``: and of the URL's host. The default is ``verify_identity`` once a ``ca`` is given.
        ca: File of the authority's certificate; without one the system's authorities count.
        cert: File of our own certificate, for accounts that REQUIRE X509.
        key: File of its private key.
        key_password: Of that file.
    """

    mode: Annotated[TlsMode | None, BeforeValidator(_mode)] = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: Secret | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ca is not None and self.mode in {"disabled", "preferred", "required"}:
            message = f"mode {self.mode} verifies nothing, so `ca` would not be looked at: take one of them out"
            raise ValueError(message)
        if self.key is not None and self.cert is None:
            message = "`key` is of no use without `cert`"
            raise ValueError(message)
        return self

    @property
    def wanted(self) -> TlsMode:
        """The mode, or what is meant without one."""
        if self.mode is not None:
            return self.mode
        if self.ca is not None:
            return "verify_identity"
        return "required" if self.cert is not None else "preferred"


def libpq_authorities(parameters: dict[str, Any]) -> dict[str, Any]:
    """``sslrootcert`` for a URL that wants Postgres' certificate verified and names no authorities: the system's.

    libpq would take ``~/.postgresql/root.crt``, which is left to it where it is, and else give up.
    """
    verifies = str(parameters.get("sslmode", "")).startswith("verify-")
    if not verifies or "sslrootcert" in parameters or Path("~/.postgresql/root.crt").expanduser().exists():
        return {}
    system = ssl.get_default_verify_paths()
    return {"sslrootcert": system.cafile or system.openssl_cafile}


class Changes(StrEnum):
    """What a changed option acts on (DESIGN §7)."""

    LIVE = "live"  # everything after the next start
    NEW_RECORDS = "new records only"
    IDENTITY = "identity"  # refused, because what is there would no longer fit


def option(default: Any, doc: str, *, changes: Changes = Changes.LIVE, alias: str | None = None) -> Any:
    """A field of a ``Model`` with what the generated reference says of it.

    Args:
        default: ``...`` makes it required.
        doc: What it does, for operators.
        changes: What a change of it acts on.
        alias: Its name in the file, where Python does not allow it.
    """
    extra: dict[str, Any] = {"changes": changes.value}
    if isinstance(default, dict | list):
        return Field(default_factory=default.copy, description=doc, json_schema_extra=extra)
    return Field(default, alias=alias, description=doc, json_schema_extra=extra)
