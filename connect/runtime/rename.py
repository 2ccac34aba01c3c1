"""``connect rename``: a source's stored state goes to its new name."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from connect.api.tables import View
from connect.errors import ConfigError, Failed, Problem
from connect.failpoints import failpoint
from connect.kafka.positions import RENAMED, PositionStore
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import Topics
from connect.runtime.applied import source_options
from connect.runtime.former_name import topics_of
from connect.runtime.maintenance import known, refuse_while_running
from connect.runtime.source_job import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.config.models import Config, SourceConfig


def rename_source(config: Config, old: str, new: str) -> list[str]:
    """Move position and notes from the old name to the new one, which the file has already.

    One Kafka transaction under the old name's transactional id, after both names are fenced (rule F-5): a kill at any
    point leaves everything under the old name or under the new one, and the command given again finishes or finds it
    done.

    Raises:
        ConfigError: The file has no source ``new``, or still has ``old``.
        Failed: ``worker_running``; ``rename_names`` or ``rename_topics``: the new entry means another slot or other
            topics; ``rename_nothing``; ``rename_target``: the new name has a position of its own.
    """
    source = config.sources[known(new, config.sources, "source")]
    if old in config.sources:
        fix = f"give its entry the name {new}, then give the command again"
        raise ConfigError([Problem(config.sources[old].where, f"the file still has the source {old!r}", fix)])
    for name in (old, new):
        refuse_while_running(config, name)
    settings = config.kafka.settings()
    topics = Topics(settings)
    before, after = (PositionStore(settings, topics, config.name, name) for name in (old, new))
    position, noted = before.look()
    if position is None and RENAMED not in noted:
        raise _nothing(before.topic, old)
    _check_names(config, source, old, noted)
    after.ensure()
    with closing(TransactionalProducer(settings, f"{config.name}-{new}-0")) as newer:
        newer.fence()
    with closing(TransactionalProducer(settings, f"{config.name}-{old}-0")) as producer:
        producer.fence()
        failpoint("rename.after_fence")
        notes = _due(before, after, source, old)
        if notes is None:
            return []
        before.move(producer, after, new, _renamed(notes, source, config.name))
    failpoint("rename.after_commit")
    return [f"The position of {old}, and all that is noted beside it, is {new}'s now: topic {after.topic}."]


def _due(
    before: PositionStore, after: PositionStore, source: SourceConfig, old: str
) -> Mapping[str, dict[str, Any]] | None:
    """The notes to move, once there is a place for them; None where they were moved already."""
    position, notes = before.read()
    taken, _ = after.read()
    if position is None:
        if notes.get(RENAMED) == {"to": source.name} and taken is not None:
            return None
        raise _nothing(before.topic, old)
    if taken is not None:
        message = f"{source.name} has a position of its own already, so it cannot take over {old}'s"
        hint = f"It was started. Give back its entry the name {old}; or connect remove {source.name} FILE first."
        raise Failed("rename_target", message, hint=hint)
    foreign = _foreign_topic(notes, source)
    if foreign is not None:
        message = (
            f"{old} writes to {foreign}, and {source.name} would write to topics that begin with {source.topic_prefix}."
        )
        hint = f"Write under {source.name} in the file:\ntopic_prefix: {_prefix(notes, old)}"
        raise Failed("rename_topics", message, hint=hint)
    return notes


def _renamed(notes: Mapping[str, dict[str, Any]], source: SourceConfig, group: str) -> dict[str, dict[str, Any]]:
    """What the old name stood for is spelt out now, which changes nothing: ``plan`` is not to call it a change."""
    if OPTIONS not in notes:
        return {}
    named = tuple(source.plugin.names(source.options, group, source.name))
    spelt = {key: value for key, value in source_options(source).items() if key.split(".")[0] in named}
    return {OPTIONS: notes[OPTIONS] | spelt}


def _check_names(config: Config, source: SourceConfig, old: str, notes: Mapping[str, Mapping[str, Any]]) -> None:
    """What the old name named on the server stays, and so do its topics: the file has to say how they are called."""
    kept, now = (source.plugin.names(source.options, config.name, name) for name in (old, source.name))
    lacking = [f"{key}: {name}" for key, name in kept.items() if now.get(key) != name]
    if lacking:
        if _foreign_topic(notes, source):
            lacking.insert(0, f"topic_prefix: {_prefix(notes, old)}")
        message = f"on its server, {old} has things that are called after it, and {source.name} would look for others"
        raise Failed("rename_names", message, hint=f"Write under {source.name} in the file:\n" + "\n".join(lacking))


def _foreign_topic(notes: Mapping[str, Mapping[str, Any]], source: SourceConfig) -> str | None:
    """A topic that the old name wrote to, and that does not begin as those of the new one will."""
    prefix = f"{source.topic_prefix}."
    return next((topic for topic in sorted(topics_of(notes)) if not topic.startswith(prefix)), None)


def _prefix(notes: Mapping[str, Mapping[str, Any]], old: str) -> str:
    """The topic_prefix that the old name had, by the topic of a table that no transform routed; else the default."""
    for note, content in notes.items():
        ending = f".{note.removeprefix('table:')}"
        topic = content["topics"].get(View.STATE.value, "") if note.startswith("table:") else ""
        if topic.endswith(ending):
            return topic.removesuffix(ending)
    return old


def _nothing(where: str, old: str) -> Failed:
    message = f"{old} has no stored position ({where})"
    return Failed("rename_nothing", message, hint="Is the name right, and the file's name: the same? connect plan FILE")
