"""The topics of a source's tables: how they are called, and that they are there, complete and ours (F98, rule S14)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from connect.api.tables import View
from connect.errors import Failed
from connect.kafka.positions import holds_records
from connect.kafka.topics import STATE, Topic, Topics, TopicSpec, events_settings
from connect.record import plain_shape
from connect.runtime.former_name import FirstStart, check_name
from connect.runtime.table_identity import check_identity, clear_before, identity, identity_note, not_ours, topic_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from connect.api.tables import TableInfo, TableOptions
    from connect.runtime.source_job import SourceJob
    from connect.runtime.table_writer import Pipeline
    from connect.schema.model import TableId

_LOG: Final = logging.getLogger("connect.source")


class SourceTopics:
    """Named, then checked against what is noted of them, then made where they are missing.

    Attributes:
        names: By table, of each view.
        known: What ``ensure`` found or made, by name.
    """

    def __init__(
        self,
        job: SourceJob,
        topics: Topics,
        notes: Mapping[str, dict[str, Any]],
        remember: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """``notes`` as they are stored; ``remember`` takes one to ride with the next position."""
        self.names: dict[TableId, dict[View, str]] = {}
        self.known: dict[str, Topic] = {}
        self._job = job
        self._topics = topics
        self._notes = notes
        self._remember = remember

    def name(self, tables: Mapping[TableId, tuple[TableInfo, TableOptions]], pipeline: Pipeline) -> None:
        """A route transform renames a table; every transform must fit the table as it is now."""
        for table, (info, choice) in tables.items():
            target = pipeline.shape(plain_shape(info.schema)).schema.table
            self.names[table] = {view: self._job.topic(target, view) for view in choice.views}

    def check_identities(self, tables: Mapping[TableId, tuple[TableInfo, TableOptions]]) -> None:
        """What a table's topics rest on is as it was; what they held in clear before a mask is told.

        Raises:
            Failed: ``identity_changed``.
        """
        for table, (info, choice) in tables.items():
            name = identity_note(table)
            now = identity(info, choice, self.names[table], self._job.form)
            before = self._notes.get(name)
            if before is not None:
                check_identity(table, before, now)
                for sentence in clear_before(table, before, now):
                    _LOG.warning("%s: %s", self._job.name, sentence)
            if before != now:
                self._remember(name, now)

    def ensure(self, options: Mapping[TableId, TableOptions]) -> None:
        """The topics are there, and those that we wrote to before are the same ones.

        Raises:
            Failed: ``topic_collision``, ``topic_missing``, ``topic_not_ours``, ``topic_id_changed`` or as
                ``Topics.ensure``.
        """
        specs: dict[str, TopicSpec] = {}
        owner: dict[str, TableId] = {}
        for table, choice in options.items():
            for view, name in self.names[table].items():
                if name in specs:
                    message = f"tables {owner[name]} and {table} would both be written to topic {name}"
                    raise Failed("topic_collision", message, hint="Give one of them a route transform, or exclude it.")
                settings = dict(STATE) if view is View.STATE else events_settings(choice.events_keep_ms)
                specs[name], owner[name] = TopicSpec(name, choice.partitions, settings), table
        self._refuse_lost(list(specs))
        self.known = self._topics.ensure(list(specs.values()))
        for name, topic in self.known.items():
            self._check(topic, self._notes.get(f"topic:{name}"))

    def _refuse_lost(self, names: list[str]) -> None:
        noted = [name for name in names if f"topic:{name}" in self._notes]
        present = self._topics.describe(noted)
        lost = [name for name in noted if name not in present]
        if lost:
            raise topic_gone(lost[0], self._job.name)

    def _check(self, topic: Topic, note: Mapping[str, Any] | None) -> None:
        if note is None:
            if not self._job.adopt and holds_records(
                self._job.kafka, topic.name, self._topics.ends(topic.name, topic.partitions)
            ):
                raise not_ours(topic.name, self._job.name)
            self._remember(f"topic:{topic.name}", {"id": topic.id, "partitions": topic.partitions})
        elif note["id"] != topic.id:
            message = f"topic {topic.name} was deleted and made again: its id is {topic.id}, we wrote to {note['id']}"
            hint = "What was in it is gone. Start the source anew under another name, or restore the topic."
            raise Failed("topic_id_changed", message, hint=hint)  # F98

    def check_name(self, peers: AbstractSet[str]) -> None:
        """At a first start: is this a source that had another name?"""
        job = self._job
        tables = {str(table): set(names.values()) for table, names in self.names.items()}
        start = FirstStart(
            group=job.group, name=job.name, peers=peers, tables=tables, notes=self._notes, adopt=job.adopt
        )
        for warning in check_name(job.kafka, self._topics, start):
            _LOG.warning("%s", warning)
