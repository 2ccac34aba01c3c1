"""What configs/many-tables.yaml calls with each change of ``billing.*``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connect.record import ChangeEvent, Row


def clean_memo(change: ChangeEvent) -> ChangeEvent:
    """Control characters out of ``memo``, in the old row as in the new one."""
    return change.with_rows(_clean(change.before), _clean(change.after))


def _clean(row: Row | None) -> Row | None:
    memo = row["memo"] if row is not None and "memo" in row else None
    if row is None or not isinstance(memo, str) or memo.isprintable():  # no text where the log left it out
        return row
    return row.with_values({"memo": "".join(letter for letter in memo if letter.isprintable())})
