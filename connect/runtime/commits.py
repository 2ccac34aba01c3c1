"""The Kafka transactions of a source: rows, notes and the position after them, and who hears when they are durable."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from connect.errors import ConnectError
from connect.failpoints import failpoint
from connect.kafka.outbox import Outbox
from connect.runtime.commit_pace import CommitPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connect.api.position import Position
    from connect.api.source import SourceBatch
    from connect.kafka.positions import PositionStore
    from connect.kafka.producer import TransactionalProducer


class Commits:
    """What was taken and is not durable yet. Any error ends the task, and the next one goes on from what is stored.

    Attributes:
        outbox: Takes records.
        pending: Notes that ride with the next position; None deletes one.
        notes: Notes as stored.
        position: After what was taken last; the task sets it before the first commit.
        durable: What was committed last in this run.
        pace: When to commit.
    """

    position: Position

    def __init__(
        self,
        producer: TransactionalProducer,
        store: PositionStore,
        notes: dict[str, dict[str, Any]],
        acknowledge: Callable[[Position], None],
    ) -> None:
        """``acknowledge`` hears of a position when its commit has returned (invariant 1)."""
        self._producer, self._store, self._acknowledge = producer, store, acknowledge
        self.notes = notes
        self.pending: dict[str, dict[str, Any] | None] = {}
        self.outbox = Outbox()
        self.pace = CommitPace()
        self.durable: Position | None = None
        self._committing: Position | None = None  # the position of a commit that is under way

    def took(self, batch: SourceBatch) -> None:
        """A batch is in the outbox, or was sent."""
        self.pending.update(batch.notes)
        self.position = batch.resume_after
        self.pace.took(len(batch.events), boundary=batch.boundary)

    @contextlib.contextmanager
    def publishing_what_precedes(self) -> Iterator[None]:
        """What stops the connector stops it at its place: the whole transactions before it are committed first."""
        pending = dict(self.pending)
        self.outbox.begin()
        try:
            yield
        except ConnectError:
            self.outbox.drop()
            self.pending = pending
            if self.pace.boundary:
                self.commit()
            raise

    def step(self, *, more: bool) -> None:
        """What is due after a read; ``more`` unless it gave nothing."""
        self.settle(wait=False)
        if self.pace.is_due(self.outbox.size, more=more):
            failpoint("source.before_commit")
            self.start()
        elif self.pace.is_ripe(self.outbox.size):
            self.transaction().start_sending(self.outbox.take())
            self.pace.sends()

    def transaction(self) -> TransactionalProducer:
        """The producer, with a transaction open and nothing under way."""
        self.settle(wait=True)
        if not self._producer.open:
            self._producer.begin()
            self.pace.opened()
        return self._producer

    def start(self) -> None:
        """Begin to commit all that was taken, the position behind it; the next batch is encoded meanwhile."""
        producer, position, last = self.transaction(), self.position, Outbox()
        self._store.send(last, position.to_json(), self.pending)
        failpoint("source.after_position")
        producer.start_commit(self.outbox.take(), last.take())
        self._committing = position
        self.pace.commits()
        for name, note in self.pending.items():
            if note is None:
                self.notes.pop(name, None)
            else:
                self.notes[name] = note
        self.pending = {}

    def settle(self, *, wait: bool) -> None:
        """The end of what is under way: the source hears of a position after its commit returned."""
        if not self._producer.working or not (wait or self._producer.answered):
            return
        self._producer.finish()
        self.pace.ended()
        position, self._committing = self._committing, None
        if position is None:
            return
        failpoint("source.after_commit")
        self._acknowledge(position)  # Invariant 1: durable before acknowledged.
        failpoint("source.after_acknowledge")
        self.durable = position

    def commit(self) -> None:
        """Rows, notes and position in one Kafka transaction; on return all that was sent is durable, acknowledged."""
        if self.pace.dirty:
            self.start()
        self.settle(wait=True)
