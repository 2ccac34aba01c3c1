# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled twin of ``row_image`` and ``text_values``: rows events → changes that are the log's own bytes, and the
cells of a row image and of a row packet. Every read is checked against the end.

What is special (an image that lacks columns, a partial update, bytes of another form than the table map's) is left to
the Python twin: so there is one description of what it means, and of what is wrong with it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memmove

from connect.changes_c cimport NO_OLD, WHOLE_OLD, Change, Changes, Transaction
from connect.record_c cimport DATA_CELL, NULL_CELL, Buffer, Cell, Octets, Splitter, append

from connect.changes_c import AT, ROW
from connectors.mysql.binlog.cursor import Header
from connectors.mysql.row_image import BIG as _BIG
from connectors.mysql.row_image import ROWS_EVENTS
from connectors.mysql.text_values import split_text_row

cdef enum:
    MOST_LENGTH = 4  # bytes of the length in front of a value
    MOST_COLUMNS = 4096  # of a table
    MOST_KINDS = 256
    HEADER = 8  # of a rows event: table id and flags
    NO_GROUP = -1
    SPECIAL = -1
    PACKET = 4  # bytes of a packet's header: three of its length, one that counts packets
    WHOLE = 0xFFFFFF  # a packet of this length goes on in the next one
    END = 0xFE
    ERROR = 0xFF
    END_LENGTH = 9  # an end is shorter; a row that begins with 0xFE has 16 MB at least
    EVENT = 19  # bytes of an event's header
    CHECKSUM = 4
    QUERY = 2
    XID = 16
    TABLE_MAP = 19
    ROWS_QUERY = 29
    GTID = 33
    ANONYMOUS_GTID = 34
    ANNOTATE_ROWS = 160
    MARIADB_GTID = 162
    COMPRESSED = 166  # MariaDB's rows events from here on; the twin decompresses them
    ARTIFICIAL = 0x20
    NO_TABLE = 0xFFFFFF  # of an event that only ends a statement
    # What a rows event has.
    BEFORE = 1
    AFTER = 2
    EXTRA = 4

cdef Py_ssize_t BIG = _BIG
cdef unsigned char[MOST_KINDS] KINDS
cdef unsigned char[MOST_KINDS] OPS
for _code in range(MOST_KINDS):
    _kind = ROWS_EVENTS.get(_code)
    KINDS[_code] = OPS[_code] = 0
    if _kind is not None and not _kind.diffs and _code < COMPRESSED:
        KINDS[_code] = BEFORE * _kind.before | AFTER * _kind.after | EXTRA * _kind.extra
        OPS[_code] = ord("u" if _kind.before and _kind.after else "d" if _kind.before else "c")


cdef uint32_t[8][256] CRC
for _code in range(256):
    _sum = _code
    for _kind in range(8):
        _sum = _sum >> 1 ^ (0xEDB88320 if _sum & 1 else 0)
    CRC[0][_code] = _sum
for _code in range(256):
    for _kind in range(1, 8):
        CRC[_kind][_code] = CRC[_kind - 1][_code] >> 8 ^ CRC[0][CRC[_kind - 1][_code] & 255]


cdef uint32_t crc32(Octets at, Py_ssize_t size) noexcept nogil:
    """Twin of ``zlib.crc32``, eight bytes a step."""
    cdef uint32_t found = 0xFFFFFFFF
    while size >= 8:
        found ^= at[0] | <uint32_t> at[1] << 8 | <uint32_t> at[2] << 16 | <uint32_t> at[3] << 24
        found = (
            CRC[7][found & 255] ^ CRC[6][found >> 8 & 255] ^ CRC[5][found >> 16 & 255] ^ CRC[4][found >> 24]
            ^ CRC[3][at[4]] ^ CRC[2][at[5]] ^ CRC[1][at[6]] ^ CRC[0][at[7]]
        )
        at += 8
        size -= 8
    while size > 0:
        found = found >> 8 ^ CRC[0][(found ^ at[0]) & 255]
        at += 1
        size -= 1
    return ~found


cdef inline uint64_t little(Octets at, Py_ssize_t size) noexcept nogil:
    cdef uint64_t number = 0
    while size > 0:
        size -= 1
        number = number << 8 | at[size]
    return number


cdef Octets lenenc(Octets at, Octets end, uint64_t* number) noexcept nogil:
    """A length-encoded integer and where it ends; NULL for none."""
    cdef Py_ssize_t size
    if at >= end:
        return NULL
    if at[0] < 0xFB:
        number[0] = at[0]
        return at + 1
    size = 2 if at[0] == 0xFC else 3 if at[0] == 0xFD else 8 if at[0] == 0xFE else 0
    if size == 0 or end - at <= size:
        return NULL
    number[0] = little(at + 1, size)
    return at + 1 + size


cdef list as_list(Cell* cells, Py_ssize_t count):
    cdef Py_ssize_t i
    cdef list row = []
    for i in range(count):
        if cells[i].kind == DATA_CELL:
            row.append(PyBytes_FromStringAndSize(<const char*> cells[i].data, cells[i].size))
        else:
            row.append(None)
    return row


cdef class _RowSplitter(Splitter):
    cdef readonly object twin
    cdef Py_ssize_t most  # columns

    def __call__(self, data):
        """``RowShape.split``."""
        cdef Cell* cells
        cdef Py_ssize_t count
        if not PyBytes_CheckExact(data):
            return self.twin(data)
        cells = <Cell*> malloc((self.most or 1) * sizeof(Cell))
        try:
            if cells == NULL:
                raise MemoryError
            count = self.split(<Octets> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), cells, self.most, NULL)
            return self.twin(data) if count < 0 else as_list(cells, count)
        finally:
            free(cells)


