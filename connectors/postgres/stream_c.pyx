# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled lane of the stream: bursts of messages, and of them those that make up nearly all of a stream.

Whatever is special (another kind of message, a label that is new, bytes that are no message) the lane leaves where it
is, and the assembler's Python takes it: so there is one description of what a message does, and of what is wrong with it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from connect.changes_c cimport KEY_OLD, NO_OLD, WHOLE_OLD, Change, Changes, Transaction
from connect.record_c cimport Buffer, Octets, append, reserve

from connect.changes_c import AT

cdef enum:
    HEADER = 25  # 'w', start, end and time of the XLogData message
    RECORD = 16  # of the spool: sub-transaction, LSN, length of the message that follows
    BROKEN = -1

cdef int64_t POSTGRES_EPOCH_US = 946_684_800_000_000

cdef struct Library:
    int (*get_copy_data)(void* connection, char** buffer, int asynchronous) noexcept nogil
    void (*free_memory)(void* memory) noexcept nogil
    int (*consume_input)(void* connection) noexcept nogil

cdef Library library

# The members of ``Library`` in their order, as libpq calls them.
NAMES = ("PQgetCopyData", "PQfreemem", "PQconsumeInput")


def bind(addresses):
    """``addresses`` of the functions in the order of ``NAMES``."""
    cdef uintptr_t* members = <uintptr_t*> &library
    if len(addresses) != len(NAMES) or sizeof(Library) != len(NAMES) * sizeof(uintptr_t):
        raise ValueError("the addresses are not those of the functions")
    for i, address in enumerate(addresses):
        members[i] = address


cdef inline uint32_t u32(Octets at) noexcept nogil:
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]


cdef inline uint64_t u64(Octets at) noexcept nogil:
    return <uint64_t> u32(at) << 32 | u32(at + 4)


