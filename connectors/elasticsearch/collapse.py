"""A batch becomes one write per document: each key's last, filled from earlier ones where it is not whole. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import RecordError
from connect.record import UNAVAILABLE
from connectors.elasticsearch.document import INCOMPLETE_FIELD, KEY_FIELD, DocumentId, Fields, document_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connect.record import Row, SinkRecord

_OURS: Final = (INCOMPLETE_FIELD, KEY_FIELD)


@dataclass(slots=True)
class Write:
    """What a batch does to one document.

    Attributes:
        index: The record's place in the batch.
        record: The last record of the key.
        id: The document's ``_id``.
        earlier: The write before it in the batch, kept only where this one's row is not whole.
    """

    index: int
    record: SinkRecord
    id: DocumentId
    earlier: Write | None = None


def collapse(records: Iterable[tuple[int, SinkRecord]]) -> tuple[list[Write], list[tuple[int, str]]]:
    """Last write per key wins (rule K3), in the order of each key's first record; and what names no document."""
    writes: dict[tuple[str, str], Write] = {}
    unusable: list[tuple[int, str]] = []
    for index, record in records:
        if record.key is None and record.after is None:
            unusable.append((index, "a delete without a key names no document"))
            continue
        try:
            identity = document_id(record)
        except (RecordError, UnicodeEncodeError) as error:
            unusable.append((index, f"no document id can be made of the key: {type(error).__name__}"))
            continue
        key = (record.topic, identity.text)
        earlier = writes.get(key)
        whole = record.after is None or not _has_gaps(record.after)
        writes[key] = Write(index, record, identity, None if whole else earlier)
    return list(writes.values()), unusable


def _has_gaps(row: Row) -> bool:
    return any(cell is UNAVAILABLE for cell in row.cells)


class Draft(NamedTuple):
    """A document as far as the batch knows it; ``needs_base`` where the index may hold the missing fields."""

    fields: Fields
    needs_base: bool = False


def draft(row: Row, earlier: Write | None, fields_of: Callable[[Row], Fields]) -> Draft:
    """Fill the columns that the log did not carry from the key's earlier records in the batch (invariant 5)."""
    values, missing = fields_of(row)
    while missing and earlier is not None:
        if earlier.record.after is None:  # deleted before: nothing older is this row's
            return Draft(Fields(values, missing))
        older = fields_of(earlier.record.after).values
        values |= {name: older[name] for name in missing if name in older}
        missing = tuple(name for name in missing if name not in older)
        earlier = earlier.earlier
    return Draft(Fields(values, missing), needs_base=bool(missing))


def fill(fields: Fields, base: Mapping[str, Any]) -> Fields:
    """Fill missing columns from the document that the index holds; what it lacks too stays missing."""
    unknown = set(base.get(INCOMPLETE_FIELD) or ()).union(_OURS)
    found = {name: base[name] for name in fields.missing if name in base and name not in unknown}
    return Fields(fields.values | found, tuple(name for name in fields.missing if name not in found))
