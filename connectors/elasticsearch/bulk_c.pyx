# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows of a folded batch as the lines of bulk requests, from Avro bytes, without a Python object a column.

The twin is ``Action.lines`` over ``DocumentWriter`` and ``document_id``: the same bytes. A column that is not plain goes through
its own conversion and orjson; a record that is not is left to the twin.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from connect.record_c cimport Buffer, Octets, reserve
from connect.schema.avro_reader_c cimport (
    BOOLEAN_PART,
    BYTES_PART,
    DOUBLE_PART,
    LONG_PART,
    TEXT_PART,
    Folded,
    Lane,
    RowLayout,
    SinkRecords,
    Span,
    read_long,
    read_text,
)
from connect.schema.texts_c cimport (
    put,
    put_all,
    put_clock,
    put_date,
    put_decimal,
    put_double,
    put_number,
    put_padded,
)

from functools import partial

import orjson

from connect.schema.model import DECIMAL, Kind
from connectors.elasticsearch.calendar import date_text, timestamp_text
from connectors.elasticsearch.document import HASHED, MAX_ID_BYTES, version_of
from connectors.elasticsearch.fields import _decimal, _float, field_type

cdef enum How:
    AS_TWIN = 0
    AS_LONG = 1
    AS_TEXT = 2
    AS_BOOLEAN = 3
    AS_DOUBLE = 4
    AS_DECIMAL = 5
    AS_DATE = 6
    AS_TIMESTAMP = 7  # scale: digits of a second

cdef enum:
    OFFSET = 1  # of a ``Raw``
    KEY = 3
    VALUE = 4
    HEADER = 5
    MOST_KEPT = 33_554_432  # bytes

# Postgres's infinities in microseconds, as Debezium writes them in milliseconds: among valid microseconds they are days.
cdef int64_t INFINITE = 9_223_372_036_825_200
cdef int64_t MINUS_INFINITE = -9_223_372_036_832_400
cdef bytes HASH_WORD = HASHED.encode()
cdef Py_ssize_t ID_BYTES = MAX_ID_BYTES

# What a conversion does with the cells of a part, where it is done here.
_HOW = {
    (LONG_PART, None): AS_LONG,
    (TEXT_PART, None): AS_TEXT,
    (BOOLEAN_PART, None): AS_BOOLEAN,
    (DOUBLE_PART, _float): AS_DOUBLE,
    (LONG_PART, date_text): AS_DATE,
}


cdef struct Column:
    int how
    int scale
    Octets name  # with its quotes, the colon behind it, and what stands before it
    Py_ssize_t name_size


