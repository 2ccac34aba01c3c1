# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled twin of the encoders in ``connect.schema.avro``: from a row's own bytes to a record's, without a Python
object per column.

What it does not know to be plain it leaves to the twin: a column of a rare type or a cell of an odd form to the
column's Python writer, a row that cannot be written to the Python encoder, which raises the named error.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport isinf
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from connect.changes_c cimport NO_OLD, Change, Changes, Group, Transaction
from connect.records_c cimport Records
from connect.record_c cimport (
    ABSENT_CELL,
    BOOLEAN_VALUE,
    BYTES_VALUE,
    DATA_CELL,
    DECIMAL_VALUE,
    DOUBLE_VALUE,
    LONG_VALUE,
    NULL_CELL,
    TEXT_VALUE,
    Buffer,
    Cell,
    Decoder,
    FloatDecoder,
    IntegerDecoder,
    Octets,
    Splitter,
    TextDecoder,
    Value,
    append,
    int128,
    reserve,
)

from connect.changes_c import AT, ROW
from connect.errors import Failed
from connect.record import Picked, text
from connect.schema.avro_codec import FLOAT_BYTES, branches, cell_writer, constant, field_writer
from connect.schema.avro_schema import field_names
from connect.schema.envelope import SOURCE_PREFIX, VERSION, blank, placeholder
from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind
from connect.schema.refusals import BAD_VALUE

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

cdef enum How:
    AS_TWIN = 0  # by the column's Python writer
    AS_RAW = 1
    AS_LONG = 2
    AS_BOOLEAN = 3
    AS_DOUBLE = 4
    AS_FLOAT = 5
    AS_DECIMAL = 6
    AS_VARIABLE = 7

cdef enum:
    NOTHING = -1  # no such byte
    MOST_DIGITS = 38  # of a decimal in 128 bits

cdef int64_t MOST_US = 9_223_372_036_854_775  # beyond it a time in nanoseconds has more than 64 bits

cdef struct Constant:
    Octets data
    Py_ssize_t size

cdef struct Column:
    int how
    int prefix  # the byte before a value
    int null  # the byte of a null
    Py_ssize_t cell  # its index in the row's data
    int64_t low
    int64_t high
    int64_t scale
    Constant after  # what stands for a value that the log did not carry
    Constant before
    Constant name


cdef int128[MOST_DIGITS + 1] POWERS
POWERS[0] = 1
for _i in range(1, MOST_DIGITS + 1):
    POWERS[_i] = POWERS[_i - 1] * 10

_INTEGERS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}
_ODD = (*BAD_VALUE, Failed)  # the twin meets it again, and says what it is


cdef inline unsigned char* put_long(unsigned char* at, int64_t number) noexcept:
    """At most ten bytes."""
    cdef uint64_t n = (<uint64_t> number << 1) ^ <uint64_t> (number >> 63)
    while n > 127:
        at[0] = <unsigned char> (n & 127 | 128)
        at += 1
        n >>= 7
    at[0] = <unsigned char> n
    return at + 1


cdef inline unsigned char* put_unscaled(unsigned char* at, int128 number) noexcept:
    """Length and two's complement in the fewest bytes: at most 17."""
    cdef int size = 1, i
    cdef int128 rest = number >> 7
    while rest != 0 and rest != -1:
        rest >>= 8
        size += 1
    at[0] = <unsigned char> (size * 2)
    for i in range(size):
        at[size - i] = <unsigned char> (number & 255)
        number >>= 8
    return at + 1 + size


cdef inline bint put_raw(Buffer* out, Octets data, Py_ssize_t size) noexcept:
    if not reserve(out, size + 10):
        return False
    cdef unsigned char* at = put_long(out.data + out.size, size)
    memcpy(at, data, size)
    out.size = at + size - out.data
    return True


cdef bint put_text(Buffer* out, object word) except -1:
    cdef Py_ssize_t size
    cdef const char* data = PyUnicode_AsUTF8AndSize(word, &size)
    return put_raw(out, <Octets> data, size)


