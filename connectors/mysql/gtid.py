"""Global transaction ids of both kinds of servers: sets with gaps (MySQL), the last one of each domain (MariaDB)."""

from __future__ import annotations

import re
import struct
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TAG: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL: Final = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_MARIADB: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9]+)")
_U64: Final = struct.Struct("<Q")
_U64_PAIR: Final = struct.Struct("<QQ")
_MAX_GNO: Final = (1 << 63) - 1
_TAGGED: Final = 1  # the format of an encoded set that has tags

Interval = tuple[int, int]  # from, to and with


class Gtid(NamedTuple):
    """One transaction of MySQL: ``source`` is its server's UUID, ``uuid:tag`` for a tagged one; numbers begin at 1."""

    source: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}:{self.number}"


class MariadbGtid(NamedTuple):
    """One transaction of MariaDB; within a domain the numbers rise."""

    domain: int
    server: int
    number: int

    def __str__(self) -> str:
        return f"{self.domain}-{self.server}-{self.number}"


class GtidSet:
    """A set of MySQL's transactions, as ``@@gtid_executed`` holds one (F60). Immutable.

    The text is the server's: ``uuid:1-5:7:tag:1-3,uuid:1``, UUIDs and tags in order.
    """

    __slots__ = ("_intervals",)

    def __init__(self, intervals: Mapping[str, tuple[Interval, ...]]) -> None:
        """``intervals`` has, for each source, intervals in order that do not touch each other; none is empty."""
        self._intervals = dict(intervals)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The set of its text, with white space anywhere; intervals in any order.

        Raises:
            ValueError: It is no such text.
        """
        found: dict[str, list[Interval]] = {}
        for part in re.sub(r"\s", "", text).lower().split(","):
            if part:
                uuid, *pieces = part.split(":")
                _parse_source(uuid, pieces, found)
        return cls({source: _merge(intervals) for source, intervals in found.items()})

    def __str__(self) -> str:
        parts = []
        for uuid, sources in groupby(sorted(self._intervals), key=lambda source: source[:36]):
            pieces = [uuid]
            for source in sources:
                pieces += [source[37:]] if len(source) > 36 else []
                pieces += [f"{first}-{last}" if last > first else f"{first}" for first, last in self._intervals[source]]
            parts.append(":".join(pieces))
        return ",".join(parts)

    def __repr__(self) -> str:
        return f"GtidSet({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GtidSet) and self._intervals == other._intervals

    def __hash__(self) -> int:
        return hash(frozenset(self._intervals.items()))

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def __contains__(self, gtid: object) -> bool:
        return isinstance(gtid, Gtid) and any(
            first <= gtid.number <= last for first, last in self._intervals.get(gtid.source, ())
        )

    def contains(self, other: Self) -> bool:
        """Whether every transaction of the other set is in this one."""
        return not other.minus(self)

    def plus(self, gtids: Iterable[Gtid]) -> GtidSet:
        """This set and those transactions."""
        added: dict[str, list[Interval]] = {}
        for source, numbers in groupby(gtids, key=itemgetter(0)):
            added.setdefault(source, []).extend((gtid[1], gtid[1]) for gtid in numbers)
        merged = {source: _merge([*self._intervals.get(source, ()), *more]) for source, more in added.items()}
        return GtidSet({**self._intervals, **merged})

    def union(self, other: GtidSet) -> GtidSet:
        """What is in either set."""
        sources = self._intervals.keys() | other._intervals.keys()
        both = {s: _merge([*self._intervals.get(s, ()), *other._intervals.get(s, ())]) for s in sources}
        return GtidSet(both)

    def minus(self, other: GtidSet) -> GtidSet:
        """What is in this set and not in the other."""
        rest = {}
        for source, intervals in self._intervals.items():
            left = _subtract(intervals, other._intervals.get(source, ()))
            if left:
                rest[source] = left
        return GtidSet(rest)

    def encode(self) -> bytes:
        """The form of COM_BINLOG_DUMP_GTID; with tags it is the one that servers from 8.3 on read."""
        tagged = any(len(source) > 36 for source in self._intervals)
        count = len(self._intervals)
        head = _TAGGED << 56 | count << 8 | _TAGGED if tagged else count
        parts = [_U64.pack(head)]
        for source in sorted(self._intervals):
            parts.append(bytes.fromhex(source[:36].replace("-", "")))
            if tagged:
                tag = source[37:].encode()
                parts.append(bytes([len(tag) << 1]) + tag)  # a number below 128 of the serialization library
            intervals = self._intervals[source]
            parts.append(_U64.pack(len(intervals)))
            parts.extend(_U64_PAIR.pack(first, last + 1) for first, last in intervals)
        return b"".join(parts)


class GtidState:
    """The last transaction of each MariaDB domain, as ``@@gtid_binlog_pos`` holds them. Immutable.

    A later number of a domain stands for all before it: such a state cannot have gaps (rule S8).
    """

    __slots__ = ("_last",)

    def __init__(self, last: Mapping[int, MariadbGtid]) -> None:
        """``last`` has the last transaction of each domain."""
        self._last = dict(last)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The state of its text, ``0-1-100,1-1-7``; of several in a domain the one with the highest number.

        Raises:
            ValueError: It is no such text.
        """
        last: dict[int, MariadbGtid] = {}
        for gtid in parse_gtids(text):
            if gtid.domain not in last or gtid.number > last[gtid.domain].number:
                last[gtid.domain] = gtid
        return cls(last)

    def __str__(self) -> str:
        return ",".join(str(self._last[domain]) for domain in sorted(self._last))

    def __repr__(self) -> str:
        return f"GtidState({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GtidState) and self._last == other._last

    def __hash__(self) -> int:
        return hash(frozenset(self._last.values()))

    def __bool__(self) -> bool:
        return bool(self._last)

    def __iter__(self) -> Iterator[MariadbGtid]:
        return iter(self._last.values())

    def __contains__(self, gtid: object) -> bool:
        return isinstance(gtid, MariadbGtid) and self.number(gtid.domain) >= gtid.number

    def number(self, domain: int) -> int:
        """The last number of a domain; 0 where there is none."""
        last = self._last.get(domain)
        return last.number if last is not None else 0

    def contains(self, other: Self) -> bool:
        """Whether it is as far as the other in each of the other's domains."""
        return all(self.number(gtid.domain) >= gtid.number for gtid in other._last.values())

    def plus(self, gtids: Iterable[MariadbGtid]) -> GtidState:
        """This state after those transactions, in the order of the log."""
        return GtidState({**self._last, **{gtid.domain: gtid for gtid in gtids}})


