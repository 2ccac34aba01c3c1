# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Changes of a log as the log's own bytes: what a compiled source hands out and a compiled encoder takes."""

from collections.abc import Sequence

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc

from connect.record_c cimport ABSENT_CELL, Cell

from connect.record import ChangeEvent, Op, Row


class _Own:
    """In ``Transaction.source``: the place of a value that each row has of its own."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


AT = _Own("AT")  # the row's position
ROW = _Own("ROW")  # its number there
_OPS = {ord(op): op for op in Op}


cdef class Transaction:
    """What the rows of a source transaction have in common.

    Attributes:
        id: ``ChangeEvent.transaction``.
        ts_us: ``ChangeEvent.ts_us``.
        source: The values of ``ChangeEvent.source`` after those of the table, ``AT`` and ``ROW`` among them.
        sequence: ``ChangeEvent.sequence`` up to the row's position, ``["123","``; None for no sequence.
    """


cdef class Group:
    """Changes of one table under one shape, in log order; between two groups of a table lies whatever parts them.

    Attributes:
        shape: The shape of the rows.
        event: A change that is an object already and makes up the group alone; else None.
        count: How many changes.
        first: The index of the first.
    """

    def __cinit__(self):
        self.first = self.last = -1

    cdef void copy_columns(self, Cell* before, Cell* after, Py_ssize_t count, Change* change) noexcept:
        """What the twins of ``tuples`` do: key columns only, and unchanged values from a whole old row."""
        cdef Py_ssize_t i
        cdef const char* flags
        if change.old == KEY_OLD and self.key_flags is not None:
            flags = PyBytes_AS_STRING(self.key_flags)
            for i in range(count):
                if not flags[i]:
                    before[i].kind = ABSENT_CELL
        elif change.old == WHOLE_OLD and self.fills and change.after != NULL:
            for i in range(count):
                if after[i].kind == ABSENT_CELL:
                    after[i] = before[i]


cdef class Changes:
    """A ``Sequence[ChangeEvent]`` that makes an event when it is asked for one: until then a change is a few numbers and
    the log's own bytes, which ``owners`` keep.

    Attributes:
        groups: In the order of their first changes.
        held: Bytes of the owners: more than those of the changes, where little of what was received is captured.
    """

    def __init__(self, repack):
        """``repack`` has the functions ``key_only`` and ``fill_unchanged`` of the plugin's row data."""
        self.groups, self.transactions, self.owners = [], [], []
        self.repack = repack

    def __dealloc__(self):
        free(self.changes)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        cdef Py_ssize_t i
        if isinstance(index, slice):
            return [self.event(i) for i in range(*index.indices(self.count))]
        i = index
        if i < 0:
            i += self.count
        if not 0 <= i < self.count:
            raise IndexError(index)
        return self.event(i)

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            yield self.event(i)

    def __repr__(self):
        return f"Changes({list(self)!r})"

    def __eq__(self, other):
        return list(self) == list(other)

    def append(self, event):
        """A change that is an object already. Rows that follow it are in groups of their own."""
        cdef Group group = Group()
        group.event, group.shape = event, event.shape
        self.groups.append(group)
        cdef Change* change = self.add(len(self.groups) - 1, None, None)
        change.op = ord(event.op)

    def after(self, Py_ssize_t i):
        """The index of the next change of the same group; -1 for none."""
        if not 0 <= i < self.count:
            raise IndexError(i)
        return self.changes[i].next

    def between(self, Py_ssize_t at, Py_ssize_t until):
        """How many changes of a group lie from ``at`` on and before ``until``; -1 is its end."""
        cdef Py_ssize_t count = 0
        while at != until and at >= 0:
            count += 1
            at = self.changes[at].next
        return count

    def cut(self, Py_ssize_t at):
        """Keep what lies before ``at``; the rest, as another one."""
        cdef Changes rest = Changes(self.repack)
        cdef Py_ssize_t i
        cdef Change* change
        cdef Change* copied
        cdef Group group, other
        cdef dict moved = {}
        for i in range(at, self.count):
            change = &self.changes[i]
            group = self.groups[change.group]
            if group.event is not None:
                rest.append(group.event)
                continue
            if change.group not in moved:
                moved[change.group] = rest.open_group(group.shape, group.source, group.key_flags, group.fills)
            copied = rest.add(moved[change.group], self.transactions[change.transaction], None)
            copied.before, copied.before_size, copied.old = change.before, change.before_size, change.old
            copied.after, copied.after_size, copied.op = change.after, change.after_size, change.op
            copied.at, copied.row, copied.ordinal = change.at, change.row, change.ordinal
        rest.owners, rest.held = list(self.owners), self.held
        self._keep(at)
        return rest

    def _keep(self, Py_ssize_t count):
        cdef Group group
        cdef Py_ssize_t i
        self.count = count
        for group in self.groups:
            group.count, group.last = 0, -1
        for i in range(count):
            group = self.groups[self.changes[i].group]
            group.count += 1
            group.last = i
            if self.changes[i].next >= count:
                self.changes[i].next = -1
        while self.groups and (<Group> self.groups[len(self.groups) - 1]).count == 0:
            self.groups.pop()

    cdef Py_ssize_t open_group(self, object shape, tuple source, bytes key_flags, bint fills) except -1:
        cdef Group group = Group()
        group.shape, group.source, group.key_flags, group.fills = shape, source, key_flags, fills
        self.groups.append(group)
        return len(self.groups) - 1

    cdef Change* add(self, Py_ssize_t group_index, Transaction transaction, object owner) except NULL:
        """A new change, whose bytes lie in ``owner``; the caller fills it in."""
        cdef Change* changes
        cdef Change* change
        cdef Group group = <Group> self.groups[group_index]
        if self.count == self.room:
            changes = <Change*> realloc(self.changes, (self.room * 2 or 256) * sizeof(Change))
            if changes == NULL:
                raise MemoryError
            self.changes, self.room = changes, self.room * 2 or 256
        if transaction is not None and transaction is not self.last_transaction:
            self.transactions.append(transaction)
            self.last_transaction = transaction
        if owner is not None and owner is not self.last_owner:
            self.owners.append(owner)
            self.held += len(owner) if type(owner) is bytes else owner.size
            self.last_owner = owner
        change = &self.changes[self.count]
        change.before = change.after = NULL
        change.before_size = change.after_size = 0
        change.at = change.ordinal = 0
        change.row = 0
        change.old = NO_OLD
        change.transaction = <int32_t> (len(self.transactions) - 1)
        change.group = <int32_t> group_index
        change.next = -1
        if group.first < 0:
            group.first = self.count
        else:
            self.changes[group.last].next = <int32_t> self.count
        group.last = self.count
        group.count += 1
        self.count += 1
        return change

    cdef object event(self, Py_ssize_t i):
        cdef Change* change = &self.changes[i]
        cdef Group group = <Group> self.groups[change.group]
        cdef Transaction transaction
        if group.event is not None:
            return group.event
        transaction = self.transactions[change.transaction]
        before = after = sequence = None
        if change.before != NULL:
            before = PyBytes_FromStringAndSize(<const char*> change.before, change.before_size)
            if change.old == KEY_OLD and group.key_flags is not None:
                before = self.repack.key_only(before, group.key_flags)
        if change.after != NULL:
            after = PyBytes_FromStringAndSize(<const char*> change.after, change.after_size)
            if change.old == WHOLE_OLD and group.fills:
                after = self.repack.fill_unchanged(after, before)
        if transaction.sequence is not None:
            sequence = f'{transaction.sequence.decode()}{change.at}"]'
        values = transaction.source
        return ChangeEvent(
            _OPS[change.op],
            group.shape,
            None if before is None else Row(group.shape, before),
            None if after is None else Row(group.shape, after),
            (*group.source, *(change.at if v is AT else change.row if v is ROW else v for v in values)),
            transaction.ts_us,
            transaction.id,
            change.ordinal,
            sequence,
        )


class ChunkRows(Sequence):
    """The rows of a snapshot's chunk: ``Sequence[Row]`` over changes that are reads."""

    def __init__(self, changes):
        self.changes = changes

    def __len__(self):
        return len(self.changes)

    def __getitem__(self, index):
        found = self.changes[index]
        return [event.after for event in found] if isinstance(index, slice) else found.after

    def __eq__(self, other):
        return list(self) == list(other)

    __hash__ = None
