"""Records as changes of a target: values written for the database, unavailable columns told apart (rule K4). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.errors import RecordError
from connect.record import UNAVAILABLE, Op
from connectors.sql.changes import CLEAR, DELETE, Change, Key, Upsert
from connectors.sql.database import UnstorableError

if TYPE_CHECKING:
    from connect.record import Row, SinkRecord
    from connectors.sql.targets import Plan


def truncation(index: int, record: SinkRecord) -> Change:
    """What an ``op=t`` record asks for."""
    return Change(index, record.topic, (), CLEAR)


def change(index: int, record: SinkRecord, plan: Plan) -> Change:
    """What a record asks for.

    Raises:
        RecordError: A key that holds NULL, or a value that is not of its column's type.
    """
    if plan.append:
        return _append(index, record, plan)
    key = _key(record, plan)
    if record.op is Op.DELETE or record.after is None:
        return Change(index, record.topic, key, DELETE)
    front = dict(zip(plan.key, key, strict=True)) if plan.extra else {}
    return Change(
        index, record.topic, key, _upsert(plan, [front[name] for name in plan.columns[: plan.extra]], record.after)
    )


def _append(index: int, record: SinkRecord, plan: Plan) -> Change:
    """A row for the record itself, whatever its op; what a DELETE shows is the old row."""
    row = record.after or record.before
    if row is None:
        raise RecordError("the record has neither a key nor a row")
    place = [record.topic, record.partition, record.offset]
    return Change(index, record.topic, tuple(place), _upsert(plan, [*place, str(record.op)], row))


def _key(record: SinkRecord, plan: Plan) -> Key:
    if record.key is None:
        raise RecordError("the record has no key, and its target is kept by key")
    values = record.key.values()
    for name, value in zip(plan.key, values, strict=True):
        if value is None:
            raise RecordError(f"column {name} of the key is NULL")
    return tuple(_written(name, write, v) for name, write, v in zip(plan.key, plan.key_writers, values, strict=True))


def _upsert(plan: Plan, front: list[Any], row: Row) -> Upsert:
    values = front
    missing: list[str] = []
    names = plan.columns[plan.extra :]
    for name, write, value in zip(names, plan.writers, row.values(), strict=True):
        if value is None:
            values.append(None)
        elif value is UNAVAILABLE:
            missing.append(name)
        else:
            values.append(_written(name, write, value))
    if not missing:
        return Upsert(plan.columns, tuple(values))
    # Invariant 5: a column that the log did not carry is no part of the row that is written.
    columns = tuple(name for name in plan.columns if name not in missing)
    return Upsert(columns, tuple(values), tuple(missing))


def _written(name: str, write: Any, value: Any) -> Any:
    try:
        return write(value)
    except UnstorableError as error:
        raise RecordError(f"column {name}: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise RecordError(f"column {name}: {type(error).__name__} at a value that is not of its type") from None