cdef bint put_optional_text(Buffer* out, object word) except -1:
    if word is None:
        return append(out, b"\x00", 1)
    return append(out, b"\x02", 1) and put_text(out, word)


cdef bint put_number(Buffer* out, int64_t number) noexcept:
    if not reserve(out, 10):
        return False
    out.size = put_long(out.data + out.size, number) - out.data
    return True


cdef bint put_sequence(Buffer* out, bytes head, int64_t at) except -1:
    """``["123","456"]`` from its head and the row's position; null for no head."""
    cdef unsigned char[20] digits
    cdef Py_ssize_t size, first = 20
    cdef uint64_t rest = <uint64_t> at
    if head is None:
        return append(out, b"\x00", 1)
    while True:
        first -= 1
        digits[first] = <unsigned char> (c"0" + rest % 10)
        rest //= 10
        if rest == 0:
            break
    size = PyBytes_GET_SIZE(head)
    return (
        append(out, b"\x02", 1)
        and put_number(out, size + 22 - first)
        and append(out, PyBytes_AS_STRING(head), size)
        and append(out, digits + first, 20 - first)
        and append(out, b'"]', 2)
    )


cdef int64_t floor_thousandth(int64_t number) noexcept:
    return number // 1000 - (number % 1000 < 0)


cdef class _Columns:
    """How the columns of one shape are read and written."""

    cdef Py_ssize_t count
    cdef Column* columns
    cdef list decoders
    cdef list writers
    cdef list _kept  # owns the constants' bytes
    cdef bytearray _written
    cdef Buffer _scratch
    cdef readonly Py_ssize_t deferred  # cells that a Python writer wrote

    def __cinit__(self, Py_ssize_t count):
        self.columns = <Column*> calloc(count or 1, sizeof(Column))
        if self.columns == NULL:
            raise MemoryError
        self.count = count

    def __init__(self, Py_ssize_t count):
        self.decoders, self.writers, self._kept = [], [], []
        self._written = bytearray()

    def __dealloc__(self):
        free(self.columns)
        free(self._scratch.data)

    cdef Constant _constant(self, data):
        cdef Constant constant
        self._kept.append(data)
        constant.data, constant.size = <Octets> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
        return constant

    cdef void add(self, Py_ssize_t i, field, decode, Py_ssize_t cell, name, bint is_text):
        cdef Column* column = &self.columns[i]
        prefix, null = branches(field)
        decoder = _decoder(decode, is_text)
        column.cell = cell
        column.prefix = prefix[0] if prefix else NOTHING
        column.null = null[0] if null else NOTHING
        column.name = self._constant(name.encode())
        column.after = self._constant(constant(field, placeholder(field)))
        column.before = self._constant(constant(field, blank(field)))
        column.how = AS_TWIN if decoder is None else _how(field.type, (<Decoder> decoder).gives)
        if field.type.kind in _INTEGERS:
            column.high = (1 << _INTEGERS[field.type.kind] - 1) - 1
            column.low = -column.high - 1
        column.scale = int(field.type.parameter("scale") or 0)
        self.decoders.append(decoder)
        self.writers.append(cell_writer(field, decode))

    cdef bint write(self, Buffer* out, Cell* cells, bint after, bint* absent) except -1:
        """A row's columns; False where the twin has to write the whole row."""
        cdef Py_ssize_t i
        cdef Column* column
        cdef Cell* cell
        cdef Constant* nothing
        for i in range(self.count):
            column = &self.columns[i]
            cell = &cells[column.cell]
            if cell.kind == DATA_CELL:
                if not self.put(out, i, cell.data, cell.size):
                    return False
            elif cell.kind == NULL_CELL:
                if column.null == NOTHING or not reserve(out, 1):
                    return False
                out.data[out.size] = <unsigned char> column.null
                out.size += 1
            else:  # Invariant 5: not there is not NULL
                nothing = &column.after if after else &column.before
                absent[0] = True
                if not append(out, nothing.data, nothing.size):
                    return False
        return True

    cdef bint put(self, Buffer* out, Py_ssize_t i, Octets data, Py_ssize_t size) except -1:
        """One cell with its union's branch; False where the twin has to write the whole row."""
        cdef Column* column = &self.columns[i]
        cdef Value value
        cdef unsigned char* at
        cdef float single
        if column.how == AS_TWIN:
            return self.put_as_twin(out, i, data, size)
        self._scratch.size = 0
        if not (<Decoder> self.decoders[i]).decode(data, size, &value, &self._scratch):
            return self.put_as_twin(out, i, data, size)
        if not reserve(out, 64):
            return False
        at = out.data + out.size
        if column.prefix != NOTHING:
            at[0] = <unsigned char> column.prefix
            at += 1
        if column.how == AS_RAW:
            out.size = at - out.data
            return put_raw(out, value.data, value.size)
        if column.how == AS_LONG:
            if value.number < column.low or value.number > column.high:
                return self.put_as_twin(out, i, data, size)
            at = put_long(at, value.number)
        elif column.how == AS_BOOLEAN:
            at[0] = value.number != 0
            at += 1
        elif column.how == AS_DOUBLE:
            memcpy(at, &value.real, 8)
            at += 8
        elif column.how == AS_FLOAT:
            single = <float> value.real
            if isinf(single) and not isinf(value.real):
                return self.put_as_twin(out, i, data, size)
            memcpy(at, &single, 4)
            at += 4
        elif column.how == AS_DECIMAL:
            if not to_scale(&value, column.scale):
                return self.put_as_twin(out, i, data, size)
            at = put_unscaled(at, value.unscaled)
        else:
            at = put_unscaled(put_long(at, value.number), value.unscaled)
        out.size = at - out.data
        return True

    cdef bint put_as_twin(self, Buffer* out, Py_ssize_t i, Octets data, Py_ssize_t size) except -1:
        self.deferred += 1
        self._written.clear()
        self.writers[i](self._written, PyBytes_FromStringAndSize(<const char*> data, size))
        return append(out, PyByteArray_AS_STRING(self._written), PyByteArray_GET_SIZE(self._written))

    cdef bint missing(self, Buffer* out, Cell* cells) except -1:
        """The optional list of columns that the log did not carry."""
        cdef Py_ssize_t i, count = 0
        for i in range(self.count):
            count += cells[self.columns[i].cell].kind == ABSENT_CELL
        if count == 0:
            return append(out, b"\x00", 1)
        if not append(out, b"\x02", 1) or not put_number(out, count):
            return False
        for i in range(self.count):
            if cells[self.columns[i].cell].kind == ABSENT_CELL:
                if not put_raw(out, self.columns[i].name.data, self.columns[i].name.size):
                    return False
        return append(out, b"\x00", 1)


