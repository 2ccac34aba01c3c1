"""The indices that the sink makes and keeps: one dated index behind an alias for each topic (F152, F154, rule E3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connectors.elasticsearch.cluster import Cluster, ServerError, part, parts
from connectors.elasticsearch.config import alias_name
from connectors.elasticsearch.mapping import additions, properties
from connectors.elasticsearch.state import Progress, TargetNote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from connect.api import SinkContext
    from connect.schema.model import TableSchema

_TOTAL_FIELDS: Final = 10_000  # above the columns of any table with their sub-fields (F148)
_WHAT_IT_IS: Final = {
    "features": "aliases,settings",
    "flat_settings": "true",
    "ignore_unavailable": "true",
    "filter_path": "*.aliases,*.settings.index*uuid,*.settings.index*deletes",
}
_REBUILD: Final = "Run `connect rebuild SINK FILE`; it starts again from offset 0."


def dated(alias: str, number: int) -> str:
    """The name of the index behind an alias: ``orders-2026.11.21-1``."""
    return f"{alias}-{datetime.now(UTC):%Y.%m.%d}-{number}"


def owner_mark(context: SinkContext, topic: str) -> dict[str, str]:
    """What an index of ours says in its mapping's ``_meta``: made by this sink for this topic."""
    return {"group": context.group, "connector": context.connector, "topic": topic}


