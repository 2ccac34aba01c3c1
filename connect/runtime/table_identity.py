"""Options of a table that what is in its topics rests on: changed, they are refused or told (DESIGN §7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connect.errors import Failed
from connect.runtime.applied import table_options
from connect.transforms.mask import Masks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connect.api.tables import TableInfo, TableOptions, View
    from connect.schema.model import TableId


def identity_note(table: TableId) -> str:
    """The name of the note with what a table's topics rest on."""
    return f"table:{table}"


def identity(info: TableInfo, choice: TableOptions, topics: Mapping[View, str], form: str) -> dict[str, Any]:
    """The content of that note.

    Args:
        info: The table as the server has it.
        choice: Its options.
        topics: By view.
        form: Of its records on the wire: Avro or JSON.

    Returns:
        ``topics`` by view, the wire's form, the form of values, the key's columns, kinds of masks by column, the
        table's columns, which its masks fit, whether its rows were read, and its other ``options``.
    """
    return {
        "topics": {view.value: name for view, name in topics.items()},
        "format": form,
        "value": choice.value,
        "key": list(choice.key or info.schema.key),
        "mask": {
            name: kind if isinstance(kind, str) else kind.model_dump() for name, kind in (choice.mask or {}).items()
        },
        "columns": list(info.schema.index),
        "snapshot": choice.snapshot,
        "options": table_options(choice),
    }


def _plain(kind: Any) -> Any:
    return kind if isinstance(kind, str) else kind.model_dump()


def known_columns(info: TableInfo, choice: TableOptions, notes: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Columns that the table had while its masks fitted: another one may be a masked column's new name.

    ``choice`` is the file's: where it names no masked column any more that is gone, the operator has looked.
    """
    now = frozenset(info.schema.index)
    before, published = notes.get(identity_note(info.table)), notes.get(f"shape:{info.table}")
    if before is None:
        return now
    known = frozenset(before["columns"]) | {column["field"] for column in (published or {}).get("columns", ())}
    return known if any(name in known - now for name in choice.mask or ()) else known | now


def still_masked(info: TableInfo, choice: TableOptions, notes: Mapping[str, Mapping[str, Any]]) -> TableOptions:
    """The options with the masks of columns that are gone from the table: rows of the log may still have them."""
    before = notes.get(identity_note(info.table), {})
    gone = {name: kind for name, kind in before.get("mask", {}).items() if name not in info.schema.index}
    if not gone.keys() - (choice.mask or {}).keys():
        return choice
    kinds = Masks.model_validate({"fields": gone}).fields
    return replace(choice, mask={**kinds, **(choice.mask or {})})


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
    if before["format"] != now["format"]:
        wrote = f"its records were written as {before['format']}, now they would be {now['format']}"
        raise _changed(table, f"{wrote}: is schema_registry in the file?")
    if before["value"] != now["value"]:
        raise _changed(table, f"its values were written as value: {before['value']}, now it is {now['value']}")
    if before["key"] != now["key"]:
        old, new = (", ".join(keys) or "none" for keys in (before["key"], now["key"]))
        raise _changed(table, f"its key was {old}, now it is {new}: keys would go to other partitions")
    if not now["key"] and (before["snapshot"], now["snapshot"]) == ("never", "initial"):
        raise _changed(table, "it has no key, and was streamed without its rows: read now, some would come twice")


def _changed(table: TableId, what: str) -> Failed:
    return Failed(
        "identity_changed",
        f"{table}: {what}",
        hint=f"Put it back. Or leave {table} out of the file, start once, and name it again: it is read anew. If its "
        "key or the form of its values changed, route it to another topic then.",
    )


def clear_before(table: TableId, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each column whose mask came, changed or went: what was written before has another form."""
    topics = ", ".join(before["topics"].values())
    for column, kind in now["mask"].items():
        if column not in before["columns"]:
            continue
        old = before["mask"].get(column)
        if old is None:
            yield f"{table}: {column} is masked from now on; older records of {topics} hold clear values"
        elif old != kind:
            yield f"{table}: {column} is masked in another way from now on; older records of {topics} keep the old one"
    for column in before["mask"]:
        if column in now["columns"] and column not in now["mask"]:
            yield f"{table}: {column} is published clear from now on; older records of {topics} stay masked"


def not_ours(topic: str, source: str) -> Failed:
    """Keys of another writer would stay among ours, older rows over newer ones."""
    return Failed(
        "topic_not_ours",
        f"topic {topic} holds records that {source} did not write",
        hint="Give the source another topic_prefix, or the table a route transform. If they are to be taken over: "
        f"`adopt: true` under {source}, and nobody else writes there any more.",
    )


def topic_gone(topic: str, source: str) -> Failed:
    """Made anew, it would lack what was in it without a word."""
    return Failed(
        "topic_missing",
        f"topic {topic} that {source} wrote to is gone",
        hint="Restore it, or start the source anew under another name: its history cannot be written again.",
    )