cdef class ImageSplitter(_RowSplitter):
    """Twin of ``RowForm.split`` and ``RowForm.end``."""

    cdef int* widths

    def __init__(self, twin, widths):
        """``widths`` are those of the form; ValueError for some that no server has."""
        cdef Py_ssize_t i
        self.twin = twin
        self.most = len(widths)
        if not 0 < self.most <= MOST_COLUMNS or min(widths) < -MOST_LENGTH:
            raise ValueError("no such table")
        self.widths = <int*> calloc(self.most, sizeof(int))
        if self.widths == NULL:
            raise MemoryError
        for i in range(self.most):
            self.widths[i] = widths[i]

    def __dealloc__(self):
        free(self.widths)

    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept:
        cdef Octets end = data + size
        if room < self.most or self.walk(data, end, cells) != end:
            return -1
        return self.most

    cdef Octets walk(self, Octets at, Octets end, Cell* cells) noexcept nogil:
        """Where the image that starts at ``at`` ends; NULL for none. Its cells too, unless ``cells`` is NULL."""
        cdef Octets nulls = at
        cdef Py_ssize_t i
        cdef int64_t size
        if end - at < (self.most + 7) >> 3:
            return NULL
        at += (self.most + 7) >> 3
        for i in range(self.most):
            if nulls[i >> 3] >> (i & 7) & 1:
                if cells != NULL:
                    cells[i].kind = NULL_CELL
                continue
            size = self.widths[i]
            if size < 0:
                if end - at < -size:
                    return NULL
                at -= size
                size = <int64_t> little(at + size, <Py_ssize_t> -size)
            if end - at < size:
                return NULL
            if cells != NULL:
                cells[i].kind, cells[i].data, cells[i].size = DATA_CELL, at, size
            at += size
        return at


cdef class TextSplitter(_RowSplitter):
    """Twin of ``split_text_row``."""

    def __init__(self):
        self.text = True
        self.twin = split_text_row
        self.most = MOST_COLUMNS

    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept:
        cdef Octets at = data
        cdef Octets end = data + size
        cdef Py_ssize_t count = 0
        cdef uint64_t length
        while at < end:
            if count == room:
                return -1
            if at[0] == 0xFB:
                cells[count].kind = NULL_CELL
                at += 1
            else:
                at = lenenc(at, end, &length)
                if at == NULL or length > <uint64_t> (end - at):
                    return -1
                cells[count].kind, cells[count].data, cells[count].size = DATA_CELL, at, <Py_ssize_t> length
                at += length
            count += 1
        return count


