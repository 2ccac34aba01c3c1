# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows of a folded batch as the lines of Postgres's COPY, from Avro bytes, without a Python object a column.

The twin is ``connectors.sql.records`` with the writers of ``postgres_types``, and psycopg's ``write_row`` behind it: the same
bytes. What is not plain goes through the column's own Python writer; what that refuses is left to the twin, which names it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from connect.record_c cimport Buffer, Octets, append, reserve
from connect.schema.avro_reader_c cimport (
    BOOLEAN_PART,
    BYTES_PART,
    DOUBLE_PART,
    LONG_PART,
    TEXT_PART,
    Folded,
    RowLayout,
    SinkRecords,
    Span,
    read_long,
    read_text,
)
from connect.schema.texts_c cimport put, put_clock, put_date, put_decimal, put_double, put_number, put_padded

from connect.schema.model import DECIMAL, Kind
from connectors.sql import postgres_types, temporal

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum How:
    AS_TWIN = 0
    AS_LONG = 1
    AS_TEXT = 2
    AS_BOOLEAN = 3
    AS_DOUBLE = 4
    AS_DECIMAL = 5
    AS_HEX = 6
    AS_ISO = 7
    AS_TIMESTAMP = 8  # microseconds
    AS_TIMESTAMP_MS = 9
    AS_DATE = 10
    AS_TIME = 11  # microseconds of a day

cdef enum:
    KEY = 3  # of a ``Raw``
    VALUE = 4
    HEADER = 5
    MOST_KEPT = 33_554_432  # bytes

cdef int64_t DAY_US = 86_400_000_000

# What a writer does with the cells of a part, where it is done here.
_HOW = {
    (LONG_PART, str): AS_LONG,
    (LONG_PART, temporal.timestamp_text): AS_TIMESTAMP,
    (LONG_PART, temporal.timestamp_text_ms): AS_TIMESTAMP_MS,
    (LONG_PART, temporal.date_text): AS_DATE,
    (LONG_PART, temporal.time_text): AS_TIME,
    (LONG_PART, postgres_types._day_time): AS_TIME,
    (TEXT_PART, str): AS_TEXT,
    (TEXT_PART, temporal.iso_text): AS_ISO,
    (BOOLEAN_PART, postgres_types._boolean): AS_BOOLEAN,
    (DOUBLE_PART, repr): AS_DOUBLE,
    (BYTES_PART, postgres_types._bytes): AS_HEX,
}


cdef struct Column:
    int how
    int scale


