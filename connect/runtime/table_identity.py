"""Options of a table that what is in its topics rests on: changed, they are refused or told (DESIGN §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connect.api.tables import TableOptions, View
    from connect.schema.model import TableId


def identity_note(table: TableId) -> str:
    """The name of the note with what a table's topics rest on."""
    return f"table:{table}"


def identity(choice: TableOptions, topics: Mapping[View, str], key: Sequence[str]) -> dict[str, Any]:
    """The content of that note: ``topics`` by view, the form of values, the key's columns, kinds of masks by column."""
    return {
        "topics": {view.value: name for view, name in topics.items()},
        "value": choice.value,
        "key": list(key),
        "mask": {column: str(kind) for column, kind in (choice.mask or {}).items()},
    }


def check_identity(table: TableId, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Whether records may go on behind those that are there.

    Raises:
        Failed: ``identity_changed``: a topic would lack what was written before, or have it in another form.
    """
    for view, topic in now["topics"].items():
        old = before["topics"].get(view)
        if old is None:
            raise _changed(table, f"it has no {view} view until now, and its rows were read already")
        if old != topic:
            raise _changed(table, f"its {view} view was written to {old}, and would go on in {topic}")
    if before["value"] != now["value"]:
        raise _changed(table, f"its values were written as value: {before['value']}, now it is {now['value']}")
    if before["key"] != now["key"]:
        old, new = (", ".join(keys) or "none" for keys in (before["key"], now["key"]))
        raise _changed(table, f"its key was {old}, now it is {new}: keys would go to other partitions")


def _changed(table: TableId, what: str) -> Failed:
    return Failed(
        "identity_changed",
        f"{table}: {what}",
        hint=f"Put it back. Or leave {table} out of the file, start once, and name it again: it is read anew. If its "
        "key or the form of its values changed, route it to another topic then.",
    )


def clear_before(table: TableId, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each column whose mask is new: what was written before has another form."""
    topics = ", ".join(now["topics"].values())
    for column, kind in now["mask"].items():
        old = before["mask"].get(column)
        if old is None:
            yield f"{table}: {column} is masked from now on; older records of {topics} hold clear values"
        elif old != kind:
            yield f"{table}: {column} is masked in another way from now on; older records of {topics} keep the old one"