def transaction(object name, int64_t ts_us, object file, tuple before, tuple after):
    """What the changes of a transaction have in common.

    Args:
        name: ``ChangeEvent.transaction``.
        ts_us: ``ChangeEvent.ts_us``.
        file: The file of the log.
        before: The values of the ``source`` block between the table and the file.
        after: Those after the row's number.
    """
    cdef Transaction made = Transaction.__new__(Transaction)
    made.id, made.ts_us = name, ts_us
    made.source = (*before, file, AT, ROW, *after)
    made.sequence = f'["{file}","'.encode()
    return made


cdef class _Table:
    """A table map as the rows of one run of groups meet it."""

    cdef ImageSplitter form  # None: its rows are the twin's
    cdef object shape
    cdef Py_ssize_t group


cdef class _Map:
    """A table map as it was last seen, and what it describes; None for a table that is not captured."""

    cdef bytes body
    cdef object table


cdef inline bint is_plain(int kind) noexcept:
    """Whether an event inside a transaction may be the lane's."""
    return KINDS[kind] or kind in (QUERY, XID, TABLE_MAP, ROWS_QUERY, ANNOTATE_ROWS)


cdef class Lane:
    """Rows events of captured tables that are whole, and delivered for the first time; and the events around them.

    Attributes:
        pos: Where the last event ended, as in ``LogCursor``.
        size: Bytes of log that the changes came in.
        queries: Leave the texts of statements to the assembler.
    """

    cdef readonly int64_t pos
    cdef public int64_t size
    cdef public bint queries
    cdef object _hooks
    cdef object _cursor
    cdef bint _checksum
    cdef object _group
    cdef int64_t _begin  # of the group, as are the next two
    cdef int64_t _events
    cdef int64_t _ordinal
    cdef Transaction _common
    cdef uint32_t _server
    cdef Changes _changes
    cdef dict _tables
    cdef set _names
    cdef object _last
    cdef _Table _table
    cdef dict _maps
    cdef _Map _map
    cdef uint64_t _map_id

    def __init__(self):
        self.forget()
        self.forget_maps()

    def learn(self, uint64_t table_id, bytes body, object table):
        """A table map and what it describes: the same bytes mean the same until ``forget_maps``."""
        cdef _Map found = _Map()
        found.body, found.table = body, table
        self._maps[table_id] = found
        self._map = None

    def forget_maps(self):
        """Tables may have changed, or their numbers."""
        self._maps, self._map = {}, None

    def run(self, object hooks, object group, list events, Py_ssize_t at, Changes changes, Py_ssize_t rows,
            int64_t size):
        """Take events from ``at`` on until one is special or so many rows or bytes are there.

        Args:
            hooks: ``collected.Hooks``: what begins and ends transactions.
            group: The open one, or None.
            events: As the server sent them.
            at: The first.
            changes: Where to.
            rows: Stop at so many changes.
            size: Stop at so many bytes of log.

        Returns:
            The index of the first event that was not taken.
        """
        if changes is not self._changes:
            self.forget()
            self._changes = changes
        self._hooks, self._cursor = hooks, hooks.cursor
        self.pos, self._checksum = self._cursor.pos, self._cursor.checksum
        self._join(group)
        try:
            while at < PyList_GET_SIZE(events) and changes.count < rows and self.size < size:
                if not self._event(<bytes> PyList_GET_ITEM(events, at)):
                    break
                at += 1
        finally:
            self._leave()
        return at

    cdef int _join(self, object group) except -1:
        """The group that is open now, or None."""
        self._group, self._common = group, None
        if group is not None:
            self._events, self._ordinal, self._begin = group.event, group.ordinal, group.begin.pos
        return 0

    cdef int _leave(self) except -1:
        """Tell the others how far it went."""
        self._cursor.pos = self.pos
        if self._group is not None:
            self._group.event, self._group.ordinal = self._events, self._ordinal
        return 0

    cdef bint _event(self, bytes event) except -1:
        cdef Octets data = <Octets> PyBytes_AS_STRING(event)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(event)
        cdef Octets end = data + size
        cdef int64_t place, pos = self.pos
        cdef int kind
        if size < EVENT + HEADER + CHECKSUM * self._checksum:
            return False
        kind = data[4]
        if (self._group is None) != (kind == GTID or kind == ANONYMOUS_GTID or kind == MARIADB_GTID):
            return False
        if self._group is not None and not is_plain(kind):
            return False
        if self._checksum:
            end -= CHECKSUM
            if crc32(data, size - CHECKSUM) != <uint32_t> little(end, CHECKSUM):
                return False
        place = little(data + 13, 4)
        if place and not little(data + 17, 2) & ARTIFICIAL:
            place += pos & ~<int64_t> 0xFFFFFFFF
            if place < pos:
                place += <int64_t> 1 << 32
            pos, place = place, place - <int64_t> little(data + 9, 4)
        else:
            place = 0
        if self._group is None:
            return self._opened(kind, data, end, place, pos)
        if kind == QUERY:
            if end - data < EVENT + 14 or memcmp(end - 6, b"\0BEGIN", 6):
                return False
            self._group.opened, self._group.thread = True, little(data + EVENT, 4)
            self._common = None
        elif kind == TABLE_MAP:
            if not self._is_known(data + EVENT, end):
                return False
        elif KINDS[kind]:
            if not self._rows(kind, event, data + EVENT, end, little(data + 5, 4), place):
                return False
        elif self.queries and kind != XID:
            return False
        self.pos = pos
        if kind == XID:
            self._leave()
            group, self._group = self._group, None
            self._hooks.finish(group)
        return True

    cdef bint _opened(self, int kind, Octets data, Octets end, int64_t place, int64_t pos) except -1:
        """A transaction begins: True where its events may be the lane's."""
        cdef object header = Header(
            kind, little(data, 4), little(data + 5, 4), place, pos if pos != self.pos else 0, False
        )
        self._cursor.pos = self.pos = pos
        self._join(
            self._hooks.begin(header, PyBytes_FromStringAndSize(<const char*> data + EVENT, end - data - EVENT))
        )
        return True

    cdef bint _is_known(self, Octets data, Octets end) except -1:
        """Whether the bytes of a table map are those that were learnt."""
        cdef _Map found = self._map_of(little(data, 6))
        return found is not None and end - data == PyBytes_GET_SIZE(found.body) and memcmp(
            data, PyBytes_AS_STRING(found.body), end - data
        ) == 0

    cdef _Map _map_of(self, uint64_t table_id):
        if self._map is None or self._map_id != table_id:
            self._map, self._map_id = self._maps.get(table_id), table_id
        return self._map

    cdef bint _rows(self, int kind, bytes event, Octets data, Octets end, uint32_t server, int64_t place) except -1:
        cdef _Map found = self._map_of(little(data, 6))
        cdef Py_ssize_t count = 0
        if found is None or self._map_id == NO_TABLE or end - data > BIG:
            return False
        if found.table is not None:
            if self._common is None or self._server != server:
                self._common, self._server = self._hooks.common(self._group, server), server
            count = self._take(
                found.table, kind, data, end, event, self._common, place or self._begin, place != 0, self._ordinal
            )
            if count < 0:
                return False
        self._events += 1
        self._ordinal += count
        self.size += end - data if count else 0
        return True

    def forget(self):
        """Something came that the lane did not see: rows from here on are in groups of their own."""
        self._tables, self._names = {}, set()
        self._last = self._table = None

    def take(self, Changes changes, object table, int kind, bytes body, Transaction common, int64_t pos, bint placed,
             int64_t ordinal):
        """The changes of a rows event into ``changes``, all of them or none.

        Args:
            changes: Where to.
            table: The ``LogTable``.
            kind: The event's code.
            body: The event without header and checksum, decompressed.
            common: From ``transaction``.
            pos: Where the event lies in the file, or where its transaction does.
            placed: A row is named by its number in the event; else by its number in the transaction.
            ordinal: Of the first row.

        Returns:
            How many they are; -1 where the Python twin has to take them.
        """
        cdef Octets data = <Octets> PyBytes_AS_STRING(body)
        if changes is not self._changes:
            self.forget()
            self._changes = changes
        if not 0 <= kind < MOST_KINDS or not KINDS[kind]:
            return SPECIAL
        return self._take(table, kind, data, data + PyBytes_GET_SIZE(body), body, common, pos, placed, ordinal)

    cdef Py_ssize_t _take(self, object table, int kind, Octets data, Octets end, bytes owner, Transaction common,
                          int64_t pos, bint placed, int64_t ordinal) except -2:
        cdef Octets first
        cdef Py_ssize_t count
        cdef _Table known = self._table if table is self._last else self._known(table)
        if known.form is None:
            return SPECIAL
        first = images(known.form.most, kind, data, end)
        count = SPECIAL if first == NULL else rows_of(known.form, kind, first, end)
        if count <= 0 or ordinal + count > 0x7FFFFFFF:
            return 0 if count == 0 else SPECIAL
        self._add(known, kind, first, end, owner, common, pos, placed, ordinal)
        return count

    cdef _Table _known(self, table):
        cdef _Table found = self._tables.get(table)
        if found is None:
            name = table.shape.schema.table
            if name in self._names:  # what it was before is over, for all its rows that follow
                self.forget()
            found = _Table()
            found.shape, found.group = table.shape, NO_GROUP
            if isinstance(table.shape.split, ImageSplitter):
                found.form = table.shape.split
            self._tables[table] = found
            self._names.add(name)
        self._last, self._table = table, found
        return found

    cdef int _add(self, _Table known, int kind, Octets at, Octets end, bytes owner, Transaction common, int64_t pos,
                  bint placed, int64_t ordinal) except -1:
        cdef Change* change
        cdef Octets start
        cdef int32_t row = 0 if placed else <int32_t> ordinal
        if known.group == NO_GROUP:
            known.group = self._changes.open_group(known.shape, (known.shape.schema.table.name,), None, False)
        while at < end:
            change = self._changes.add(known.group, common, owner)
            change.op = OPS[kind]
            change.at, change.row, change.ordinal = pos, row, ordinal
            row += 1
            ordinal += 1
            if KINDS[kind] & BEFORE:
                start, at = at, known.form.walk(at, end, NULL)
                change.before, change.before_size, change.old = start, at - start, WHOLE_OLD
            if KINDS[kind] & AFTER:
                start, at = at, known.form.walk(at, end, NULL)
                change.after, change.after_size = start, at - start
        return 0


