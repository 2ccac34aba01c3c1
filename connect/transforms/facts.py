"""What a transform may know of the table or topic that it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from connect.config.fields import Secret


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of one table of a source, or one topic of a sink.

    Attributes:
        connector: The source's or sink's name in the file.
        name: Of the table or topic, for messages.
        state: A reader folds the changes by key, so a row that leaves must leave as a delete (DESIGN §6).
        columns: The table's columns that were there while its masks fitted; None where they are not known.
        mask_key: The file's ``mask_key``.
        folder: Of the operator's file: the last place where Python functions are looked for.
    """

    connector: str
    name: str
    state: bool = True
    columns: frozenset[str] | None = None
    mask_key: Secret | None = None
    folder: Path | None = None