cdef class Burst:
    """CopyData payloads in the order of the stream, in one piece of memory; a sequence of ``bytes``.

    Attributes:
        size: Bytes of all payloads.
        seen: The highest end of the server's WAL that they name.
        asked: The server wants an answer at once.
    """

    cdef Buffer _data
    cdef Py_ssize_t* _ends
    cdef Py_ssize_t _room
    cdef Py_ssize_t count
    cdef readonly uint64_t seen
    cdef readonly bint asked

    def __init__(self, payloads=()):
        for payload in payloads:
            if not self._add(<Octets> PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload)):
                raise MemoryError

    def __dealloc__(self):
        free(self._data.data)
        free(self._ends)

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t i):
        if not 0 <= i < self.count:
            raise IndexError(i)
        return PyBytes_FromStringAndSize(<const char*> self._start(i), self._ends[i] - self._offset(i))

    @property
    def size(self):
        return self._data.size

    def kind(self, Py_ssize_t i):
        """The letter of a payload's message; 0 for a keepalive."""
        if not 0 <= i < self.count:
            raise IndexError(i)
        return self._start(i)[HEADER] if self._ends[i] - self._offset(i) > HEADER and self._start(i)[0] == c"w" else 0

    def receive(self, uintptr_t connection, Py_ssize_t most):
        """Take what the server has sent, at most about ``most`` bytes, without waiting and without the GIL.

        Returns:
            The last answer of ``PQgetCopyData``: a length where ``most`` was reached or an answer is asked for, 0 where
            there is no more now, -1 at the end of the stream, -2 for an error; and the letter of a payload of unknown
            kind, else 0.
        """
        cdef char* buffer = NULL
        cdef int length = 0
        cdef uint8_t unknown = 0
        cdef bint kept = True, dry = False
        with nogil:
            while self._data.size < most and not self.asked:
                length = library.get_copy_data(<void*> connection, &buffer, 1)
                if length == 0 and not dry:
                    dry = True
                    if not library.consume_input(<void*> connection):
                        length = -2
                        break
                    continue
                if length <= 0:
                    break
                dry = False
                kept = self._add(<Octets> buffer, length)
                unknown = self._look(<Octets> buffer, length)
                library.free_memory(buffer)
                if unknown or not kept:
                    break
        if not kept:
            raise MemoryError
        return length, unknown

    def copy_out(self, uintptr_t connection, Py_ssize_t most):
        """Take the lines of a COPY until its end, or the one that passes ``most`` bytes; waits for them without the GIL.

        Returns:
            The last answer of ``PQgetCopyData``, as for ``receive``.
        """
        cdef char* buffer = NULL
        cdef int length = 0
        cdef bint kept = True
        with nogil:
            while kept and self._data.size <= most:
                length = library.get_copy_data(<void*> connection, &buffer, 0)
                if length <= 0:
                    break
                kept = self._add(<Octets> buffer, length)
                library.free_memory(buffer)
        if not kept:
            raise MemoryError
        return length

    def unpack(self, bytes block, aborted):
        """Append what lies in the spool's records, as payloads; those of ``aborted`` sub-transactions are left out.

        Returns:
            Where the first record begins that does not end in the block.
        """
        cdef Octets data = <Octets> PyBytes_AS_STRING(block)
        cdef Py_ssize_t at = 0, length, size = PyBytes_GET_SIZE(block)
        cdef bint has_aborted = bool(aborted)
        while size - at >= RECORD:
            length = u32(data + at + 12)
            if length > size - at - RECORD:
                break
            if not has_aborted or u32(data + at) not in aborted:
                if not self._add_message(data + at + 4, data + at + RECORD, length):
                    raise MemoryError
            at += RECORD + length
        return at

    cdef bint _add_message(self, Octets lsn, Octets message, Py_ssize_t size) noexcept:
        cdef unsigned char* header
        if not reserve(&self._data, HEADER):
            return False
        header = self._data.data + self._data.size
        memset(header, 0, HEADER)
        header[0] = c"w"
        memcpy(header + 1, lsn, 8)
        self._data.size += HEADER
        return self._add(message, size)

    cdef uint8_t _look(self, Octets data, Py_ssize_t size) noexcept nogil:
        """Note what the payload says of the server's WAL; its letter if it is of unknown kind."""
        if data[0] == c"w" and size >= 17:
            self.seen = max(self.seen, u64(data + 9))
        elif data[0] == c"k" and size >= 18:
            self.seen = max(self.seen, u64(data + 1))
            self.asked |= data[17] != 0
        else:
            return data[0]
        return 0

    cdef inline Py_ssize_t _offset(self, Py_ssize_t i) noexcept nogil:
        return self._ends[i - 1] if i else 0

    cdef inline Octets _start(self, Py_ssize_t i) noexcept nogil:
        return self._data.data + self._offset(i)

    cdef bint _add(self, Octets data, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t* ends
        if self.count == self._room:
            ends = <Py_ssize_t*> realloc(self._ends, (self._room * 2 or 64) * sizeof(Py_ssize_t))
            if ends == NULL:
                return False
            self._ends, self._room = ends, self._room * 2 or 64
        if not append(&self._data, data, size):
            return False
        self._ends[self.count] = self._data.size
        self.count += 1
        return True


cdef class OpenTransaction(Transaction):
    """Twin of ``assembler.OpenTransaction``."""

    cdef public bint skip
    cdef public Py_ssize_t ordinal
    cdef public uint64_t row_lsn
    cdef public object origin
    cdef public object origin_lsn

    def __init__(self, xid, ts_us, skip, ordinal=0, row_lsn=0, origin=None, origin_lsn=None):
        self.id, self.ts_us, self.skip, self.ordinal, self.row_lsn = xid, ts_us, skip, ordinal, row_lsn
        self.origin, self.origin_lsn = origin, origin_lsn

    @property
    def xid(self):
        return self.id


cdef class _Table:
    """A relation as the rows of one run of groups meet it."""

    cdef Py_ssize_t group  # BROKEN: it is not captured
    cdef object tracked
    cdef Py_ssize_t columns
    cdef bint has_enums


cdef class Lane:
    """Begin, Insert, Update, Delete and Commit of transactions that are delivered whole and for the first time.

    Attributes:
        open: The open transaction, as the assembler has it too.
        finished: How many changes belong to whole transactions.
        finished_size: Bytes of their messages.
        size: Bytes of the messages of all changes.
        lsn: The end of the last transaction.
        last: The last transaction with rows that ended since ``run`` began, or None.
    """

    cdef public OpenTransaction open
    cdef public Py_ssize_t finished
    cdef public Py_ssize_t finished_size
    cdef public Py_ssize_t size
    cdef public uint64_t lsn
    cdef readonly OpenTransaction last
    cdef object _relations
    cdef uint64_t _start_lsn
    cdef Changes _changes
    cdef dict _tables
    cdef _Table _table
    cdef uint32_t _oid

    def __init__(self, relations, start_lsn):
        """``start_lsn`` is the stored boundary: transactions that committed before it were delivered (rule S11)."""
        self._relations, self._start_lsn, self._tables = relations, start_lsn, {}

    def forget(self):
        """Something came that the lane did not see: rows from here on are in groups of their own."""
        self._tables.clear()
        self._table = None

    def run(self, Burst burst, Py_ssize_t at, Changes changes, Py_ssize_t rows, Py_ssize_t size):
        """Take payloads from ``at`` on into ``changes`` until one is special or so many rows or bytes are there.

        Returns:
            The index of the first payload that was not taken.
        """
        cdef Octets data
        cdef Py_ssize_t length
        cdef uint64_t lsn
        if changes is not self._changes:
            self.forget()
            self._changes = changes
        self.last = None
        while at < burst.count and changes.count < rows and self.size < size:
            data = burst._start(at)
            length = burst._ends[at] - burst._offset(at)
            if length <= HEADER or data[0] != c"w":
                break
            lsn = u64(data + 1)
            if not self._take(burst, lsn, data + HEADER, length - HEADER):
                break
            at += 1
        return at

    cdef bint _take(self, Burst burst, uint64_t lsn, Octets data, Py_ssize_t size) except -1:
        cdef uint8_t kind = data[0]
        if kind == c"I" or kind == c"U" or kind == c"D":
            return self.open is not None and self._row(burst, lsn, data, size)
        if kind == c"B":
            return self._begin(data, size)
        if kind == c"C":
            return self._commit(data, size)
        return False

    cdef bint _begin(self, Octets data, Py_ssize_t size) except -1:
        if size != 21 or self.open is not None or u64(data + 1) < self._start_lsn:
            return False
        cdef OpenTransaction opened = OpenTransaction.__new__(OpenTransaction)
        opened.id, opened.ts_us = u32(data + 17), <int64_t> u64(data + 9) + POSTGRES_EPOCH_US
        self.open = opened
        return True

    cdef bint _commit(self, Octets data, Py_ssize_t size) except -1:
        if size != 26 or self.open is None or self.open.skip:
            return False
        if self.open.ordinal:
            self.finished, self.finished_size = self._changes.count, self.size
            self.last, self.lsn = self.open, u64(data + 10)
        else:
            self.lsn = max(self.lsn, u64(data + 10))
        self.open = None
        return True

    cdef bint _row(self, Burst burst, uint64_t lsn, Octets data, Py_ssize_t size) except -1:
        cdef Octets old = NULL
        cdef Octets new = NULL
        cdef Octets end = data + size
        cdef Octets at = data + 6
        cdef uint8_t kind
        cdef _Table table
        cdef Change* change
        if size < 8 or self.open.skip or lsn >> 63:
            return False
        kind = data[5]
        table = self._table_of(u32(data + 1))
        if table is None:
            return False
        if kind == c"K" or kind == c"O":
            if data[0] == c"I":
                return False
            old = at
            at = tuple_end(at, end, table.columns)
            if at == NULL:
                return False
        elif kind != c"N" or data[0] == c"D":
            return False
        if data[0] == c"D":
            if at != end:
                return False
        elif old == NULL:
            new = at
        else:
            if at >= end or at[0] != c"N":
                return False
            new = at + 1
        if table.has_enums and new != NULL and not self._knows_labels(table, new, end):
            return False
        self.open.ordinal += 1
        self.open.row_lsn = lsn
        if table.group == BROKEN:
            return True
        if self.open.source is None:
            self._describe()
        change = self._changes.add(table.group, self.open, burst)
        change.op = c"c" if data[0] == c"I" else c"u" if data[0] == c"U" else c"d"
        if old != NULL:
            change.before, change.before_size = old, at - old
            change.old = KEY_OLD if kind == c"K" else WHOLE_OLD
        if new != NULL:
            change.after, change.after_size = new, end - new
        change.at, change.ordinal = lsn, self.open.ordinal - 1
        self.size += size
        return True

    cdef int _describe(self) except -1:
        """What the rows of the open transaction have in common; its origin is known by now."""
        cdef unsigned char[32] text
        cdef uint64_t rest = self.lsn
        cdef Py_ssize_t first = 29
        text[29], text[30], text[31] = c'"', c",", c'"'
        while True:
            first -= 1
            text[first] = <unsigned char> (c"0" + rest % 10)
            rest //= 10
            if rest == 0:
                break
        text[first - 2], text[first - 1] = c"[", c'"'
        self.open.source = (self.open.id, AT, None, self.open.origin, self.open.origin_lsn)
        self.open.sequence = PyBytes_FromStringAndSize(<const char*> text + first - 2, 34 - first)
        return 0

    cdef _Table _table_of(self, uint32_t oid):
        cdef _Table table
        if self._table is not None and oid == self._oid:
            return self._table
        table = self._tables.get(oid)
        if table is None:
            if oid not in self._relations:
                return None
            table = self._tables[oid] = self._known(oid)
        self._oid, self._table = oid, table
        return table

    cdef _Table _known(self, uint32_t oid):
        cdef _Table table = _Table()
        tracked = table.tracked = self._relations[oid]
        table.columns, table.group = len(tracked.key_flags), BROKEN
        if tracked.shape is not None:
            name = tracked.table
            flags = bytes(tracked.key_flags)
            table.has_enums = bool(tracked.enums)
            table.group = self._changes.open_group(tracked.shape, (name.schema, name.name), flags, tracked.toastable)
        return table

    cdef bint _knows_labels(self, _Table table, Octets row, Octets end) except -1:
        """Whether every label of the row is one that the types know (F28)."""
        cdef Py_ssize_t i = 0, column, length
        cdef Octets at
        for column, labels in table.tracked.enums:
            at = row + 2
            for i in range(column):
                at = column_end(at, end)
                if at == NULL:
                    return False
            if end - at < 5 or (at[0] != c"t" and at[0] != c"b"):
                if end - at < 1 or (at[0] != c"n" and at[0] != c"u"):
                    return False
                continue
            length = u32(at + 1)
            if length > end - at - 5:
                return False
            if PyBytes_FromStringAndSize(<const char*> at + 5, length) not in labels:
                return False
        return True


cdef Octets column_end(Octets at, Octets end) noexcept:
    """Where a column of tuple data ends; NULL for what is none."""
    cdef Py_ssize_t length
    if at >= end:
        return NULL
    if at[0] == c"n" or at[0] == c"u":
        return at + 1
    if end - at < 5 or (at[0] != c"t" and at[0] != c"b"):
        return NULL
    length = u32(at + 1)
    if length > end - at - 5:
        return NULL
    return at + 5 + length


cdef Octets tuple_end(Octets at, Octets end, Py_ssize_t columns) noexcept:
    """Where tuple data of so many columns ends; NULL for what is none."""
    cdef Py_ssize_t i
    if end - at < 2 or (<Py_ssize_t> at[0] << 8 | at[1]) != columns:
        return NULL
    at += 2
    for i in range(columns):
        at = column_end(at, end)
        if at == NULL:
            return NULL
    return at


def read_rows(bursts, object shape, tuple source, int64_t ts_us):
    """The lines of COPYs, one after the other, as changes that are reads; ``source`` and ``ts_us`` are those of
    ``ChangeEvent``.
    """
    cdef Changes changes = Changes(None)
    cdef Transaction transaction = Transaction.__new__(Transaction)
    cdef Change* change
    cdef Burst lines
    cdef Py_ssize_t i, group = -1
    transaction.source, transaction.ts_us = source, ts_us
    for lines in bursts:
        if lines.count and group < 0:
            group = changes.open_group(shape, (), None, False)
        for i in range(lines.count):
            change = changes.add(group, transaction, lines)
            change.op = c"r"
            change.after, change.after_size = lines._start(i), lines._ends[i] - lines._offset(i)
    return changes
