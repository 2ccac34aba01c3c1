"""What pydantic says of a value, as a problem with a place and a way to mend it."""

from __future__ import annotations

from difflib import get_close_matches
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from connect.config.document import Document
from connect.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

    from connect.config.document import DataPath

_SHORTEST_SECRET: Final = 4
_NAMED: Final = 20  # of names that there are, where none is near
# What is needed and how it is written, by pydantic's error type or its first word (int_parsing, int_from_float): its
# own words speak of Python.
_NEEDED: Final = {
    "int": ("a whole number is needed", ""),
    "float": ("a number is needed", ""),
    "bool": ("true or false is needed", ""),
    "string_type": ("a text is needed", ""),
    "list": ("a list is needed", "write [one, another]"),
    "tuple": ("a list is needed", "write [one, another]"),
    "dict": ("names with their values are needed", "write {name: value}"),
    "model": ("options with their values are needed", ""),
    "too_short": ("nothing stands here", "name at least one"),
}
M = TypeVar("M", bound=BaseModel)


class Report:
    """Collects the problems of one document, so that all of them are told at once (DESIGN §7)."""

    def __init__(self, document: Document) -> None:
        self._places = dict(document.places)
        self.document = Document(document.data, self._places)
        self._problems: list[Problem] = []
        self._unresolved: set[DataPath] = set()
        self._hidden: set[str] = set()

    def add(self, path: DataPath, message: str, fix: str = "") -> None:
        """A problem with the value at ``path``."""
        if path not in self._unresolved:
            for text in self._hidden:
                message = message.replace(text, "***")
            self._problems.append(Problem(self.document.where(path), message, fix))

    def hide(self, text: str) -> None:
        """Never print what a reference stood for, whatever a plugin's own check makes of it (F160)."""
        if len(text) >= _SHORTEST_SECRET:
            self._hidden.add(text)

    def place(self, path: DataPath, same: DataPath) -> None:
        """Give a path that the file does not have the place of one that it has."""
        self._places[path] = self.document.where(same)

    def unresolved(self, path: DataPath, message: str, fix: str) -> None:
        """A reference that leads nowhere; whatever else is wrong with that value follows from it."""
        self.add(path, message, fix)
        self._unresolved.add(path)

    @property
    def problems(self) -> list[Problem]:
        """Each problem once, by file and line."""
        return by_place(self._problems)

    def model(
        self,
        model: type[M],
        data: Any,
        path: DataPath,
        *,
        also: Iterable[str] = (),
        elsewhere: Mapping[str, DataPath] | None = None,
    ) -> M | None:
        """A model of ``data``, or None and every problem in it.

        Args:
            model: What the data must be.
            data: Plain data.
            path: Of ``data`` in the document.
            also: Names besides the model's own that a misspelt key at its root may have meant.
            elsewhere: Paths of those root keys of ``data`` that do not stand under ``path``.
        """
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False, include_context=False):
                location = _in_data(detail["loc"], data)
                root = (elsewhere or {}).get(str(detail["loc"][0]) if detail["loc"] else "")
                place = (*root, *location[1:]) if root else (*path, *location)
                message, fix = _words(detail, model, place, also)
                self.add(place, message, fix)
            return None


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean …?``, or the names that there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"known are {', '.join(names[:_NAMED])}{more}" if names else ""


def by_place(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by file and line."""

    def place(problem: Problem) -> tuple[str, int]:
        file, _, line = problem.where.rpartition(":")
        return file, int(line) if line.isdigit() else 0

    return sorted(dict.fromkeys(problems), key=place)


def dotted(path: DataPath) -> str:
    """A path as people write it."""
    return ".".join(str(part) for part in path)


def _words(detail: ErrorDetails, model: type[BaseModel], place: DataPath, also: Iterable[str]) -> tuple[str, str]:
    """The message and the fix for one of pydantic's errors."""
    location = detail["loc"]
    if detail["type"] == "missing":
        return f"{dotted((*place, location[-1]))} is missing", f"add {location[-1]}: …"
    if detail["type"] == "extra_forbidden":
        known = {*_fields_at(model, location[:-1]), *(also if len(location) == 1 else ())}
        return f"unknown key {dotted(place)}", nearest(str(location[-1]), known)
    kind = detail["type"]
    message, fix = _NEEDED.get(kind) or _NEEDED.get(kind.partition("_")[0], (detail["msg"], ""))
    if kind == "model_type":
        fix = f"its options are {', '.join(_fields_at(model, location))}"
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{dotted(place)}: {message}", fix


def _in_data(location: tuple[int | str, ...], data: Any) -> DataPath:
    """The part of pydantic's location that is a path in the data: it adds the members of unions."""
    path: list[str | int] = []
    for part in location:
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if inside:
            data = data[part]
            path.append(part)
    return tuple(path)


def _fields_at(annotation: Any, location: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that a model knows at a location inside it."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            if not location:
                return [info.alias or name for name, info in member.model_fields.items()]
            for name, info in member.model_fields.items():
                if location[0] in (name, info.alias):
                    return _fields_at(info.annotation, location[1:])
        elif get_origin(member) in (dict, list, tuple) and location:
            found = _fields_at(get_args(member)[-1], location[1:])
            if found:
                return found
    return []


def _members(annotation: Any) -> list[Any]:
    """The members of a union without None; the annotation itself where it is none."""
    if hasattr(annotation, "__metadata__"):
        return _members(annotation.__origin__)
    arguments = get_args(annotation)
    if arguments and get_origin(annotation) not in (dict, list, tuple):
        return [member for argument in arguments if argument is not NoneType for member in _members(argument)]
    return [annotation]