cdef bint to_scale(Value* value, int64_t scale) noexcept:
    """More zeros behind the point, as many as the column has; nothing is ever rounded (F108)."""
    cdef int64_t more = scale - value.number
    cdef int128 limit
    if more == 0:
        return True
    if more < 0 or more > MOST_DIGITS:
        return False
    limit = POWERS[MOST_DIGITS - more]
    if value.unscaled >= limit or value.unscaled <= -limit:
        return False
    value.unscaled *= POWERS[more]
    return True


def _decoder(decode, is_text):
    """The C side of a column's decoder, or None."""
    if isinstance(decode, Decoder):
        return decode
    if decode is text:
        return TextDecoder(text)
    if is_text and decode is int:
        return IntegerDecoder(int)
    if is_text and decode is float:
        return FloatDecoder(float)
    return None


def _how(type_, int gives):
    kind = type_.kind
    if type_.name == VARIABLE_SCALE_DECIMAL:
        return AS_VARIABLE if gives == DECIMAL_VALUE else AS_TWIN
    if type_.name == DECIMAL:
        return AS_DECIMAL if gives == DECIMAL_VALUE else AS_TWIN
    if kind in _INTEGERS:
        return AS_LONG if gives == LONG_VALUE else AS_TWIN
    if (kind is Kind.STRING and gives == TEXT_VALUE) or (kind is Kind.BYTES and gives == BYTES_VALUE):
        return AS_RAW
    if kind is Kind.BOOLEAN and gives == BOOLEAN_VALUE:
        return AS_BOOLEAN
    if gives == DOUBLE_VALUE and kind is Kind.FLOAT64:
        return AS_DOUBLE
    if gives == DOUBLE_VALUE and kind is Kind.FLOAT32:
        return AS_FLOAT
    return AS_TWIN


