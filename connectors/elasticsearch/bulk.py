"""Bulk requests: packed to a size, sent with few in flight, every item's answer read (rules E2, E4, F142 to F144)."""

from __future__ import annotations

import re
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from connect.errors import Failed, Retriable
from connectors.elasticsearch.cluster import Answer, Cluster, ServerError, blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connectors.elasticsearch.config import ElasticsearchConfig

_PARAMS: Final = {
    "require_alias": "true",  # never auto-create a target that somebody dropped (F154)
    "filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason",
}
_FIRST_WAIT: Final = 0.1  # seconds; doubles with each retry
_LONGEST_WAIT: Final = 10.0


class Action(NamedTuple):
    """One write of one document. ``record`` is the record's place in the batch; -1 for a document of no record.

    ``body`` is the document's JSON, or None to delete it. ``version_type`` is ``external``: a lower or equal version is
    stale; or ``external_gte``: equal wins.
    """

    record: int
    alias: str
    id: str
    version: int
    body: bytes | None
    version_type: str = "external"

    def lines(self) -> bytes:
        """The action as bulk NDJSON."""
        meta = {"_index": self.alias, "_id": self.id, "version": self.version, "version_type": self.version_type}
        if self.body is None:
            return orjson.dumps({"delete": meta}) + b"\n"
        return orjson.dumps({"index": meta}) + b"\n" + self.body + b"\n"


class Packed(NamedTuple):
    """An action's lines, encoded once for all its retries; ``record`` and ``alias`` are the action's."""

    record: int
    alias: str
    lines: bytes


class Request(NamedTuple):
    """A request as compiled code wrote it: the lines of ``records[i]`` end at ``ends[i]``."""

    alias: str
    body: bytes
    records: Sequence[int]
    ends: Sequence[int]

    def packed(self) -> list[Packed]:
        """Its actions."""
        starts = (0, *self.ends)
        return [
            Packed(record, self.alias, self.body[start:end])
            for record, start, end in zip(self.records, starts, self.ends, strict=False)
        ]


@dataclass(slots=True)
class Outcome:
    """What became of actions: counts, and (index, reason without values) of those refused for good."""

    applied: int = 0
    stale: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Count the other's in."""
        self.applied += other.applied
        self.stale += other.stale
        self.failures += other.failures


class Verdict(Enum):
    """What an item's answer means for its document."""

    APPLIED = "applied"
    STALE = "stale"
    AGAIN = "again"
    BLOCKED = "blocked"
    GONE = "gone"
    DENIED = "denied"
    FAILED = "failed"


def judge(item: dict[str, Any]) -> Verdict:
    """One item of a bulk response (F142). A delete of an absent document has status 404 and no error: applied.

    A version conflict means that the index has this record or a later one of the key already (rule E2, F144).
    """
    if "error" not in item:
        return Verdict.APPLIED
    status, kind = item["status"], ServerError.of(item).type
    if kind == "version_conflict_engine_exception":
        return Verdict.STALE
    if kind == "cluster_block_exception":
        return Verdict.BLOCKED
    if kind == "index_not_found_exception":
        return Verdict.GONE
    if status in {401, 403}:
        return Verdict.DENIED
    return Verdict.AGAIN if status == 429 or status >= 500 else Verdict.FAILED


_FIELD: Final = re.compile(
    r"(?:\[\d+:\d+\] )?(?:failed to parse field|mapping set to strict, dynamic introduction of|object mapping for"
    r"|Document contains at least one immense term in field=)\s*[\[\"]([^\]\"]*)"
)


def reason(item: dict[str, Any]) -> str:
    """Why an item was refused, without values: Elasticsearch's reasons quote them, so only type and field are kept."""
    error = ServerError.of(item)
    found = _FIELD.match(error.reason)
    return f"{error.type}: field {found[1]}" if found else error.type


def packs(actions: Iterable[Action], limit: int) -> Iterator[list[Packed]]:
    """Cut actions into requests of at most ``limit`` bytes; a larger single document gets a request of its own."""
    pack: list[Packed] = []
    size = 0
    for action in actions:
        lines = action.lines()
        if pack and size + len(lines) > limit:
            yield pack
            pack, size = [], 0
        pack.append(Packed(action.record, action.alias, lines))
        size += len(lines)
    if pack:
        yield pack


