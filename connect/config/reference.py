"""Every option of a model as rows of a table, and the reference page made of them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from connect.config.fields import Changes, Secret, milliseconds, size_in_bytes
from connect.config.keys import FileKeys, SinkKeys, SourceKeys, TargetKeys
from connect.config.plugins import discover
from connect.config.window import Window
from connect.transforms.catalog import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo

    from connect.api.plugin import Plugin

_SPANS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, ""))
_BY_CHECK: Mapping[Any, str] = {milliseconds: "duration", size_in_bytes: "size"}
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Secret: "secret",
    Path: "path",
    Window: "hours",
}


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: Its dotted path below the model.
        type: For people.
        default: As it would be written; None where it is required.
        changes: What a change acts on.
        doc: What it does.
    """

    name: str
    type: str
    default: str | None
    changes: str
    doc: str


def options(model: type[BaseModel], prefix: str = "") -> Iterator[Option]:
    """Every option of a model and of the models inside it."""
    documented = _docstring_attributes(model)
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{field.alias or name}"
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        doc = field.description or documented.get(name, "")
        default = None if field.is_required() else _written(field.get_default(call_default_factory=True), field)
        yield Option(
            dotted, _type(field.annotation, field.metadata), default, str(extra.get("changes", Changes.LIVE)), doc
        )
        inner = _inner(field.annotation)
        if inner is not None:
            yield from options(inner, f"{dotted}.")


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside an option, if there is one model and no more."""
    models = [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]
    return models[0] if len(models) == 1 else None


def _members(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _members(argument)
    elif annotation is not NoneType:
        yield annotation


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """An annotation in words."""
    for item in metadata:
        if isinstance(item, BeforeValidator) and item.func in _BY_CHECK:
            return _BY_CHECK[item.func]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    if origin in (list, tuple, dict):
        return f"{'mapping to' if origin is dict else 'list of'} {_type(arguments[1 if origin is dict else 0])}"
    return _plain_type(annotation, arguments)


def _plain_type(annotation: Any, arguments: tuple[Any, ...]) -> str:
    words = arguments  # of a Literal
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        words = tuple(member.value for member in annotation)
    return ", ".join(f"`{word}`" for word in words) or _WORDS.get(annotation, "value")


def _written(value: Any, field: FieldInfo) -> str:
    """A default as an operator would write it."""
    kind = _type(field.annotation, field.metadata)
    if value is None or isinstance(value, BaseModel) or value in ({}, []):
        return ""
    if kind == "duration":
        return "forever" if value < 0 else _in_units(value, _SPANS)
    if kind == "size":
        return _in_units(value, _SIZES)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _in_units(value: int, units: Iterable[tuple[int, str]]) -> str:
    return min((f"{value // unit}{name}" for unit, name in units if value % unit == 0), key=len)


def _docstring_attributes(model: type[BaseModel]) -> dict[str, str]:
    """``Attributes:`` of a model's docstring, for plugins that document their options there."""
    text = inspect.cleandoc(model.__doc__ or "")
    _, _, section = text.partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", doc).replace("``", "`") for name, doc in found}


def page(plugins: Iterable[Plugin]) -> str:
    """The reference page, in Markdown."""
    parts = [_HEAD, _section("The file", FileKeys)]
    parts.append("`sources` and `sinks` are mappings from a name to the options below.\n")
    parts.append(_section("A source: `sources.NAME`", SourceKeys))
    parts.append(_section("A sink: `sinks.NAME`", SinkKeys))
    parts.append(_section("A topic of a sink: `topics.PATTERN`, and `defaults`", TargetKeys))
    for plugin in sorted(plugins, key=lambda plugin: (plugin.kind, plugin.name)):
        parts.append(_section(f"`plugin: {plugin.name}` ({plugin.kind})", plugin.config))
        if plugin.target is not None:
            parts.append(_section(f"`plugin: {plugin.name}`, a topic, and `defaults`", plugin.target))
    parts.append(
        "A transform also takes `tables` (at a source) or `topics` (at a sink): what it works on; all without.\n"
    )
    parts += [_section(f"Transform `{name}`", builtin.options) for name, builtin in BUILTIN.items()]
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel]) -> str:
    intro = inspect.cleandoc(model.__doc__ or "").partition("Attributes:")[0].strip().replace("``", "`")
    lines = [f"## {title}\n", f"{intro}\n", "| option | type | default | a change acts on | |", "|---|---|---|---|---|"]
    for option in options(model):
        default = "**required**" if option.default is None else f"`{option.default}`" if option.default else ""
        cells = (f"`{option.name}`", option.type, default, option.changes, option.doc)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join([*lines, ""])


_HEAD = """\
# Configuration reference

Made from the models by `python -m connect.config.reference`; do not edit.

A file is strict YAML: no duplicate keys, no tags; only `true`, `false`, `null` and JSON's numbers are more than text.
`${env:NAME}` and `${file:/path}` stand anywhere in a text; among the credentials of a URL they are percent-encoded,
and files of secrets are read again at each connection. `$${` is a literal `${`. Several files make one configuration.

`tables:` and `topics:` are lists, or mappings from a name or pattern to options over `defaults:`. In patterns `*` and
`?` stop at a dot, `/…/` is a regular expression for the whole name. `exclude` wins; an exact name beats a pattern; two
patterns that set one option differently for one table are an error, and so is what matches nothing.

A change of an option acts on what comes after the next start (*live*), on *new records only*, or is refused
(*identity*) because what is there would no longer fit.
"""


if __name__ == "__main__":
    print(page(found.plugin for found in discover() if found.plugin))  # noqa: T201 - this is the page's generator