cdef class DocumentLines:
    """Writes the documents of one lane.

    Args:
        lane: Whose records.
        alias: Where they go.
        incarnation: Of the topic (rule E1).
    """

    cdef RowLayout layout
    cdef RowLayout key_layout
    cdef readonly str alias
    cdef Column* columns
    cdef Span* cells
    cdef Span* keys
    cdef Buffer lines
    cdef Buffer id
    cdef list names
    cdef list converts
    cdef tuple decoders
    cdef bytes index_head
    cdef bytes delete_head
    cdef int64_t base

    def __init__(self, Lane lane, str alias, incarnation):
        self.layout, self.key_layout, self.alias = lane.layout, lane.key_layout, alias
        self.base = version_of(incarnation, 0)
        self.decoders = lane.shape.decode
        fields = lane.shape.schema.columns
        self.index_head = b'{"index":{"_index":' + orjson.dumps(alias) + b',"_id":'
        self.delete_head = b'{"delete":{"_index":' + orjson.dumps(alias) + b',"_id":'
        self.names = [(b"," if i else b"{") + orjson.dumps(field.name) + b":" for i, field in enumerate(fields)]
        self.converts = [field_type(field.type).convert for field in fields]
        if not fields or any(field_type(field.type).convert is not None for field in lane.key_shape.schema.columns):
            raise LookupError("rows or keys that are written by Python")
        self.columns = <Column*> calloc(self.layout.width + 1, sizeof(Column))
        self.cells = <Span*> calloc(self.layout.width + 1, sizeof(Span))
        self.keys = <Span*> calloc(self.key_layout.width + 1, sizeof(Span))
        if self.columns == NULL or self.cells == NULL or self.keys == NULL:
            raise MemoryError
        for i, field in enumerate(fields):
            self.columns[i].name = <Octets> PyBytes_AS_STRING(self.names[i])
            self.columns[i].name_size = PyBytes_GET_SIZE(self.names[i])
            self._choose(&self.columns[i], field.type, self.layout.kind_of(i), self.converts[i])

    cdef _choose(self, Column* column, type_, int part, convert):
        if type_.kind is Kind.FLOAT32:
            return
        if type_.name == DECIMAL:
            scale = int(type_.parameter("scale") or 0)
            if part == BYTES_PART and convert is _decimal and 0 <= scale <= 36:
                column.how, column.scale = AS_DECIMAL, scale
        elif isinstance(convert, partial) and convert.func is timestamp_text and part == LONG_PART:
            if convert.keywords["digits"] in (3, 6):
                column.how, column.scale = AS_TIMESTAMP, convert.keywords["digits"]
        else:
            column.how = _HOW.get((part, convert), AS_TWIN)

    def __dealloc__(self):
        free(self.columns)
        free(self.cells)
        free(self.keys)
        free(self.lines.data)
        free(self.id.data)

    def pack(self, Folded folded, Py_ssize_t start, Py_ssize_t count, Py_ssize_t size):
        """A request's lines from key number ``start`` on: at most ``count`` documents, and no more behind ``size`` bytes.

        Returns:
            The lines, the record of each document, and where each ends. None where the twin has to look at a record.
        """
        cdef SinkRecords records = folded.records
        cdef Py_ssize_t i = start, last, kept = 0
        cdef list places = [], ends = []
        self.lines.size = 0
        while i < folded.size and i < start + count:
            last = folded.last[i]
            if not self.document(<tuple> records.raws[last], records.entries[last].row):
                return None
            if self.lines.size > size and places:
                break
            places.append(last)
            kept = self.lines.size
            ends.append(kept)
            i += 1
        body = PyBytes_FromStringAndSize(<const char*> self.lines.data, kept)
        if self.lines.room > MOST_KEPT:  # Invariant 7: one huge document does not hold memory for ever
            free(self.lines.data)
            self.lines.data, self.lines.size, self.lines.room = NULL, 0, 0
        return body, places, ends

    cdef bint document(self, tuple raw, int32_t row) except -1:
        cdef bytes key = raw[KEY]
        cdef bytes value = raw[VALUE]
        cdef bytes head = self.delete_head if row < 0 else self.index_head
        cdef int64_t offset = raw[OFFSET]
        cdef Octets data
        put_all(&self.lines, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
        if not self.identity(<Octets> PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)):
            return False
        put_all(&self.lines, b',"version":', 11)
        put_number(&self.lines, self.base | offset)
        put_all(&self.lines, b',"version_type":"external"}}\n', 29)
        if row < 0:
            return True
        data = <Octets> PyBytes_AS_STRING(value)
        return self.source(data + row, data + PyBytes_GET_SIZE(value))

    cdef bint identity(self, Octets key, Py_ssize_t size) except -1:
        """The key's text, of several columns as netstrings; False for one that becomes a hash."""
        cdef int i
        cdef Buffer* id = &self.id
        if not self.key_layout.columns(key + HEADER, key + size, self.keys):
            return False
        id.size = 0
        if self.key_layout.width == 1:
            self.key_text(&self.keys[0])
        else:
            for i in range(self.key_layout.width):
                if i:
                    put(id, c",")
                self.netstring(&self.keys[i])
        if id.size == 0 or id.size > ID_BYTES:
            return False
        size = PyBytes_GET_SIZE(HASH_WORD)
        if id.size >= size and memcmp(id.data, PyBytes_AS_STRING(HASH_WORD), size) == 0:
            return False
        self.text(id.data, id.size)
        return True

    cdef int key_text(self, Span* span) except -1:
        cdef Octets at = span.data
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef int64_t number = 0
        cdef int kind = self.key_layout.parts[span.part].kind
        if kind == TEXT_PART:
            read_text(&at, span.end, &text, &size)
            return put_all(&self.id, text, size)
        if kind == LONG_PART:
            read_long(&at, span.end, &number)
            return put_number(&self.id, number)
        return put_all(&self.id, b"true", 4) if at[0] else put_all(&self.id, b"false", 5)

    cdef int netstring(self, Span* span) except -1:
        """Its length in characters before it."""
        cdef Py_ssize_t start = self.id.size, i, characters = 0, size
        cdef unsigned char[512] copy
        self.key_text(span)
        size = self.id.size - start
        if size > sizeof(copy):
            return 0  # too long for an id anyhow
        for i in range(size):
            copy[i] = self.id.data[start + i]
            characters += copy[i] & 0xC0 != 0x80
        self.id.size = start
        put_number(&self.id, characters)
        put(&self.id, c":")
        return put_all(&self.id, copy, size)

    cdef bint source(self, Octets row, Octets end) except -1:
        cdef int i
        if not self.layout.columns(row, end, self.cells):
            return False
        for i in range(self.layout.width):
            put_all(&self.lines, self.columns[i].name, self.columns[i].name_size)
            if self.cells[i].data == NULL:
                put_all(&self.lines, b"null", 4)
            elif not self.cell(i, &self.cells[i]):
                return False
        put_all(&self.lines, b"}\n", 2)
        return True

    cdef bint cell(self, int i, Span* span) except -1:
        cdef int how = self.columns[i].how
        cdef int64_t number = 0
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef Octets at = span.data
        cdef double real
        if how == AS_TEXT:
            read_text(&at, span.end, &text, &size)
            self.text(text, size)
            return True
        if how == AS_LONG:
            read_long(&at, span.end, &number)
            put_number(&self.lines, number)
            return True
        if how == AS_BOOLEAN:
            if at[0]:
                put_all(&self.lines, b"true", 4)
            else:
                put_all(&self.lines, b"false", 5)
            return True
        if how == AS_DOUBLE:
            memcpy(&real, at, 8)
            return self.double(real) or self.as_twin(i, span)
        if how == AS_DECIMAL:
            read_text(&at, span.end, &text, &size)
            return self.decimal(text, size, self.columns[i].scale) or self.as_twin(i, span)
        if how == AS_DATE or how == AS_TIMESTAMP:
            read_long(&at, span.end, &number)
            return self.moment(number, 0 if how == AS_DATE else self.columns[i].scale) or self.as_twin(i, span)
        return self.as_twin(i, span)

    cdef bint as_twin(self, int i, Span* span) except -1:
        cdef Octets at = span.data
        cdef bytes json
        convert = self.converts[i]
        try:
            value = self.decoders[i](self.layout.value(span.part, &at, span.end))
            json = orjson.dumps(value if convert is None else convert(value))
        except Exception:  # the twin meets it again, and says what it is
            return False
        put_all(&self.lines, PyBytes_AS_STRING(json), PyBytes_GET_SIZE(json))
        return True

    cdef int text(self, Octets text, Py_ssize_t size) except -1:
        """A JSON string as orjson writes it: UTF-8 as it is."""
        cdef const char* digits = b"0123456789abcdef"
        cdef const char* letters = b"btn\0fr"
        cdef unsigned char byte
        cdef unsigned char* to
        cdef Py_ssize_t i
        if not reserve(&self.lines, 6 * size + 2):
            raise MemoryError
        to = self.lines.data + self.lines.size
        to[0] = c'"'
        to += 1
        for i in range(size):
            byte = text[i]
            if byte >= 32 and byte != c'"' and byte != c"\\":
                to[0] = byte
                to += 1
                continue
            to[0] = c"\\"
            if byte >= 32:
                to[1] = byte
            elif 8 <= byte <= 13 and byte != 11:
                to[1] = letters[byte - 8]
            else:
                to[1], to[2], to[3], to[4], to[5] = c"u", c"0", c"0", digits[byte >> 4], digits[byte & 15]
                to += 4
            to += 2
        to[0] = c'"'
        self.lines.size = to + 1 - self.lines.data
        return 0

    cdef bint double(self, double real) except -1:
        """False for what orjson spells in another way than ``repr``, or not at all."""
        cdef Py_ssize_t start = self.lines.size
        if not isfinite(real):
            return False
        put_double(&self.lines, real)
        if memchr(self.lines.data + start, c"e", self.lines.size - start) != NULL:
            self.lines.size = start
            return False
        return True

    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1:
        cdef Py_ssize_t start = self.lines.size
        put(&self.lines, c'"')
        if not put_decimal(&self.lines, data, size, scale):
            self.lines.size = start
            return False
        put(&self.lines, c'"')
        return True

    cdef bint moment(self, int64_t number, int digits) except -1:
        """A day, or a moment in units of so many digits of a second, within the years 1 to 9999."""
        cdef Py_ssize_t start = self.lines.size
        cdef int64_t days = number, rest = 0, unit = 1000 if digits == 3 else 1_000_000
        if digits:
            if number == INFINITE or number == MINUS_INFINITE:
                return False
            days, rest = number // (86_400 * unit), number % (86_400 * unit)
            if rest < 0:
                days, rest = days - 1, rest + 86_400 * unit
        put(&self.lines, c'"')
        if not put_date(&self.lines, days):
            self.lines.size = start
            return False
        if digits:
            put(&self.lines, c"T")
            put_clock(&self.lines, rest // unit)
            put(&self.lines, c".")
            put_padded(&self.lines, rest % unit, digits)
        put(&self.lines, c'"')
        return True
