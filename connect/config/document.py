"""Strict YAML: plain data, and the place in a file of every key and value of it."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import yaml

from connect.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# Where a value is in the data: keys of mappings and indexes of lists, from the root.
DataPath = tuple[str | int, ...]

_UNREADABLE: Final[Mapping[int | None, str]] = {
    errno.ENOENT: "check the path; `connect demo` shows a file at work",
    errno.EISDIR: "name the files in it, one or several",
    errno.EACCES: "make it readable for the user who runs connect",
}
MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000  # with aliases followed, so that a bomb is refused while it is still small (F158)

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_CONSTANTS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_UNPRINTABLE: Final = frozenset("\0")


class Integer(int):
    """A number that remembers how it was written, so that a text option gets the operator's own characters (F157)."""

    written: str

    def __new__(cls, written: str) -> Self:
        """``written`` is a JSON integer."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written


class Real(float):
    """As ``Integer``, for numbers with a point or an exponent."""

    written: str

    def __new__(cls, written: str) -> Self:
        """``written`` is a JSON number."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True, slots=True)
class Document:
    """One or several files as plain data: dicts, lists, texts, ``Integer``, ``Real``, booleans and None.

    Attributes:
        data: The root mapping.
        places: ``file:line`` of each key and list item, by its path in ``data``.
    """

    data: dict[str, Any]
    places: Mapping[DataPath, str]

    def where(self, path: Sequence[str | int]) -> str:
        """``file:line`` of the value at ``path``, or of the nearest mapping around it."""
        for end in range(len(path), -1, -1):
            found = self.places.get(tuple(path[:end]))
            if found:
                return found
        return ""


class _Node(NamedTuple):
    """A parsed value before aliases are followed: one of a text, a list's items and a mapping's pairs."""

    line: int
    text: str | None = None
    plain: bool = False  # a text without quotes
    items: Sequence[_Node] = ()
    pairs: Sequence[tuple[_Node, _Node]] | None = None


def read_document(path: Path) -> Document:
    """Read one file.

    Raises:
        ConfigError: Not there, not UTF-8, too large, no YAML, or YAML with what we refuse (F155-F158).
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        fix = _UNREADABLE.get(error.errno, "")
        raise ConfigError([Problem(name, f"cannot be read: {error.strerror}", fix)]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(name, f"larger than {MAX_BYTES} bytes", "split it into several files")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{name}:{line}", "is not UTF-8", "save the file as UTF-8")]) from None
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """YAML text → data with places; ``name`` is the file's name in messages.

    Raises:
        ConfigError: Every problem found.
    """
    composer = _Composer(text, name)
    try:
        root = composer.root()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_parser_problem(error, text, name)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        fix = "remove the control character"
        raise ConfigError([Problem(f"{name}:{line}", f"character {error.character:#x} is not allowed", fix)]) from None
    except (ValueError, OverflowError):  # PyYAML's own chr() of an escape
        message, fix = "an escape in double quotes names no character", "write the character itself"
        raise ConfigError([Problem(f"{name}:{composer.line}", message, fix)]) from None
    flat = _Flattener(name, composer.problems)
    data = flat.value(root, ()) if root else None
    if not isinstance(data, dict):
        composer.problems.append(Problem(f"{name}:1", "holds no configuration", "begin with `name: …`"))
    if composer.problems:
        raise ConfigError(composer.problems)
    assert isinstance(data, dict)  # noqa: S101 - said above, for the type checker
    return Document(data, flat.places)


def _parser_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    """The parser's complaint in words that help: its own are about tokens."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(name, str(error.problem))
    where, at = f"{name}:{mark.line + 1}", mark.index
    if text[at - 1 : at + 1] == "${":
        return Problem(where, "a ${…} inside { } or [ ] stands without quotes", 'write "${…}" in double quotes')
    if error.context == "while scanning an alias":
        return Problem(where, "a value that begins with * stands without quotes", 'write it in quotes: "*…"')
    if "cannot start any token" in str(error.problem):
        if text[at : at + 1] == "\t":
            return Problem(where, "a tab indents this line", "indent with spaces")
        return Problem(where, f"a value that begins with {text[at : at + 1]} stands without quotes", "put it in quotes")
    started = error.context_mark
    since = f" (in what begins in line {started.line + 1})" if started and started.line != mark.line else ""
    return Problem(where, f"is no YAML: {error.problem}{since}", "look at the indentation, quotes and brackets here")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Composer:
    """Parser events → nodes. Tags and second documents are refused, aliases are followed to finished nodes only."""

    def __init__(self, text: str, name: str) -> None:
        self.problems: list[Problem] = []
        self.line = 1  # where the last event began
        self._name = name
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, _Node] = {}

    def root(self) -> _Node | None:
        """The only document's root, or None for an empty file."""
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent) and root:
                self._refuse(event, "a second document begins here", "one file is one document: remove the ---")
            elif isinstance(event, yaml.NodeEvent):
                root = root or self._node(event, 0)
        return root

    def _refuse(self, event: yaml.Event, message: str, fix: str) -> None:
        self.problems.append(Problem(f"{self._name}:{_line(event)}", message, fix))

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        line = self.line = _line(event)
        if depth > MAX_DEPTH:
            raise ConfigError([Problem(f"{self._name}:{line}", f"nested deeper than {MAX_DEPTH} levels")])
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(line, text=event.value, plain=event.style is None)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Node(line, items=self._items(depth))
        else:
            node = _Node(line, pairs=self._pairs(depth))
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._refuse(event, f"the tag {tag!r} is not allowed", "write the plain value")  # F155
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, line: int) -> _Node:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is None:
            fix = f'if a name was meant, write it in quotes: "*{name}"'
            self._refuse(event, f"*{name} stands for nothing: no &{name} ends before it", fix)
            return _Node(line, text="", plain=True)
        return node

    def _items(self, depth: int) -> list[_Node]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _pairs(self, depth: int) -> list[tuple[_Node, _Node]]:
        pairs = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            pairs.append((key, self._node(next(self._events), depth + 1)))
        return pairs