cdef class CopyWriter:
    """Writes the rows, or the keys, of one lane.

    Args:
        layout: Of the rows or the keys.
        shape: Theirs.
        writers: A plan's writers, one for each column of the shape.
    """

    cdef RowLayout layout
    cdef Column* columns
    cdef Span* cells
    cdef Buffer lines
    cdef tuple decoders
    cdef tuple writers
    cdef int width

    def __init__(self, RowLayout layout, shape, writers):
        self.layout, self.decoders, self.writers, self.width = layout, shape.decode, tuple(writers), layout.width
        fields = shape.schema.columns
        if not len(fields) == len(self.writers) == len(self.decoders) == self.width:
            raise ValueError("a writer for each column")
        self.columns = <Column*> calloc(self.width + 1, sizeof(Column))
        self.cells = <Span*> calloc(self.width + 1, sizeof(Span))
        if self.columns == NULL or self.cells == NULL:
            raise MemoryError
        for i, field in enumerate(fields):
            part = layout.kind_of(i)
            self.columns[i].how = _HOW.get((part, self.writers[i]), AS_TWIN)
            if field.type.kind is Kind.FLOAT32 or field.type.name == DECIMAL:
                self.columns[i].how = AS_TWIN  # their cells are no values yet
            if field.type.name == DECIMAL and part == BYTES_PART and self.writers[i] is str:
                scale = int(field.type.parameter("scale") or 0)
                if 0 <= scale <= 36:
                    self.columns[i].how, self.columns[i].scale = AS_DECIMAL, scale

    def __dealloc__(self):
        free(self.columns)
        free(self.cells)
        free(self.lines.data)

    def rows(self, Folded folded):
        """The rows that a batch leaves, a line each; None where the twin has to look at one.

        Returns:
            Those of keys that had no row before the batch, by what their first record says or since the batch removes
            it; and the others.
        """
        new = self._rows(folded, True)
        others = None if new is None else self._rows(folded, False)
        return None if others is None else (new, others)

    cdef object _rows(self, Folded folded, bint new):
        cdef SinkRecords records = folded.records
        cdef Py_ssize_t i
        cdef int32_t row
        cdef bytes value
        self.lines.size = 0
        for i in range(folded.size):
            row = records.entries[folded.last[i]].row
            if row >= 0 and (folded.created[i] or folded.fresh[i]) == new:
                value = (<tuple> records.raws[folded.last[i]])[VALUE]
                if not self.line(<Octets> PyBytes_AS_STRING(value), row, PyBytes_GET_SIZE(value)):
                    return None
        return self.taken()

    def keys(self, Folded folded):
        """The keys whose older rows go, a line each; None where the twin has to look at one."""
        cdef SinkRecords records = folded.records
        cdef Py_ssize_t i
        cdef bytes key
        self.lines.size = 0
        for i in range(folded.size):
            if folded.fresh[i]:
                key = (<tuple> records.raws[folded.last[i]])[KEY]
                if not self.line(<Octets> PyBytes_AS_STRING(key), HEADER, PyBytes_GET_SIZE(key)):
                    return None
        return self.taken()

    def one(self, bytes data, Py_ssize_t row):
        """The line of the row that begins there, for tests of one row; None as ``rows``."""
        self.lines.size = 0
        done = self.line(<Octets> PyBytes_AS_STRING(data), row, PyBytes_GET_SIZE(data))
        return self.taken() if done else None

    cdef bytes taken(self):
        lines = PyBytes_FromStringAndSize(<const char*> self.lines.data, self.lines.size)
        if self.lines.room > MOST_KEPT:  # Invariant 7: one batch of huge rows does not hold memory for ever
            free(self.lines.data)
            self.lines.data, self.lines.size, self.lines.room = NULL, 0, 0
        return lines

    cdef bint line(self, Octets data, Py_ssize_t row, Py_ssize_t size) except -1:
        cdef int i
        if not self.layout.columns(data + row, data + size, self.cells):
            return False
        for i in range(self.width):
            if i:
                put(&self.lines, c"\t")
            if self.cells[i].data == NULL:
                put(&self.lines, c"\\")
                put(&self.lines, c"N")
            elif not self.cell(i, &self.cells[i]):
                return False
        put(&self.lines, c"\n")
        return True

    cdef bint cell(self, int i, Span* span) except -1:
        """Whether it is written."""
        cdef int how = self.columns[i].how
        cdef int64_t number = 0
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef Octets at = span.data
        cdef double real
        if how == AS_TEXT or how == AS_ISO:
            read_text(&at, span.end, &text, &size)
            if how == AS_ISO and not has_plain_year(text, size):
                return self.as_twin(i, span)
            return self.text(text, size)
        if how == AS_LONG:
            read_long(&at, span.end, &number)
            put_number(&self.lines, number)
            return True
        if how == AS_BOOLEAN:
            put(&self.lines, c"t" if at[0] else c"f")
            return True
        if how == AS_DOUBLE:
            memcpy(&real, at, 8)
            put_double(&self.lines, real)
            return True
        if how == AS_DECIMAL:
            read_text(&at, span.end, &text, &size)
            return self.decimal(text, size, self.columns[i].scale) or self.as_twin(i, span)
        if how == AS_HEX:
            read_text(&at, span.end, &text, &size)
            self.hex(text, size)
            return True
        if how >= AS_TIMESTAMP:
            read_long(&at, span.end, &number)
            return self.moment(how, number) or self.as_twin(i, span)
        return self.as_twin(i, span)

    cdef bint as_twin(self, int i, Span* span) except -1:
        cdef Octets at = span.data
        cdef Py_ssize_t size
        cdef const char* utf8
        try:
            value = self.writers[i](self.decoders[i](self.layout.value(span.part, &at, span.end)))
            utf8 = PyUnicode_AsUTF8AndSize(value, &size)
        except Exception:  # the twin meets it again, and says what it is
            return False
        return self.text(<Octets> utf8, size)

    cdef bint text(self, Octets text, Py_ssize_t size) except -1:
        """A text with what COPY gives a meaning escaped; False for one with NUL, which Postgres does not hold."""
        cdef unsigned char* to
        cdef Py_ssize_t i
        cdef unsigned char byte
        if not reserve(&self.lines, 2 * size):
            raise MemoryError
        to = self.lines.data + self.lines.size
        for i in range(size):
            byte = text[i]
            if byte == c"\\":
                to[0], to[1] = c"\\", c"\\"
                to += 2
            elif 8 <= byte <= 13:
                to[0], to[1] = c"\\", (<const unsigned char*> b"btnvfr")[byte - 8]
                to += 2
            elif byte == 0:
                return False
            else:
                to[0] = byte
                to += 1
        self.lines.size = to - self.lines.data
        return True

    cdef int hex(self, Octets data, Py_ssize_t size) except -1:
        cdef const char* digits = b"0123456789abcdef"
        cdef Py_ssize_t i
        if not reserve(&self.lines, 2 * size + 3):
            raise MemoryError
        append(&self.lines, b"\\\\x", 3)
        for i in range(size):
            self.lines.data[self.lines.size] = digits[data[i] >> 4]
            self.lines.data[self.lines.size + 1] = digits[data[i] & 15]
            self.lines.size += 2
        return 0

    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1:
        """As ``str`` of the Decimal; False where that writes an exponent, and for long ones."""
        cdef Py_ssize_t start = self.lines.size
        if not put_decimal(&self.lines, data, size, scale):
            return False
        if has_exponent(self.lines.data + start, self.lines.size - start, scale):
            self.lines.size = start
            return False
        return True

    cdef bint moment(self, int how, int64_t number) except -1:
        """A day of Python's calendar and a time within a day; False for others."""
        cdef Py_ssize_t start = self.lines.size
        cdef int64_t days = number, us = number
        cdef int64_t unit = 1000 if how == AS_TIMESTAMP_MS else 1  # microseconds
        if how == AS_TIMESTAMP or how == AS_TIMESTAMP_MS:
            days, us = number // (DAY_US // unit), number % (DAY_US // unit) * unit
            if us < 0:
                days, us = days - 1, us + DAY_US
        if how != AS_TIME:
            if not put_date(&self.lines, days):
                return False
            if how == AS_DATE:
                return True
            put(&self.lines, c" ")
        if us < 0 or not put_clock(&self.lines, us // 1_000_000):
            self.lines.size = start
            return False
        if us % 1_000_000:
            put(&self.lines, c".")
            put_padded(&self.lines, us % 1_000_000, 6)
        return True


cdef bint has_plain_year(Octets text, Py_ssize_t size) noexcept:
    """Whether ``iso_text`` gives the text as it is: a year of four digits, and not the year 0."""
    cdef int i
    cdef bint zero = True
    if size < 5 or text[4] != c"-":
        return False
    for i in range(4):
        if not 48 <= text[i] <= 57:
            return False
        zero = zero and text[i] == 48
    return not zero


cdef bint has_exponent(Octets text, Py_ssize_t size, int scale) noexcept:
    """Whether ``str`` of a Decimal writes one: more than five zeros behind the point, which nothing but zeros precede."""
    cdef Py_ssize_t i = text[0] == c"-"
    cdef int zeros = 0
    if scale <= 6 or size - i != scale + 2 or text[i] != c"0":
        return False
    for i in range(i + 2, size):
        if text[i] != c"0":
            break
        zeros += 1
    return zeros > 5