class BulkWriter:
    """Sends actions of which no two concern one document, so their order is free and retries overtake nothing (E4).

    Owns the threads ``elasticsearch-bulk-*``, one per request in flight, until ``close``.
    """

    def __init__(self, cluster: Cluster, config: ElasticsearchConfig, stopping: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._config = config
        self._stopping = stopping
        self._threads = ThreadPoolExecutor(config.in_flight, thread_name_prefix="elasticsearch-bulk")

    def close(self) -> None:
        """Join the threads. Idempotent."""
        self._threads.shutdown()

    def send(self, actions: Iterable[Action]) -> Outcome:
        """Write them all; every item is settled on return, and nothing is under way after an exception either.

        Raises:
            Retriable: ``target_busy``, ``target_blocked``, ``target_unreachable``; what was written stays written.
            Failed: ``target_missing``, ``target_denied`` or as ``Cluster.request``.
        """
        return self._send(partial(self._deliver, pack) for pack in packs(actions, self._config.batch_bytes))

    def send_written(self, requests: Iterable[Request]) -> Outcome:
        """The same for requests that are written already."""
        return self._send(partial(self._deliver_written, request) for request in requests)

    def _send(self, deliveries: Iterable[Callable[[], Outcome]]) -> Outcome:
        outcome = Outcome()
        running: set[Future[Outcome]] = set()
        try:
            for deliver in deliveries:
                if len(running) == self._config.in_flight:  # Invariant 7: bounded requests and bytes in flight
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        outcome.add(future.result())
                running.add(self._threads.submit(deliver))
        finally:
            wait(running)
        for future in running:
            outcome.add(future.result())
        return outcome

    def _deliver_written(self, request: Request) -> Outcome:
        """One request; what its answer leaves open is sent again item by item."""
        answer = self._post(request.body)
        if answer.status == 413:
            return self._smaller(request.packed())
        if answer.status not in {429, 503} and not answer.body["errors"]:
            return Outcome(applied=len(request.records))
        outcome = Outcome()
        pack = request.packed()
        again = pack if answer.status in {429, 503} else _sort(pack, answer.body, outcome)
        if again:
            outcome.add(self._deliver(again, sent=1))
        return outcome

    def _deliver(self, pack: Sequence[Packed], sent: int = 0) -> Outcome:
        """One request and the retries of its items, which were ``sent`` so often before."""
        outcome = Outcome()
        for attempt in range(sent, self._config.retries + 1):
            if attempt:
                self._pause(attempt)
            answer = self._post(b"".join(packed.lines for packed in pack))
            if answer.status == 413:
                outcome.add(self._smaller(pack))
                return outcome
            again = pack if answer.status in {429, 503} else _sort(pack, answer.body, outcome)
            if not again:
                return outcome
            pack = again
        largest = max(len(packed.lines) for packed in pack)
        times = self._config.retries + 1
        message = f"{len(pack)} documents, the largest of {largest} bytes, were refused {times} times by a busy cluster"
        raise Retriable(message, code="target_busy", hint="A lower `in_flight` eases the load.")

    def _post(self, body: bytes) -> Answer:
        return self._cluster.request("POST", "/_bulk", params=_PARAMS, body=body, expect=(413, 429, 503))

    def _smaller(self, pack: Sequence[Packed]) -> Outcome:
        """Too large for the server (F150): halves, down to the single document that is."""
        if len(pack) == 1:
            reason = f"document of {len(pack[0].lines)} bytes is larger than the cluster takes in one request"
            return Outcome(failures=[(pack[0].record, reason)])
        middle = len(pack) // 2
        outcome = self._deliver(pack[:middle])
        outcome.add(self._deliver(pack[middle:]))
        return outcome

    def _pause(self, attempt: int) -> None:
        until = time.monotonic() + min(_FIRST_WAIT * 2 ** (attempt - 1), _LONGEST_WAIT)
        while (left := until - time.monotonic()) > 0:
            if self._stopping():
                raise Retriable("stopped while an overloaded cluster refused documents", code="target_busy")
            time.sleep(min(left, 0.1))


def _sort(pack: Sequence[Packed], body: dict[str, Any], outcome: Outcome) -> list[Packed]:
    """Settle what the answers settle; what is left is to be sent again."""
    if not body["errors"]:
        outcome.applied += len(pack)
        return []
    again: list[Packed] = []
    for packed, answer in zip(pack, body["items"], strict=True):
        (item,) = answer.values()
        verdict = judge(item)
        if verdict is Verdict.APPLIED:
            outcome.applied += 1
        elif verdict is Verdict.STALE:
            outcome.stale += 1
        elif verdict is Verdict.AGAIN:
            again.append(packed)
        elif verdict is Verdict.FAILED:
            outcome.failures.append((packed.record, reason(item)))
        else:
            raise _stop(verdict, packed.alias)
    return again


def _stop(verdict: Verdict, alias: str) -> Retriable | Failed:
    if verdict is Verdict.BLOCKED:
        return blocked(f"the index behind {alias} is blocked for writes")
    if verdict is Verdict.GONE:
        return Failed("target_missing", f"the alias {alias} is gone", hint="Run `connect rebuild SINK FILE`.")
    return Failed("target_denied", f"no right to write to {alias}", hint="Grant the role `write` on the index.")
