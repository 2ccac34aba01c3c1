"""From the writes of a batch to bulk actions, a bounded page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from connect.errors import RecordError
from connectors.elasticsearch.bulk import Action
from connectors.elasticsearch.collapse import Draft, draft, fill
from connectors.elasticsearch.document import DocumentWriter, Fields, encode
from connectors.elasticsearch.merge import PER_REQUEST, Stored, stored_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.record import Row
    from connectors.elasticsearch.bulk import Outcome
    from connectors.elasticsearch.cluster import Cluster
    from connectors.elasticsearch.collapse import Write
    from connectors.elasticsearch.state import Progress
    from connectors.elasticsearch.targets import Targets


class Planned(NamedTuple):
    """A write with its target; ``draft`` is None for a delete."""

    write: Write
    alias: str
    version: int
    draft: Draft | None


class Planner:
    """Encodes rows, merging what the log did not carry with what the index holds.

    ``left_gaps`` becomes True when a document had to be written without a column that neither of them has.
    """

    def __init__(self, cluster: Cluster, progress: Progress, targets: Targets) -> None:
        self._cluster = cluster
        self._progress = progress
        self._targets = targets
        self._writers: dict[str, DocumentWriter] = {}  # by fingerprint of the schema
        self.left_gaps = False

    def actions(self, writes: Sequence[Write], outcome: Outcome, *, again: bool = False) -> Iterator[Action]:
        """The actions; writes that are stale or cannot be one are counted in ``outcome`` instead.

        ``again``: a document of the very record is no reason not to write it.
        """
        for start in range(0, len(writes), PER_REQUEST):
            page = [plan for write in writes[start : start + PER_REQUEST] if (plan := self._plan(write, outcome))]
            stored = self._stored(page)
            for plan in page:
                base = stored.get((plan.alias, plan.write.id.text))
                if base and base.version >= plan.version + again:
                    outcome.stale += 1
                elif action := self._action(plan, base, outcome):
                    yield action._replace(version_type="external_gte") if again else action

    def _plan(self, write: Write, outcome: Outcome) -> Planned | None:
        record = write.record
        alias = self._targets.alias(record.topic)
        if alias is None:  # only deletes so far: there is nothing to delete from
            return None
        try:
            filled = None if record.after is None else draft(record.after, write.earlier, self._fields)
        except RecordError as error:
            outcome.failures.append((write.index, error.message))
            return None
        return Planned(write, alias, self._progress.version(record), filled)

    def _fields(self, row: Row) -> Fields:
        schema = row.shape.schema
        writer = self._writers.get(schema.fingerprint)
        if writer is None:
            writer = self._writers[schema.fingerprint] = DocumentWriter(schema)
        return writer.fields(row)

    def _stored(self, page: Sequence[Planned]) -> dict[tuple[str, str], Stored]:
        wanted: dict[str, list[str]] = {}
        for plan in page:
            if plan.draft and plan.draft.needs_base:
                wanted.setdefault(plan.alias, []).append(plan.write.id.text)
        return {
            (alias, name): document
            for alias, names in wanted.items()
            for name, document in stored_documents(self._cluster, alias, names).items()
        }

    def _action(self, plan: Planned, base: Stored | None, outcome: Outcome) -> Action | None:
        write, body = plan.write, None
        if plan.draft:
            fields = fill(plan.draft.fields, base.source) if base else plan.draft.fields
            self.left_gaps = self.left_gaps or bool(fields.missing)
            try:
                body = encode(fields, write.id.original)
            except orjson.JSONEncodeError as error:
                outcome.failures.append((write.index, f"the row cannot be written as JSON: {error}"))
                return None
        return Action(write.index, plan.alias, write.id.text, plan.version, body)
