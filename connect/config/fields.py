"""Field types that plugin configuration models share: secrets, URLs, durations, sizes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from connect.config.references import Reference
from connect.errors import Retriable

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
