"""What a run would change, compared with what the last one left noted. Pure; ``runtime/plan.py`` asks the servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from connect.config.fields import Changes
from connect.errors import Failed
from connect.runtime.applied import TABLE_MODELS, acts_on
from connect.runtime.guest import snapshot_note
from connect.runtime.standing import SINK_RATE
from connect.runtime.table_identity import check_identity, clear_before, identity_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connect.api.tables import TableInfo
    from connect.runtime.standing import SinkStanding
    from connect.schema.model import TableId

_KEPT: Final = (
    "from the next start on nothing is published of it; {topics} stays as it is. Named again, it is read anew"
)
_SHOWN: Final = 60  # characters of an option's value


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that the next run does otherwise than the last one.

    Attributes:
        sign: ``+`` comes, ``~`` changes, ``-`` goes.
        what: The table, topic, option or connector.
        text: What would happen, in a sentence.
        acts: What a changed option acts on: live, new records only, identity; "" for others.
        code: Of the error that the run stops with; "" where it does not.
        remedy: The command or edit that does what was perhaps meant; "" where there is none.
        rows: That are read for it; an estimate, -1 where the server has none.
        bytes: Of those rows, in the database.
        seconds: That this takes; an estimate.
    """

    sign: Literal["+", "~", "-"]
    what: str
    text: str
    acts: str = ""
    code: str = ""
    remedy: str = ""
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0


class TableNow(NamedTuple):
    """A captured table: as its server has it, and the note that its next start would write."""

    info: TableInfo
    note: Mapping[str, Any]


def table_changes(
    source: str, file: str, tables: Sequence[TableNow], notes: Mapping[str, Mapping[str, Any]], rate: float
) -> Iterator[Change]:
    """Of a source's tables.

    Args:
        source: Its name.
        file: The operator's, for commands.
        tables: Those that are captured now.
        notes: As the last run left them; empty where there was none.
        rate: Rows a second, of snapshots.
    """
    for now in tables:
        table = now.info.table
        before = notes.get(identity_note(table))
        started = before is not None or snapshot_note(table) in notes
        text = "begins with the log" if not started else ""
        if _is_read(now, notes):
            text = _reading(notes.get(snapshot_note(table)), started=started)
        if text:
            rows, size = _amount(now, notes)
            yield Change(sign="+", what=str(table), text=text, rows=rows, bytes=size, seconds=max(rows, 0) / rate)
        if before is not None:
            yield from _table_options(source, file, table, before, now.note)
    captured = {str(now.info.table) for now in tables}
    for name in sorted(_tables_of(notes) - captured):
        topics = notes.get(f"table:{name}", {}).get("topics", {}).values()
        yield Change(sign="-", what=name, text=_KEPT.format(topics=", ".join(topics) or "its topic"))


def stopped_by(error: Failed, what: str, acts: str = "") -> Change:
    """What the run would stop at, in the same words."""
    return Change(sign="~", what=what, text=error.message, acts=acts, code=error.code, remedy=error.hint)


def _amount(now: TableNow, notes: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """Rows and bytes that are read of a table; -1 rows where the server never counted them."""
    known = now.info.rows
    if not _is_read(now, notes):
        return 0, 0
    if known < 0:
        return known, now.info.bytes
    rows = max(known - _sent(notes, now.info.table), 0)
    return rows, round(now.info.bytes * (rows / known if known else 0.0))


def _is_read(now: TableNow, notes: Mapping[str, Mapping[str, Any]]) -> bool:
    note = notes.get(snapshot_note(now.info.table))
    if now.note["snapshot"] == "never":
        return False
    return note is None or bool(note.get("again")) or note.get("done") is False


def _reading(note: Mapping[str, Any] | None, *, started: bool) -> str:
    if note is None:
        return "its rows are read: they were not until now" if started else "its rows are read first"
    return "its rows are read anew" if note.get("again") else "its rows are still being read"


def _sent(notes: Mapping[str, Mapping[str, Any]], table: TableId) -> int:
    note = notes.get(snapshot_note(table), {})
    return 0 if note.get("again") else int(note.get("rows", 0))


def _tables_of(notes: Mapping[str, Any]) -> set[str]:
    return {name.partition(":")[2] for name in notes if name.startswith(("table:", "snapshot:"))}


def _table_options(
    source: str, file: str, table: TableId, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Change]:
    try:
        check_identity(table, before, now)
    except Failed as error:
        yield stopped_by(error, str(table), Changes.IDENTITY)
    anew = f"connect snapshot {source} {file} --table {table}"
    for sentence in clear_before(table, before, now):
        yield Change(sign="~", what=str(table), text=sentence, acts=Changes.NEW_RECORDS, remedy=anew)
    for view in before["topics"].keys() - now["topics"].keys():
        text = f"its {view} view ends; {before['topics'][view]} stays as it is"
        yield Change(sign="-", what=str(table), text=text, acts=Changes.IDENTITY)
    events = now["topics"].get("events", "")
    for name, (old, new) in _changed(before.get("options"), now["options"]):
        text, remedy = f"{name}: {_shown(old)} → {_shown(new)}", ""
        if name == "events.keep":
            if not events:
                continue
            text += f"; {events} keeps the retention that it has"
            remedy = f"kafka-configs.sh --alter --topic {events} --add-config retention.ms={new}"
        elif name in {"columns", "snapshot.where"}:
            text += "; what is there already stays as it is" if name == "columns" else "; for rows read from now on"
            remedy = anew
        elif name == "snapshot.mode":
            text += "; rows that are read already stay" if new == "never" else ""
        yield Change(sign="~", what=str(table), text=text, acts=acts_on(name, TABLE_MODELS), remedy=remedy)


def option_changes(
    before: Mapping[str, Any] | None, now: Mapping[str, Any], acts: Callable[[str], str], remedy: str
) -> Iterator[Change]:
    """Of a connector's own options; none where no run noted them. ``remedy`` begins anew, for those of identity."""
    for name, (old, new) in _changed(before, now):
        kind = acts(name)
        text = f"{_shown(old)} → {_shown(new)}" if name != "transforms" else "other transforms, or another order"
        yield Change(sign="~", what=name, text=text, acts=kind, remedy=remedy if kind == Changes.IDENTITY else "")


def topic_changes(
    standing: SinkStanding,
    now: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, int],
    acts: Callable[[str], str],
    rebuild: str,
) -> Iterator[Change]:
    """Of a sink's topics.

    Args:
        standing: What the last run left.
        now: Those that the next one reads, with their options.
        sizes: Records of each topic, or more.
        acts: What a change of an option acts on.
        rebuild: The command that fills the target anew.
    """
    before, known, rate = standing.targets, standing.known, standing.rate or SINK_RATE
    for topic, target in now.items():
        if topic not in before:
            size = sizes.get(topic, 0)
            text = "is read on from where the sink stood" if topic in known else "is read from its beginning"
            seconds = size / rate if topic not in known else 0.0
            yield Change(sign="+", what=topic, text=text, rows=size if topic not in known else 0, seconds=seconds)
            continue
        for name, (old, new) in _changed(before[topic], target):
            kind = acts(name)
            text = f"{name}: {_shown(old)} → {_shown(new)}"
            yield Change(sign="~", what=topic, text=text, acts=kind, remedy="" if kind == Changes.LIVE else rebuild)
    for topic in sorted(before.keys() - now.keys()):
        yield Change(sign="-", what=topic, text="is read no more; its rows stay in the target as they are")


def _changed(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Options that differ: name, old and new value. One that the older release did not have did not change."""
    if before is None:
        return
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old != new and (name in before or new is not None):
            yield name, (old, new)


def _shown(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
