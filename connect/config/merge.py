"""Several files as one document; a name defined twice is an error (DESIGN §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.config.document import DataPath, Document, read_document
from connect.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAMED = ("sources", "sinks")  # mappings whose entries may come from different files


def read_files(paths: Sequence[Path]) -> Document:
    """The files' data and places as one document.

    Raises:
        ConfigError: Files that cannot be read, and names that two of them define.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            problems += error.problems
    data: dict[str, Any] = {}
    places: dict[DataPath, str] = {}
    for document in documents:
        _merge(data, places, document, problems)
        places = {**document.places, **places}
    if problems:
        raise ConfigError(problems)
    return Document(data, places)


def _merge(data: dict[str, Any], places: dict[DataPath, str], document: Document, problems: list[Problem]) -> None:
    for key, value in document.data.items():
        known = data.setdefault(key, {} if key in _NAMED and isinstance(value, dict) else value)
        if key in _NAMED and isinstance(value, dict) and isinstance(known, dict):
            problems += [_twice((key, name), places, document) for name in value if name in known]
            known.update({name: entry for name, entry in value.items() if name not in known})
        elif known is not value:
            problems.append(_twice((key,), places, document))


def _twice(path: DataPath, places: dict[DataPath, str], document: Document) -> Problem:
    message = f"{path[-1]!r} is defined here and at {places[path]}"
    return Problem(document.where(path), message, "keep one of the two")
