"""Field types that plugin configuration models share: secrets, durations, sizes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

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
        """The clear text. Never log, raise or store it."""
        return "".join(part if isinstance(part, str) else part() for part in self._parts)

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
            if isinstance(value, str):
                return cls(value)
            message = "a text is needed here"
            raise ValueError(message)

        return core_schema.no_info_plain_validator_function(
            check, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***")
        )


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


Milliseconds = Annotated[int, BeforeValidator(milliseconds)]
Size = Annotated[int, BeforeValidator(size_in_bytes)]


class Model(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