cdef struct _Moment:
    int64_t us  # beyond MOST_US: none yet
    unsigned char[34] data  # an optional number of milliseconds, then of microseconds, then of nanoseconds
    Py_ssize_t first  # the size of the first of them
    Py_ssize_t size


cdef bint see(_Moment* moment, int64_t us) noexcept:
    """Keep the bytes of a moment; False for one that nanoseconds cannot tell."""
    cdef unsigned char* at = moment.data
    if us == moment.us:
        return True
    if us > MOST_US or us < -MOST_US:
        return False
    at[0] = 2
    at = put_long(at + 1, floor_thousandth(us))
    moment.first = at - moment.data
    at[0] = 2
    at = put_long(at + 1, us)
    at[0] = 2
    at = put_long(at + 1, us * 1000)
    moment.size = at - moment.data
    moment.us = us
    return True


cdef class _Source:
    """The ``source`` block of one connector."""

    cdef bytes head
    cdef bytes streamed
    cdef bytes snapshot
    cdef Py_ssize_t count
    cdef Column* fields
    cdef list writers

    def __cinit__(self, source):
        self.count = len(source.fields)
        self.fields = <Column*> calloc(self.count or 1, sizeof(Column))
        if self.fields == NULL:
            raise MemoryError

    def __init__(self, source):
        version, connector, name, _, snapshot, database = SOURCE_PREFIX[:6]
        self.head = constant(version, VERSION) + constant(connector, source.connector) + constant(name, source.name)
        database = constant(database, source.database)
        self.streamed = constant(snapshot, "false") + database
        self.snapshot = constant(snapshot, "incremental") + database
        self.writers = [field_writer(field) for field in source.fields]
        for i, field in enumerate(source.fields):
            prefix, null = branches(field)
            self.fields[i].prefix = prefix[0] if prefix else NOTHING
            self.fields[i].null = null[0] if null else NOTHING
            if field.type.kind in _INTEGERS:
                self.fields[i].how = AS_LONG
                self.fields[i].high = (1 << _INTEGERS[field.type.kind] - 1) - 1
                self.fields[i].low = -self.fields[i].high - 1
            elif field.type.kind is Kind.STRING:
                self.fields[i].how = AS_RAW

    def __dealloc__(self):
        free(self.fields)

    cdef bint put(self, Buffer* out, Py_ssize_t i, object value) except -1:
        cdef Column* field = &self.fields[i]
        cdef int overflow = 0
        cdef long long number
        if value is None and field.null != NOTHING:
            if not reserve(out, 1):
                return False
            out.data[out.size] = <unsigned char> field.null
            out.size += 1
            return True
        if field.how == AS_LONG and PyLong_CheckExact(value):
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow or number < field.low or number > field.high:
                return False
            return self._branch(out, field) and put_number(out, number)
        if field.how == AS_RAW and PyUnicode_CheckExact(value):
            return self._branch(out, field) and put_text(out, value)
        written = bytearray()
        self.writers[i](written, value)
        return append(out, PyByteArray_AS_STRING(written), PyByteArray_GET_SIZE(written))

    cdef bint put_number(self, Buffer* out, Py_ssize_t i, int64_t number) except -1:
        cdef Column* field = &self.fields[i]
        if field.how != AS_LONG or number < field.low or number > field.high:
            return self.put(out, i, number)
        return self._branch(out, field) and put_number(out, number)

    cdef bint _branch(self, Buffer* out, Column* field) noexcept:
        if not reserve(out, 1):
            return False
        if field.prefix != NOTHING:
            out.data[out.size] = <unsigned char> field.prefix
            out.size += 1
        return True