cdef Octets images(Py_ssize_t columns, int kind, Octets data, Octets end) noexcept nogil:
    """Where the first image of a rows event of whole images starts; NULL for others."""
    cdef Octets at = data + HEADER
    cdef Py_ssize_t bitmap = (columns + 7) >> 3
    cdef Py_ssize_t i
    cdef int maps = (KINDS[kind] & BEFORE != 0) + (KINDS[kind] & AFTER != 0)
    cdef int needed
    cdef uint64_t count
    if KINDS[kind] & EXTRA:
        if end - at < 2:
            return NULL
        at += little(at, 2)
    if end - data < HEADER or at > end:
        return NULL
    at = lenenc(at, end, &count)
    if at == NULL or count != <uint64_t> columns or end - at < bitmap * maps:
        return NULL
    for i in range(bitmap * maps):
        needed = 0xFF if (i % bitmap) < columns >> 3 else (1 << (columns & 7)) - 1
        if at[i] & needed != needed:
            return NULL
    return at + bitmap * maps


cdef Py_ssize_t rows_of(ImageSplitter form, int kind, Octets at, Octets end) noexcept nogil:
    """How many rows follow; -1 where the last does not end with the event."""
    cdef Py_ssize_t count = 0
    cdef int a_row = (KINDS[kind] & BEFORE != 0) + (KINDS[kind] & AFTER != 0)
    cdef int i
    while at < end:
        for i in range(a_row):
            at = form.walk(at, end, NULL)
            if at == NULL:
                return SPECIAL
        count += 1
    return count


