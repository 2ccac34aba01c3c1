"""The transforms of a source's tables or a sink's topics, in order, each at the price of what it touches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from connect.record import ChangeEvent, Row, RowShape, SinkRecord
from connect.transforms.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.api.transform import Change, ChangeFunction, Transform
    from connect.schema.model import TableId

MAX_SHAPES: Final = 256


class _Segment:
    """Transforms up to the first that looks at each change: one derived shape for all of them."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.change: ChangeFunction | None = transforms[-1].change
        self._transforms = transforms
        self._masks = [transform for transform in transforms if isinstance(transform, Mask)]
        self._shapes: dict[RowShape, RowShape] = {}
        self._keys: dict[RowShape, RowShape] = {}

    def shape(self, shape: RowShape) -> RowShape:
        """The shape that rows leave with, made once for each shape."""
        found = self._shapes.get(shape)
        if found is None:
            found = shape
            for transform in self._transforms:
                found = transform.shape(found)
            _remember(self._shapes, shape, found)
        return found

    def event(self, event: ChangeEvent) -> ChangeEvent:
        """The same change under the derived shape."""
        shape = self.shape(event.shape)
        if shape is event.shape:
            return event
        return replace(event, shape=shape, before=_under(event.before, shape), after=_under(event.after, shape))

    def record(self, record: SinkRecord) -> SinkRecord:
        """The same record with each of its rows under its derived shape; keys show what is masked."""
        before, after, key = self._row(record.before), self._row(record.after), record.key
        if key is not None and self._masks:
            key = key.under(self._key_shape(key.shape))
        if before is record.before and after is record.after and key is record.key:
            return record
        return replace(record, before=before, after=after, key=key)

    def _row(self, row: Row | None) -> Row | None:
        return row if row is None else _under(row, self.shape(row.shape))

    def _key_shape(self, shape: RowShape) -> RowShape:
        found = self._keys.get(shape)
        if found is None:
            found = shape
            for mask in self._masks:
                found = mask.of_key(found)
            _remember(self._keys, shape, found)
        return found


class Chain:
    """The transforms of one table or topic."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)
        self._segments = _segments(transforms)

    def shape(self, shape: RowShape) -> RowShape:
        """The shape that rows of this shape leave with; the same object for the same object.

        Raises:
            Failed: A transform does not fit the shape.
        """
        for segment in self._segments:
            shape = segment.shape(shape)
        return shape

    @property
    def derives(self) -> bool:
        """Whether no transform looks at a change: the shape says all."""
        return all(segment.change is None for segment in self._segments)

    def apply(self, change: Change) -> Change | None:
        """The change to publish, or None: dropped.

        Raises:
            Failed: A transform cannot be applied to it; nothing was published.
        """
        for segment in self._segments:
            change = segment.event(change) if isinstance(change, ChangeEvent) else segment.record(change)
            if segment.change is not None:
                result = segment.change(change)
                if result is None:
                    return None
                change = result
        return change


class SourcePipeline:
    """The transforms of a source, by table."""

    def __init__(self, chains: Mapping[TableId, Chain]) -> None:
        """``chains``: only tables to which something applies."""
        self._chains = chains

    def shape(self, shape: RowShape) -> RowShape:
        """The shape that rows of this shape leave with: its ``schema.table`` names the topic."""
        chain = self._chains.get(shape.schema.table)
        return chain.shape(shape) if chain else shape

    def apply(self, change: ChangeEvent) -> ChangeEvent | None:
        """The change to publish, or None."""
        chain = self._chains.get(change.shape.schema.table)
        return cast("ChangeEvent | None", chain.apply(change)) if chain else change

    def derives(self, table: TableId) -> bool:
        """Whether nothing of the table's changes is looked at."""
        chain = self._chains.get(table)
        return chain is None or chain.derives


class SinkPipeline:
    """The transforms of a sink, by topic; made when a topic shows its first record."""

    def __init__(self, make: Callable[[str], Chain]) -> None:
        """``make``: topic → its transforms."""
        self._make = make
        self._chains: dict[str, Chain] = {}

    def shape(self, topic: str, shape: RowShape) -> RowShape:
        """The shape that rows of a topic leave with."""
        return self._chain(topic).shape(shape)

    def passes(self, topic: str) -> bool:
        """Whether records of a topic are written as they are."""
        return not self._chain(topic).transforms

    def apply(self, record: SinkRecord) -> SinkRecord | None:
        """The record to write, or None."""
        return cast("SinkRecord | None", self._chain(record.topic).apply(record))

    def _chain(self, topic: str) -> Chain:
        chain = self._chains.get(topic)
        if chain is None:
            chain = self._chains[topic] = self._make(topic)
        return chain


def _segments(transforms: Sequence[Transform]) -> list[_Segment]:
    segments: list[_Segment] = []
    run: list[Transform] = []
    for transform in transforms:
        run.append(transform)
        if transform.change is not None:
            segments.append(_Segment(run))
            run = []
    return [*segments, _Segment(run)] if run else segments


def _under(row: Row | None, shape: RowShape) -> Row | None:
    return row if row is None or row.shape is shape else row.under(shape)


def _remember(known: dict[RowShape, RowShape], shape: RowShape, derived: RowShape) -> None:
    if len(known) >= MAX_SHAPES:  # invariant 7
        known.clear()
    known[shape] = derived