cdef void _without_sign_of_zero(Buffer* out, Py_ssize_t size) noexcept:
    """Make the float at the end zero, if it is a negative zero."""
    cdef Py_ssize_t i
    if out.data[out.size - 1] != 0x80:
        return
    for i in range(out.size - size, out.size - 1):
        if out.data[i]:
            return
    out.data[out.size - 1] = 0


def compiled_encoder(twin, shape, source, *, envelope):
    """The compiled encoder of a shape, or the twin where rows of that shape are no bytes that C can split."""
    split, picks, width = shape.split, range(len(shape.schema.columns)), len(shape.schema.columns)
    while isinstance(split, Picked):
        picks, width, split = [split.picks[i] for i in picks], split.width, split.base
    return Encoder(twin, shape, split, picks, width, source, envelope) if isinstance(split, Splitter) else twin


cdef class Encoder:
    """``formats.Encoder`` of the envelope or of the flat row, over rows that still are the log's own bytes."""

    cdef readonly object twin
    cdef readonly object shape
    cdef readonly object key_schema_id
    cdef Splitter _splitter
    cdef _Columns _columns
    cdef _Source _source
    cdef bint _envelope
    cdef Py_ssize_t _width
    cdef Py_ssize_t _key_count
    cdef Py_ssize_t* _key_at  # indices of columns
    cdef Py_ssize_t* _float_at  # bytes of those that are floats; else 0
    cdef Cell* _before
    cdef Cell* _after
    cdef Buffer _before_scratch
    cdef Buffer _after_scratch
    cdef Buffer _out
    cdef Buffer _key
    cdef bytes _key_prefix
    cdef bytes _value_prefix
    cdef _Moment _now
    cdef _Moment _ts
    cdef readonly Py_ssize_t deferred  # rows that the twin wrote

    def __cinit__(self, twin, shape, split, picks, Py_ssize_t width, source, envelope):
        self._width = width
        self._before = <Cell*> calloc(width or 1, sizeof(Cell))
        self._after = <Cell*> calloc(width or 1, sizeof(Cell))
        self._key_at = <Py_ssize_t*> calloc(len(shape.schema.key) or 1, sizeof(Py_ssize_t))
        self._float_at = <Py_ssize_t*> calloc(len(shape.schema.key) or 1, sizeof(Py_ssize_t))
        if self._before == NULL or self._after == NULL or self._key_at == NULL or self._float_at == NULL:
            raise MemoryError

    def __init__(self, twin, shape, split, picks, Py_ssize_t width, source, envelope):
        schema = shape.schema
        self.twin, self.shape, self._splitter = twin, shape, split
        self.key_schema_id = twin.key_schema_id
        self._key_prefix, self._value_prefix = twin.prefixes
        self._envelope = envelope
        self._source = _Source(source)
        self._columns = _Columns(len(schema.columns))
        names = field_names(schema.columns, str(schema.table))
        for i, field in enumerate(schema.columns):
            self._columns.add(i, field, shape.decode[i], picks[i], names[i], self._splitter.text)
        self._key_count = len(schema.key)
        for i, name in enumerate(schema.key):
            self._key_at[i] = schema.index[name]
            self._float_at[i] = FLOAT_BYTES.get(schema.column(name).type.kind, 0)
        self._now.us = self._ts.us = MOST_US + 1

    def __dealloc__(self):
        free(self._before)
        free(self._after)
        free(self._key_at)
        free(self._float_at)
        free(self._before_scratch.data)
        free(self._after_scratch.data)
        free(self._out.data)
        free(self._key.data)

    @property
    def deferred_cells(self):
        """Cells that a Python writer wrote."""
        return self._columns.deferred

    def key(self, row):
        """The key's bytes; see ``formats.Encoder``."""
        try:
            if self._split(row, self._after, &self._after_scratch) and self._put_key(self._after):
                return self._written(&self._key)
        except _ODD:
            pass
        return self.twin.key(row)

    def value(self, event, int64_t now_us):
        """The value's bytes; see ``formats.Encoder``."""
        before, after = event.before, event.after
        cdef Cell* old = NULL
        cdef Cell* new = NULL
        try:
            if before is not None:
                if not self._split(before, self._before, &self._before_scratch):
                    return self.twin.value(event, now_us)
                old = self._before
            if after is not None:
                if not self._split(after, self._after, &self._after_scratch):
                    return self.twin.value(event, now_us)
                new = self._after
            if self._put_event(event, old, new, now_us):
                return self._written(&self._out)
        except _ODD:
            pass
        self.deferred += 1
        return self.twin.value(event, now_us)

    def encode(
        self,
        Changes changes,
        Py_ssize_t at,
        Py_ssize_t until,
        int64_t now_us,
        Records records,
        list transactions,
        list keys,
        *,
        bint state,
        object drop=None,
    ):
        """Records of changes of one group, from the change at index ``at`` on.

        What they are is what ``TableWriter`` makes of each: a changed key is a delete and a create, a delete in a state
        topic has its tombstone.

        Args:
            changes: Where the group is from; its rows are those of this encoder's shape, or of the one it derives from.
            at: The first change, or -1.
            until: Stop before this one; -1 for the end of the group.
            now_us: See ``formats.Encoder.value``.
            records: Takes the records.
            transactions: Takes the ids of the transactions.
            keys: Takes for each of them a list of the record keys that it touched; None where nobody wants them.
            state: The records go to a state topic.
            drop: Record keys of rows that are read and not sent.

        Returns:
            The first change that was not encoded: ``until``, or one that lacks a value or is odd, for the caller to write
            it by its event. -1 where none is left.
        """
        cdef Change* change
        cdef Group group
        cdef int32_t last = -1
        cdef list its_keys = None
        cdef Py_ssize_t sent = records.count
        while at != until and at >= 0:
            change = &changes.changes[at]
            if change.transaction != last and keys is not None:
                its_keys = []
            group = <Group> changes.groups[change.group]
            if not self._encode_change(changes, group, change, now_us, records, state, its_keys):
                records.cut(sent)
                return at
            if drop and records[sent][0] in drop:
                records.cut(sent)
            if change.transaction != last:
                last = change.transaction
                transactions.append((<Transaction> changes.transactions[last]).id)
                if keys is not None:
                    keys.append(its_keys)
            sent = records.count
            at = change.next
        return at

    cdef bint _encode_change(
        self, Changes changes, Group group, Change* change, int64_t now_us, Records records, bint state, list keys
    ) except -1:
        """One change; False where it has to be written by its event."""
        cdef Cell* old = NULL
        cdef Cell* new = NULL
        cdef Transaction transaction = <Transaction> changes.transactions[change.transaction]
        if change.before != NULL:
            old = self._before
            if not self._split_data(change.before, change.before_size, old, &self._before_scratch):
                return False
        if change.after != NULL:
            new = self._after
            if not self._split_data(change.after, change.after_size, new, &self._after_scratch):
                return False
        if old != NULL:
            group.copy_columns(old, new, self._width, change)
        if new != NULL and state and self._lacks(new):
            return False
        try:
            if change.op == c"u" and old != NULL and new != NULL and self._key_prefix is not None and self._differ(old, new):
                if not self._put_record(group, transaction, change, c"d", old, NULL, now_us, records, state, keys):
                    return False
                return self._put_record(group, transaction, change, c"c", NULL, new, now_us, records, state, keys)
            return self._put_record(group, transaction, change, change.op, old, new, now_us, records, state, keys)
        except _ODD:
            return False

    cdef bint _put_record(
        self,
        Group group,
        Transaction transaction,
        Change* change,
        uint8_t op,
        Cell* old,
        Cell* new,
        int64_t now_us,
        Records records,
        bint state,
        list keys,
    ) except -1:
        cdef Py_ssize_t key_size = -1
        if self._key_prefix is not None:
            if not self._put_key(new if new != NULL else old):
                return False
            key_size = self._key.size
            if keys is not None:
                keys.append(self._written(&self._key))
        if not self._put_change(group, transaction, change, op, old, new, now_us):
            return False
        records.add(self._key.data, key_size, self._out.data, self._out.size)
        if state and op == c"d":
            records.add(self._key.data, key_size, NULL, -1)
        return True

    cdef bint _lacks(self, Cell* cells) noexcept:
        cdef Py_ssize_t i
        for i in range(self._columns.count):
            if cells[self._columns.columns[i].cell].kind == ABSENT_CELL:
                return True
        return False

    cdef bint _differ(self, Cell* old, Cell* new) except -1:
        """Whether the record keys of both rows are others; what the log has otherwise may be written alike."""
        if not self._cells_differ(old, new):
            return False
        if not self._put_key(old):
            return True
        before = self._written(&self._key)
        return not self._put_key(new) or before != self._written(&self._key)

    cdef bint _cells_differ(self, Cell* old, Cell* new) noexcept:
        cdef Py_ssize_t i, cell
        for i in range(self._key_count):
            cell = self._columns.columns[self._key_at[i]].cell
            if old[cell].kind != new[cell].kind:
                return True
            if old[cell].kind == DATA_CELL:
                if old[cell].size != new[cell].size or memcmp(old[cell].data, new[cell].data, old[cell].size):
                    return True
        return False

    cdef inline bytes _written(self, Buffer* buffer):
        return PyBytes_FromStringAndSize(<const char*> buffer.data, buffer.size)

    cdef bint _split(self, row, Cell* cells, Buffer* scratch) except -1:
        """Whether the row is data of this shape."""
        if row.shape is not self.shape:
            return False
        data = row.data
        if not PyBytes_CheckExact(data):
            return False
        return self._split_data(<Octets> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), cells, scratch)

    cdef bint _split_data(self, Octets data, Py_ssize_t size, Cell* cells, Buffer* scratch) noexcept:
        scratch.size = 0
        return self._splitter.split(data, size, cells, self._width, scratch) == self._width

    cdef bint _put_key(self, Cell* cells) except -1:
        """The key into ``_key``; False where the twin has to write it or to say why not."""
        cdef Py_ssize_t i, column
        cdef Cell* cell
        if self._key_prefix is None:
            return False
        self._key.size = 0
        if not append(&self._key, PyBytes_AS_STRING(self._key_prefix), PyBytes_GET_SIZE(self._key_prefix)):
            return False
        for i in range(self._key_count):
            column = self._key_at[i]
            cell = &cells[self._columns.columns[column].cell]
            if cell.kind != DATA_CELL or not self._columns.put(&self._key, column, cell.data, cell.size):
                return False
            if self._float_at[i]:
                _without_sign_of_zero(&self._key, self._float_at[i])
        return True

    cdef bint _put_event(self, event, Cell* old, Cell* new, int64_t now_us) except -1:
        """The value of an event into ``_out``; False where the twin has to write it."""
        cdef bint absent = False
        cdef uint8_t op = ord(event.op)
        if not self._put_rows(old, new, &absent):
            return False
        if not self._envelope:
            return self._put_position(event) and self._put_end(op, old, new, absent, now_us)
        return self._put_source(event) and self._put_end(op, old, new, absent, now_us)

    cdef bint _put_change(
        self, Group group, Transaction transaction, Change* change, uint8_t op, Cell* old, Cell* new, int64_t now_us
    ) except -1:
        """The value of a change into ``_out``; False where it has to be written by its event."""
        cdef bint absent = False
        if not self._put_rows(old, new, &absent):
            return False
        if not self._envelope:
            return self._put_position_of(transaction, change) and self._put_end(op, old, new, absent, now_us)
        return self._put_source_of(group, transaction, change) and self._put_end(op, old, new, absent, now_us)

    cdef bint _put_rows(self, Cell* old, Cell* new, bint* absent) except -1:
        """What precedes the position: the row, or both with their branches; ``absent``: in the last of them."""
        cdef Buffer* out = &self._out
        cdef Cell* last = new if new != NULL else old
        out.size = 0
        if not self._put_constant(self._value_prefix):
            return False
        if not self._envelope:
            return last != NULL and self._columns.write(out, last, new != NULL, absent)
        if old == NULL:
            if not append(out, b"\x00", 1):
                return False
        elif not append(out, b"\x02", 1) or not self._columns.write(out, old, False, absent):
            return False
        if new == NULL:
            return append(out, b"\x00", 1)
        absent[0] = False
        return append(out, b"\x02", 1) and self._columns.write(out, new, True, absent)

    cdef bint _put_end(self, uint8_t op, Cell* old, Cell* new, bint absent, int64_t now_us) except -1:
        """What follows the position: in an envelope the transaction block and our time too."""
        cdef Buffer* out = &self._out
        if self._envelope and not append(out, b"\x00", 1):
            return False
        if not put_raw(out, &op, 1):
            return False
        if self._envelope and not self._put_now(now_us):
            return False
        if absent:
            return self._columns.missing(out, new if new != NULL else old)
        return append(out, b"\x00", 1)

    cdef inline bint _put_constant(self, bytes data) except -1:
        return append(&self._out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef bint _put_source(self, event) except -1:
        cdef Py_ssize_t i
        cdef tuple values = event.source
        if len(values) != self._source.count:
            return False
        if not self._put_head(event.ts_us, event.op == "r"):
            return False
        if not put_optional_text(&self._out, event.sequence) or not self._put_rest_of_time():
            return False
        for i in range(self._source.count):
            if not self._source.put(&self._out, i, values[i]):
                return False
        return True

    cdef bint _put_source_of(self, Group group, Transaction transaction, Change* change) except -1:
        cdef Py_ssize_t i, of_table = len(group.source)
        cdef object value
        if of_table + len(transaction.source) != self._source.count:
            return False
        if not self._put_head(transaction.ts_us, change.op == c"r"):
            return False
        if not put_sequence(&self._out, transaction.sequence, change.at) or not self._put_rest_of_time():
            return False
        for i in range(of_table):
            if not self._source.put(&self._out, i, group.source[i]):
                return False
        for i in range(len(transaction.source)):
            value = transaction.source[i]
            if value is AT:
                if not self._source.put_number(&self._out, of_table + i, change.at):
                    return False
            elif value is ROW:
                if not self._source.put_number(&self._out, of_table + i, change.row):
                    return False
            elif not self._source.put(&self._out, of_table + i, value):
                return False
        return True

    cdef bint _put_head(self, int64_t ts_us, bint snapshot) except -1:
        """The ``source`` block up to its sequence."""
        if not see(&self._ts, ts_us) or not self._put_constant(self._source.head):
            return False
        if not append(&self._out, self._ts.data + 1, self._ts.first - 1):  # required: without its branch
            return False
        return self._put_constant(self._source.snapshot if snapshot else self._source.streamed)

    cdef bint _put_now(self, int64_t now_us) noexcept:
        return see(&self._now, now_us) and append(&self._out, self._now.data, self._now.size)

    cdef inline bint _put_rest_of_time(self) noexcept:
        """``ts_us`` and ``ts_ns`` of the commit."""
        return append(&self._out, self._ts.data + self._ts.first, self._ts.size - self._ts.first)

    cdef bint _put_position(self, event) except -1:
        """``__pos`` up to the op."""
        cdef Buffer* out = &self._out
        cdef int64_t ordinal = event.ordinal
        transaction = event.transaction
        if ordinal != <int32_t> ordinal:
            return False
        return (
            append(out, b"\x02", 1)
            and put_optional_text(out, event.sequence)
            and put_optional_text(out, None if transaction is None else str(transaction))
            and put_number(out, ordinal)
            and put_number(out, event.ts_us)
        )

    cdef bint _put_position_of(self, Transaction transaction, Change* change) except -1:
        cdef Buffer* out = &self._out
        if change.ordinal != <int32_t> change.ordinal:
            return False
        return (
            append(out, b"\x02", 1)
            and put_sequence(out, transaction.sequence, change.at)
            and put_optional_text(out, None if transaction.id is None else str(transaction.id))
            and put_number(out, change.ordinal)
            and put_number(out, transaction.ts_us)
        )