cdef class Packets:
    """The row packets of one result, in one piece of memory; a sequence of ``bytes``. Twin of ``text_rows.row_packets``.

    Attributes:
        size: Bytes of all rows.
        more: Neither the result's end nor the limit was met: ``feed`` more.
        cut: The limit was passed before the result's end.
        error: The packet of an error that the server met between rows, or None.
        broken: The packets are out of order, or none.
        inside: A row has begun and not ended.
    """

    cdef Buffer _data
    cdef Py_ssize_t* _ends
    cdef Py_ssize_t _room
    cdef Py_ssize_t count
    cdef Buffer _rest  # what does not yet make up a packet
    cdef unsigned char _sequence
    cdef Py_ssize_t _most
    cdef bint _goes_on
    cdef readonly bint more
    cdef readonly bint cut
    cdef readonly bint broken
    cdef readonly bytes error

    def __init__(self, sequence, most=None):
        """``sequence`` is the number of the first row's packet; ``most`` bytes of rows are passed by one row."""
        self._sequence = sequence
        self._most = -1 if most is None else most
        self.more = True

    def __dealloc__(self):
        free(self._data.data)
        free(self._ends)
        free(self._rest.data)

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t i):
        if i < 0:
            i += self.count
        if not 0 <= i < self.count:
            raise IndexError(i)
        return PyBytes_FromStringAndSize(<const char*> self._start(i), self._ends[i] - self._offset(i))

    @property
    def size(self):
        return self._data.size

    @property
    def inside(self):
        return self._goes_on or self._rest.size >= PACKET

    def feed(self, bytes data):
        """Bytes of the connection, in order; not after ``more`` is false."""
        cdef Octets at
        cdef Octets end
        cdef Py_ssize_t length
        if not append(&self._rest, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
            raise MemoryError
        at, end = self._rest.data, self._rest.data + self._rest.size
        while self.more and end - at >= PACKET:
            if at[3] != self._sequence:
                self.broken, self.more = True, False
                break
            length = <Py_ssize_t> little(at, 3)
            if end - at - PACKET < length:
                break
            at += PACKET
            self._sequence += 1
            self._packet(at, length)
            at += length
        if not self.more and not self.cut and self.error is None and at != end:
            self.broken = True  # nothing follows a result's end before the next query
        self._rest.size = end - at
        if at != self._rest.data:
            memmove(self._rest.data, at, self._rest.size)

    cdef int _packet(self, Octets at, Py_ssize_t length) except -1:
        if self._goes_on:
            self._goes_on = length == WHOLE
            self._row(at, length, True)
        elif length == WHOLE:
            self._goes_on = True
            self._row(at, length, False)
        elif length == 0:
            self.broken, self.more = True, False
        elif at[0] == ERROR:
            self.error, self.more = PyBytes_FromStringAndSize(<const char*> at, length), False
        elif at[0] == END and length < END_LENGTH:
            self.more = False
        else:
            self._row(at, length, False)
        if self.more and not self._goes_on and self._most >= 0 and self._data.size > self._most:
            self.cut, self.more = True, False
        return 0

    cdef int _row(self, Octets at, Py_ssize_t length, bint goes_on) except -1:
        cdef Py_ssize_t* ends
        if self.count == self._room:
            ends = <Py_ssize_t*> realloc(self._ends, (self._room * 2 or 256) * sizeof(Py_ssize_t))
            if ends == NULL:
                raise MemoryError
            self._ends, self._room = ends, self._room * 2 or 256
        if not append(&self._data, at, length):
            raise MemoryError
        if not goes_on:
            self.count += 1
        self._ends[self.count - 1] = self._data.size
        return 0

    cdef inline Py_ssize_t _offset(self, Py_ssize_t i) noexcept:
        return self._ends[i - 1] if i else 0

    cdef inline Octets _start(self, Py_ssize_t i) noexcept:
        return self._data.data + self._offset(i)

    def read(self, object shape, tuple source, int64_t ts_us):
        """The rows as changes that are reads; ``source`` and ``ts_us`` are those of ``ChangeEvent``. Nothing is fed then."""
        cdef Changes changes = Changes(None)
        cdef Transaction common = Transaction.__new__(Transaction)
        cdef Change* change
        cdef Py_ssize_t i, group
        common.source, common.ts_us = source, ts_us
        if self.count:
            group = changes.open_group(shape, (), None, False)
        for i in range(self.count):
            change = changes.add(group, common, self)
            change.op = c"r"
            change.after, change.after_size = self._start(i), self._ends[i] - self._offset(i)
        return changes
