"""At a source's first start: is it one that had another name?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.errors import ConnectError, Failed
from connect.kafka.positions import RENAMED, PositionStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from connect.kafka.topics import Topics

_POSITIONS: Final = ".positions"


@dataclass(frozen=True, kw_only=True)
class FirstStart:
    """A source that has no position.

    Attributes:
        group: The worker group's name.
        name: The source's.
        peers: All sources of the file.
        tables: Table → the topics that it would be written to.
        notes: What is noted under its name all the same.
        adopt: Whether it may write to topics of somebody else.
    """

    group: str
    name: str
    peers: Collection[str]
    tables: Mapping[str, Collection[str]]
    notes: Mapping[str, Mapping[str, Any]]
    adopt: bool


def topics_of(notes: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Topics that a source's tables are written to."""
    return {topic for name, note in notes.items() if name.startswith("table:") for topic in note["topics"].values()}


def check_name(settings: Mapping[str, Any], topics: Topics, start: FirstStart) -> Iterator[str]:
    """Whether a source's name was given up, or its tables are those of a name that the file has no more.

    Args:
        settings: librdkafka settings of the connection.
        topics: Looks at topics.
        start: The source.

    Yields:
        Warnings: it looks renamed, and would write to other topics.

    Raises:
        Failed: ``source_renamed``; ``looks_renamed``, where it would write to the same topics.
    """
    name = start.name
    if RENAMED in start.notes:
        newer = start.notes[RENAMED]["to"]
        message = f"{name} was renamed to {newer}, which goes on from its position"
        hint = f"Start the file that has {newer}. For a new source of the old name: connect remove {name} FILE first."
        raise Failed("source_renamed", message, hint=hint)
    wanted = {topic for its_topics in start.tables.values() for topic in its_topics}
    for old, left in _left_behind(settings, topics, start):
        command = f"connect rename source {old} {name} FILE"
        if not start.adopt and wanted & topics_of(left):
            message = f"{name} looks renamed from {old}, which wrote to the same topics and is in the file no more"
            raise Failed("looks_renamed", message, hint=f"{command} keeps its position.")
        theirs = {note.removeprefix("table:") for note in left if note.startswith("table:")}
        if theirs and theirs <= set(start.tables):
            yield f"{name} has the tables of {old}, which is in the file no more. Renamed? {command} keeps its position"


def _left_behind(
    settings: Mapping[str, Any], topics: Topics, start: FirstStart
) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Sources of the group that have a position, and that the file has not: their names and notes."""
    group = start.group
    for topic in topics.names():
        name = topic.removeprefix(f"{group}.").removesuffix(_POSITIONS)
        if topic != f"{group}.{name}{_POSITIONS}" or name in start.peers:
            continue
        with suppress(ConnectError):  # somebody's table may be called so
            position, notes = PositionStore(settings, topics, group, name).read()
            if position is not None:
                yield name, notes