class _Flattener:
    """Nodes → plain data and places; refuses duplicate keys, merge keys and what aliases blow up."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.places: dict[DataPath, str] = {}
        self._name = name
        self._problems = problems
        self._values = 0

    def value(self, node: _Node, path: DataPath) -> Any:
        """The node's data; its place is noted unless a key noted it before."""
        self._values += 1
        if self._values > MAX_VALUES or len(path) > 2 * MAX_DEPTH:
            message = f"holds more than {MAX_VALUES} values once its aliases are followed"
            raise ConfigError([Problem(f"{self._name}:{node.line}", message, "write the values out")])
        self.places.setdefault(path, f"{self._name}:{node.line}")
        if node.text is not None:
            if not _UNPRINTABLE.isdisjoint(node.text) or not _encodes(node.text):
                message = "an escape names a character that no text can hold"
                self._problems.append(Problem(f"{self._name}:{node.line}", message, "take it out"))
            return _scalar(node.text) if node.plain else node.text
        if node.pairs is not None:
            return self._mapping(node.pairs, path)
        return [self.value(item, (*path, i)) for i, item in enumerate(node.items)]

    def _mapping(self, pairs: Sequence[tuple[_Node, _Node]], path: DataPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in pairs:
            where = f"{self._name}:{key.line}"
            if key.text is None:
                self._problems.append(Problem(where, "a list or mapping cannot be a key", "write a name before the :"))
            elif key.text in mapping:
                first = self.places[(*path, key.text)]
                message = f"the key {key.text!r} stands here for the second time; the first is at {first}"
                self._problems.append(Problem(where, message, "remove one of them"))  # F156
            elif key.text == "<<" and key.plain:
                self._problems.append(Problem(where, "merge keys (<<) are not read", "put shared options in defaults:"))
            else:
                self.places[(*path, key.text)] = where
                mapping[key.text] = self.value(value, (*path, key.text))
        return mapping


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _scalar(text: str) -> Any:
    """A plain scalar by JSON's core: no yes/no, octals, sexagesimals or dates (F157)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return Integer(text)
    if _REAL.fullmatch(text):
        return Real(text)
    return text