class Targets:
    """Makes, checks and widens the indices noted in ``progress``; ``store`` writes the progress."""

    def __init__(
        self, cluster: Cluster, context: SinkContext, progress: Progress, gc_deletes_ms: int, store: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._context = context
        self._notes = progress.targets
        self._topics: frozenset[str] = frozenset()
        self._gc_deletes = f"{gc_deletes_ms}ms"
        self._store = store
        self._mappings: dict[str, dict[str, Any]] = {}  # topic → properties of its index
        self._known: dict[str, set[str]] = {}  # topic → fingerprints of schemas that the mapping covers
        self._latest: dict[str, TableSchema] = {}

    def alias(self, topic: str) -> str | None:
        """The alias that the topic's documents go to; None before the first row made it."""
        note = self._notes.get(topic)
        return note.alias if note and note.uuid else None

    def aliases(self) -> list[str]:
        """The aliases that were made of the topics that are read."""
        return [note.alias for topic, note in self._notes.items() if note.uuid and topic in self._topics]

    def verify(self, topics: Collection[str]) -> None:
        """At open: the noted indices of these topics are those noted (invariant 4).

        They are made to remember deletes long enough (rule E3). Topics that are not read any more are left alone.

        Raises:
            Failed: ``target_missing``, ``target_changed``.
        """
        self._topics = frozenset(topics)
        notes = {topic: note for topic, note in self._notes.items() if topic in topics}
        for topic, note in notes.items():
            wanted = alias_name(self._context.target(topic), topic)
            if wanted != note.alias:
                message = f"{topic} is kept in {note.alias} (index: {note.template}), and `index` names {wanted} now"
                raise Failed("target_changed", message, hint=f"Change it back, or else: {_REBUILD}")
        settings = self.check(notes)
        for index, values in settings.items():
            if values.get("index.gc_deletes") != self._gc_deletes:
                body = {"index.gc_deletes": self._gc_deletes}
                self._cluster.request("PUT", f"/{part(index)}/_settings", body=body)

    def check(self, topics: Collection[str]) -> dict[str, Mapping[str, str]]:
        """The aliases of these topics lead to the noted indices and nothing else; gives their settings by index.

        Raises:
            Failed: ``target_missing``, ``target_changed`` (invariant 4, F154).
        """
        notes = [note for topic in topics if (note := self._notes.get(topic)) and note.uuid]
        found: dict[str, Any] = {}
        for names in parts([note.alias for note in notes]):
            found |= self._cluster.request("GET", f"/{names}", params=_WHAT_IT_IS).body
        try:
            for note in notes:
                _check_one(note, found)
        except Failed:
            self._store()  # an older owner is fenced, whatever its successor did to the index
            raise
        return {note.index: found[note.index]["settings"] for note in notes}

    def ensure(self, topic: str, schema: TableSchema) -> None:
        """The topic's index exists and its mapping takes rows of this schema; DDL before a batch, never inside it.

        Raises:
            Failed: ``target_exists``, ``data_stream``, ``target_shared``, ``index_name``, ``field_name``,
                ``mapping_conflict``.
        """
        if schema is self._latest.get(topic):
            return
        known = self._known.setdefault(topic, set())
        if schema.fingerprint not in known:
            wanted = properties(schema)
            if self.alias(topic) is None:
                self._make(topic, wanted)
            self._widen(topic, wanted)
            known.add(schema.fingerprint)
        self._latest[topic] = schema

    def _widen(self, topic: str, wanted: Mapping[str, Any]) -> None:
        index = self._notes[topic].index
        have = self._mappings.get(topic)
        if have is None:
            body = self._cluster.request("GET", f"/{part(index)}/_mapping").body
            have = self._mappings[topic] = body[index]["mappings"].get("properties", {})
        if added := additions(have, wanted, index):
            self._cluster.request("PUT", f"/{part(index)}/_mapping", body={"properties": added})
            del self._mappings[topic]
            self._widen(topic, wanted)

    def _make(self, topic: str, wanted: Mapping[str, Any]) -> None:
        """Note the intention, make index and alias in one request, note the index's id: a kill in between resumes."""
        note = self._notes.get(topic) or self._intend(topic)
        while not self._create(note, topic, wanted):
            alias, _, number = note.index.rpartition("-")
            note.index = f"{alias}-{int(number) + 1}"
            self._store()
        path = f"/{part(note.index)}/_settings/index.uuid"
        settings = self._cluster.request("GET", path, params={"flat_settings": "true"}).body[note.index]["settings"]
        note.uuid = settings["index.uuid"]
        self._store()

    def _intend(self, topic: str) -> TargetNote:
        target = self._context.target(topic)
        alias = alias_name(target, topic)
        for other, note in self._notes.items():
            if note.alias == alias:
                message = f"{topic} and {other} would both be kept in {alias}"
                raise Failed("target_shared", message, hint='Tell them apart: defaults: {index: "{schema}_{table}"}')
        self._store()  # an older owner is fenced here, and not told that its successor's index is foreign
        self._refuse_foreign(alias)
        note = self._notes[topic] = TargetNote(target.index, alias, dated(alias, 1))
        self._store()
        return note

    def _refuse_foreign(self, alias: str) -> None:
        answer = self._cluster.request("GET", f"/_resolve/index/{part(alias)}", expect=(404,))
        if answer.status == 404:
            return
        if answer.body["data_streams"]:
            message = f"{alias} is a data stream, which takes no external versions"
            raise Failed("data_stream", message, hint="Set another `index:` for the topic.")
        if answer.body["indices"] or answer.body["aliases"]:
            message = f"{alias} exists and this sink did not make it"
            raise Failed("target_exists", message, hint="Set another `index:` for the topic, or remove the old one.")

    def _create(self, note: TargetNote, topic: str, wanted: Mapping[str, Any]) -> bool:
        """Whether the index is there and ours; False: somebody else's has this name."""
        owner = owner_mark(self._context, topic)
        body = {
            "aliases": {note.alias: {"is_write_index": True}},
            "settings": {"index.gc_deletes": self._gc_deletes, "index.mapping.total_fields.limit": _TOTAL_FIELDS},
            "mappings": {"dynamic": "strict", "_meta": {"connect": owner}, "properties": dict(wanted)},
        }
        answer = self._cluster.request("PUT", f"/{part(note.index)}", body=body, expect=(400,))
        if answer.status != 400:
            return True
        error = ServerError.of(answer.body)
        if error.type != "resource_already_exists_exception":
            raise Failed(
                "target_refused", f"Elasticsearch refuses the index {note.index}: {error.type}: {error.reason}"
            )
        mappings = self._cluster.request("GET", f"/{part(note.index)}/_mapping").body[note.index]["mappings"]
        return bool(mappings.get("_meta", {}).get("connect") == owner)


def _check_one(note: TargetNote, found: Mapping[str, Any]) -> None:
    behind = [index for index, values in found.items() if index == note.alias or note.alias in values["aliases"]]
    if not behind:
        raise Failed("target_missing", f"{note.alias} or the index {note.index} behind it is gone", hint=_REBUILD)
    if behind != [note.index]:
        message = f"{note.alias} leads to {', '.join(sorted(behind))}, not to {note.index}"
        raise Failed("target_changed", message, hint=_REBUILD)
    if found[note.index]["settings"]["index.uuid"] != note.uuid:
        raise Failed("target_changed", f"the index {note.index} was made anew by somebody", hint=_REBUILD)
