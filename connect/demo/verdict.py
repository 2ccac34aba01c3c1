"""Holds what the topics say against what the source's log says: each change once, in order, and no older row after.

Pure, over text: a row is a tuple of its columns' texts, in column order. Two independent ways to that text (the log's
by another decoder than ours, the topic's by ours) make the comparison worth something.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Row = tuple[str | None, ...]
Key = tuple[str | None, ...]

READ: Final = "r"
_EXAMPLES: Final = 5


class Change(NamedTuple):
    """One change of one key: ``op`` is c, u, d, or r for a row of a snapshot; ``row`` is None after a delete."""

    op: str
    row: Row | None


Histories = dict[Key, list[Change]]  # of one table, each in order


@dataclass
class Verdict:
    """What was found of one table, or of all of them.

    Attributes:
        made: Changes that the log has.
        found: Changes that the topic has.
        reads: Rows of snapshots that the topic has.
        lost: Changes that the topic lacks.
        repeated: Changes that it has more often than the log.
        disordered: Keys that have every change once, in another order.
        stale: Rows of a snapshot that are not what the changes before them left: older, or newer.
        reread: Rows of a snapshot beyond those that were asked for.
        examples: The first few of them, in words.
    """

    made: int = 0
    found: int = 0
    reads: int = 0
    lost: int = 0
    repeated: int = 0
    disordered: int = 0
    stale: int = 0
    reread: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost, repeated, out of order or stale."""
        return not (self.lost or self.repeated or self.disordered or self.stale or self.reread)

    def note(self, example: str) -> None:
        """Remember the first few."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)

    def add(self, other: Verdict) -> None:
        """Sum up."""
        for name in ("made", "found", "reads", "lost", "repeated", "disordered", "stale", "reread"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for example in other.examples:
            self.note(example)


def check(
    made: Mapping[Key, Sequence[Change]],
    found: Mapping[Key, Sequence[Change]],
    *,
    snapshots: int = 1,
    late: bool = False,
) -> Verdict:
    """Hold a table's topic against the log.

    Args:
        made: By key, what the log says. The first entry may be an ``r``: the row before the first change.
        found: By key, the topic's records in order, tombstones left out.
        snapshots: How many snapshot runs there were; each restates a key at most once.
        late: Capture began after some of the changes: the topic has the last of each key's.
    """
    verdict = Verdict()
    for key in made.keys() | found.keys():
        seen = found.get(key, ())
        wanted = made.get(key, ())
        if late:
            wanted = _captured(wanted, sum(change.op != READ for change in seen))
        _check_key(verdict, key, wanted, seen, snapshots)
    return verdict


def _captured(made: Sequence[Change], number: int) -> Sequence[Change]:
    """The last changes of a key, after the row that those before them left."""
    first = max(0, len(made) - number)
    if first == 0:
        return made
    before = made[first - 1].row
    return [*([] if before is None else [Change(READ, before)]), *made[first:]]


def _check_key(verdict: Verdict, key: Key, made: Sequence[Change], found: Sequence[Change], snapshots: int) -> None:
    start = made[0].row if made and made[0].op == READ else None
    wanted = [change for change in made if change.op != READ]
    seen = [change for change in found if change.op != READ]
    reads = len(found) - len(seen)
    verdict.made += len(wanted)
    verdict.found += len(seen)
    verdict.reads += reads
    verdict.reread += max(0, reads - snapshots)
    if wanted != seen:
        _count(verdict, key, wanted, seen)
    elif reads:
        _check_reads(verdict, key, [start, *(change.row for change in wanted)], found)


def _count(verdict: Verdict, key: Key, wanted: Sequence[Change], seen: Sequence[Change]) -> None:
    lost, repeated = Counter(wanted) - Counter(seen), Counter(seen) - Counter(wanted)
    verdict.lost += lost.total()
    verdict.repeated += repeated.total()
    verdict.disordered += not lost and not repeated
    verdict.note(f"{key}: {len(wanted)} changes made, {len(seen)} found; lost {list(lost)}, repeated {list(repeated)}")


def _check_reads(verdict: Verdict, key: Key, states: Sequence[Row | None], found: Sequence[Change]) -> None:
    """A snapshot's row is exactly what the changes before it left (DESIGN §5: neither rule a nor rule b is broken)."""
    passed = 0
    for change in found:
        if change.op != READ:
            passed += 1
        elif change.row != states[passed]:
            verdict.stale += 1
            verdict.note(f"{key}: a snapshot's row {change.row} stands after change {passed}, {states[passed]}")


def check_events(made: Counter[Row], found: Counter[Row]) -> Verdict:
    """The same for a table without a key, whose rows are told apart by their contents alone."""
    verdict = Verdict(made=made.total(), found=found.total())
    lost, repeated = made - found, found - made
    verdict.lost, verdict.repeated = lost.total(), repeated.total()
    for row in [*lost, *repeated]:
        verdict.note(f"{row}: made {made[row]} times, found {found[row]} times")
    return verdict


def fold(histories: Mapping[Key, Sequence[Change]]) -> dict[Key, Row]:
    """The rows that a reader of the topic holds at its end."""
    last = ((key, changes[-1].row) for key, changes in histories.items() if changes)
    return {key: row for key, row in last if row is not None}


def differing(here: Iterable[Row], there: Iterable[Row]) -> int:
    """Rows that are on one side only; rows may repeat."""
    ours, theirs = Counter(here), Counter(there)
    return max((ours - theirs).total(), (theirs - ours).total())
