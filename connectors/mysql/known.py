"""What is known of a table at the stream's position, and how that rides with it as a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import TableId
from connectors.mysql.definition_notes import from_note, table_of, to_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.mysql.columns import TableDefinition

_UNKNOWN: Final = (2**63, 0)  # an end of the log that no stream has passed


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a table at this position.

    Attributes:
        definition: Its columns; None after DROP, and where they are not known.
        statement: The one that was not understood, or "".
        why: What about it.
        ahead: The definition is the catalogue's, read when the log ended here: it holds from there on, and perhaps
            not before. None where it holds.
        moved: The name outside the file that the table was given; None where it bears its own.
    """

    definition: TableDefinition | None
    statement: str = ""
    why: str = ""
    ahead: tuple[int, int] | None = None
    moved: TableId | None = None

    def note(self) -> dict[str, Any]:
        """As it rides with the position."""
        if self.statement:
            return {"statement": self.statement, "why": self.why}
        if self.moved is not None:
            return {"moved": list(self.moved)}
        if self.definition is None:
            return {"dropped": True}
        return {**to_note(self.definition), "ahead": True} if self.ahead else to_note(self.definition)


def known_from(notes: Mapping[str, Mapping[str, Any]]) -> dict[TableId, Known]:
    """What the notes of all tables say.

    Raises:
        Failed: ``history_note``.
    """
    found = {}
    for name, note in notes.items():
        table = table_of(name)
        if table is None:
            continue
        if "moved" in note:
            found[table] = Known(None, moved=TableId(*note["moved"]))
        elif note.get("dropped"):
            found[table] = Known(None)
        elif "statement" in note:
            found[table] = Known(None, note["statement"], note["why"])
        else:
            found[table] = Known(from_note(table, dict(note)), ahead=_UNKNOWN if note.get("ahead") else None)
    return found