AnyGtid = Gtid | MariadbGtid
Gtids = GtidSet | GtidState


def parse_gtid(text: str) -> AnyGtid:
    """One transaction's id of either kind.

    Raises:
        ValueError: It is none.
    """
    if _MARIADB.fullmatch(text):
        return parse_gtids(text)[0]
    source, _, number = text.rpartition(":")
    parsed = GtidSet.parse(text)
    if parsed != GtidSet({source: ((int(number), int(number)),)}):
        raise ValueError(f"{text!r} is no id of one transaction")
    return Gtid(source, int(number))


def parse_gtids(text: str) -> list[MariadbGtid]:
    """MariaDB's ids in the order of the text; ``@@gtid_binlog_state`` has several of a domain.

    Raises:
        ValueError: It is no such text.
    """
    gtids = []
    for part in text.replace(" ", "").split(","):
        if part:
            found = _MARIADB.fullmatch(part)
            if not found:
                raise ValueError(f"{part!r} is no id of a MariaDB transaction")
            gtids.append(MariadbGtid(int(found[1]), int(found[2]), int(found[3])))
    return gtids


def _parse_source(uuid: str, pieces: list[str], found: dict[str, list[Interval]]) -> None:
    if not _UUID.fullmatch(uuid) or not pieces:
        raise ValueError(f"{uuid!r} with {len(pieces)} intervals is no part of a GTID set")
    source = uuid
    for piece in pieces:
        interval = _INTERVAL.fullmatch(piece)
        if interval:
            first, last = int(interval[1]), int(interval[2] or interval[1])
            if not 0 < first <= _MAX_GNO or last > _MAX_GNO:
                raise ValueError(f"{piece!r} is no interval of transactions")
            if first <= last:
                found.setdefault(source, []).append((first, last))
        elif _TAG.fullmatch(piece):
            source = f"{uuid}:{piece}"
        else:
            raise ValueError(f"{piece!r} is neither an interval nor a tag")


def _merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same numbers as intervals in order that do not touch each other."""
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def _subtract(intervals: Iterable[Interval], without: tuple[Interval, ...]) -> tuple[Interval, ...]:
    rest: list[Interval] = []
    for interval in intervals:
        first, last = interval
        for other_first, other_last in without:
            if other_last < first:
                continue
            if other_first > last:
                break
            if other_first > first:
                rest.append((first, other_first - 1))
            first = other_last + 1
            if first > last:
                break
        if first <= last:
            rest.append((first, last))
    return tuple(rest)
