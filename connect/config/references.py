"""``${env:NAME}`` and ``${file:/path}`` in the operator's texts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.config.document import DataPath
    from connect.config.problems import Report

_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^{}]*)\}")
_MAX_FILE_BYTES: Final = 65_536


class Reference(str):
    """A text in which references stood: its characters are the resolved ones, its ``repr`` is what the file says.

    Attributes:
        template: The text as it stands in the file.
        parts: Texts, and functions that read the environment or the file anew; joined they are the text.
    """

    __slots__ = ("parts", "template")
    parts: tuple[str | Callable[[], str], ...]
    template: str

    def __new__(cls, template: str, parts: tuple[str | Callable[[], str], ...]) -> Self:
        """Read every part once.

        Raises:
            LookupError: A variable or a file is not there; its text says which, and never a value.
        """
        text = super().__new__(cls, "".join(part if isinstance(part, str) else part() for part in parts))
        text.parts = parts
        text.template = template
        return text

    def __repr__(self) -> str:
        return repr(self.template)


def expand(report: Report) -> Any:
    """The document's data with references resolved; where one cannot be, a problem and the text as it stands."""

    def walk(value: Any, path: DataPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            text = resolve(value)
            for part in text.parts if isinstance(text, Reference) else ():
                report.hide(part() if callable(part) else "")
        except LookupError as error:
            report.unresolved(path, *error.args)
            return value
        return text

    return walk(report.document.data, ())


def resolve(template: str) -> str:
    """A text with its references resolved; ``$${`` is a literal ``${``.

    A reference among the credentials or the parameters of a URL is percent-encoded: the file holds the password as it
    is, the URL needs it quoted (DESIGN §7).

    Raises:
        LookupError: With what is wrong and how to mend it.
    """
    parts: list[str | Callable[[], str]] = []
    end = 0
    for found in _REFERENCE.finditer(template):
        parts.append(template[end : found.start()])
        end = found.end()
        if found[1]:
            parts.append("${")
            continue
        read = _reader(found[2])
        encode = _is_quoted_in_url(template[: found.start()], template[found.end() :])
        parts.append(replace(read, quoted=encode))
    parts.append(template[end:])
    texts = [part for part in parts if part != ""]
    if all(isinstance(part, str) for part in texts):
        return "".join(part for part in texts if isinstance(part, str))
    return Reference(template, tuple(texts))


@dataclass(frozen=True)
class Part:
    """Reads one reference, each time anew.

    Attributes:
        read: What reads it.
        changes: Whether it may give something else while the process runs, as a file does.
        quoted: Whether it stands in a URL that wants it percent-encoded.
    """

    read: Callable[[], str]
    changes: bool
    quoted: bool = False

    def __call__(self) -> str:
        """The text as it is now; raises LookupError where there is none."""
        text = self.read()
        return quote(text, safe="") if self.quoted else text


def _is_quoted_in_url(before: str, after: str) -> bool:
    before, after = _REFERENCE.sub("", before), _REFERENCE.sub("", after)
    scheme, url, rest = before.partition("://")
    if not url or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return False
    return "?" in rest or (not re.search(r"[/?#]", rest) and "@" in re.split(r"[/?#]", after, maxsplit=1)[0])


def _reader(reference: str) -> Part:
    """What reads one reference, each time anew."""
    scheme, _, name = reference.partition(":")
    if scheme == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return Part(partial(_environment, name), changes=False)
    if scheme == "file" and name.startswith("/") and ".." not in Path(name).parts:
        return Part(partial(_file_text, Path(name)), changes=True)
    if scheme == "file":
        raise LookupError(f"${{{reference}}} is no absolute path without ..", "write ${file:/run/secrets/name}")
    message = f"${{{reference}}} is no reference that we know"
    fix = "write ${env:NAME} or ${file:/path}" if not re.fullmatch(r"\w+", reference) else f"write ${{env:{reference}}}"
    raise LookupError(message, fix)


def _environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        message = f"the environment variable {name} is not set"
        raise LookupError(message, f"set it before the start: export {name}=…") from None


def _file_text(path: Path) -> str:
    """A secret's file without its last line end. Only regular files: a pipe or a device would hold up the worker."""
    try:
        if not path.is_file():
            raise LookupError(f"the file {path} is not there", "make it, readable for the worker's user only")
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise LookupError(f"the file {path} cannot be read: {reason}", "let the worker's user read it") from None
    if len(text) > _MAX_FILE_BYTES:
        raise LookupError(f"the file {path} is larger than {_MAX_FILE_BYTES} characters", "name a file with one secret")
    return text.removesuffix("\n").removesuffix("\r")
