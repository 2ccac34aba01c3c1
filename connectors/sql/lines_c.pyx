# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows of a folded batch as text for a database, from Avro bytes, without a Python object a column.

The twin is ``connectors.sql.records`` with the writers of a plan, and what the database's ``load`` makes of what they
give: the same bytes. What is not plain goes through the column's own Python writer; what that refuses is left to the twin,
which names it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, strlen

from connect.record_c cimport Buffer, Octets, append
from connect.schema.avro_reader_c cimport LONG_PART, Folded, RowLayout, SinkRecords, Span, read_long, read_text
from connect.schema.texts_c cimport put, put_all, put_clock, put_date, put_decimal, put_number, put_padded

from connect.schema.model import DECIMAL, Kind
from connectors.sql import temporal
from connectors.sql.database import Lines

cdef enum:
    KEY = 3  # of a ``Raw``
    VALUE = 4
    HEADER = 5
    MOST_KEPT = 33_554_432  # bytes

cdef int64_t[3] TICKS = [1000, 1_000_000, 1_000_000_000]  # a second

# What the writers of moments do that databases share.
MOMENTS = {
    (LONG_PART, temporal.date_text): AS_DATE,
    (LONG_PART, temporal.timestamp_text_ms): AS_TIMESTAMP_MS,
    (LONG_PART, temporal.timestamp_text): AS_TIMESTAMP,
    (LONG_PART, temporal.timestamp_text_ns): AS_TIMESTAMP_NS,
    (LONG_PART, temporal.time_text_ms): AS_TIME_MS,
    (LONG_PART, temporal.time_text): AS_TIME,
    (LONG_PART, temporal.time_text_ns): AS_TIME_NS,
}


cdef class LineWriter:
    """Writes the rows, or the keys, of one lane. A subclass says what a value looks like.

    Args:
        layout: Of the rows or the keys.
        shape: Theirs.
        writers: A plan's writers, one for each column of the shape.
        hows: By part and writer: what the writer does with the part's cells, where it is done here.
    """

    def __init__(self, RowLayout layout, shape, writers, hows):
        self.layout, self.decoders, self.writers, self.width = layout, shape.decode, tuple(writers), layout.width
        fields = shape.schema.columns
        if not len(fields) == len(self.writers) == len(self.decoders) == self.width:
            raise ValueError("a writer for each column")
        self.columns = <Column*> calloc(self.width + 1, sizeof(Column))
        self.cells = <Span*> calloc(self.width + 1, sizeof(Span))
        if self.columns == NULL or self.cells == NULL:
            raise MemoryError
        for i, field in enumerate(fields):
            how = hows.get((layout.kind_of(i), self.writers[i]), AS_TWIN)
            exact = field.type.name == DECIMAL
            scale = int(field.type.parameter("scale") or 0) if exact else 0
            if exact != (how == AS_DECIMAL) or not 0 <= scale <= 36:
                how = AS_TWIN
            if field.type.kind is Kind.FLOAT32 and how != AS_FLOAT:
                how = AS_TWIN  # its cells are no values yet
            self.columns[i].how, self.columns[i].scale = how, scale

    def __dealloc__(self):
        free(self.columns)
        free(self.cells)
        free(self.lines.data)
        free(self.ends.data)

    def rows(self, Folded folded):
        """The rows that a batch leaves; None where the twin has to look at one.

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
        self.lines.size = self.ends.size = 0
        for i in range(folded.size):
            row = records.entries[folded.last[i]].row
            if row >= 0 and (folded.created[i] or folded.fresh[i]) == new:
                value = (<tuple> records.raws[folded.last[i]])[VALUE]
                if not self.line(<Octets> PyBytes_AS_STRING(value), row, PyBytes_GET_SIZE(value)):
                    return None
        return self.taken()

    def keys(self, Folded folded):
        """The keys whose older rows go; None where the twin has to look at one."""
        cdef SinkRecords records = folded.records
        cdef Py_ssize_t i
        cdef bytes key
        self.lines.size = self.ends.size = 0
        for i in range(folded.size):
            if folded.fresh[i]:
                key = (<tuple> records.raws[folded.last[i]])[KEY]
                if not self.line(<Octets> PyBytes_AS_STRING(key), HEADER, PyBytes_GET_SIZE(key)):
                    return None
        return self.taken()

    cdef object taken(self):
        text = PyBytes_FromStringAndSize(<const char*> self.lines.data, self.lines.size)
        ends = PyBytes_FromStringAndSize(<const char*> self.ends.data, self.ends.size)
        if self.lines.room > MOST_KEPT:  # Invariant 7: one batch of huge rows does not hold memory for ever
            free(self.lines.data)
            self.lines.data, self.lines.size, self.lines.room = NULL, 0, 0
        return Lines(text, memoryview(ends).cast("q"))

    cdef bint line(self, Octets data, Py_ssize_t row, Py_ssize_t size) except -1:
        cdef int i
        cdef int64_t end
        if not self.layout.columns(data + row, data + size, self.cells):
            return False
        if self.style.gap and self.lines.size:
            put(&self.lines, self.style.gap)
        if self.style.opens:
            put(&self.lines, self.style.opens)
        for i in range(self.width):
            if i:
                put(&self.lines, self.style.separator)
            if self.cells[i].data == NULL:
                put_all(&self.lines, self.style.null, strlen(self.style.null))
            elif not self.cell(i, &self.cells[i]):
                return False
        put(&self.lines, self.style.closes)
        end = self.lines.size
        put_all(&self.ends, &end, sizeof(end))
        return True

    cdef bint cell(self, int i, Span* span) except -1:
        """Whether it is written."""
        cdef Py_ssize_t start = self.lines.size
        if self.columns[i].how != AS_TWIN:
            if self.plain(self.columns[i].how, self.columns[i].scale, span):
                return True
            self.lines.size = start
        return self.as_twin(i, span)

    cdef bint plain(self, int how, int scale, Span* span) except -1:
        cdef int64_t number = 0
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef Octets at = span.data
        cdef double real
        cdef float single
        if how == AS_LONG:
            read_long(&at, span.end, &number)
            put_number(&self.lines, number)
            return True
        if how == AS_BOOLEAN:
            put(&self.lines, self.style.yes if at[0] else self.style.no)
            return True
        if how == AS_DOUBLE:
            memcpy(&real, at, 8)
            return self.real(real)
        if how == AS_FLOAT:
            memcpy(&single, at, 4)
            return self.real(single)
        if how >= AS_DATE:
            read_long(&at, span.end, &number)
            return self.moment(how, number)
        read_text(&at, span.end, &text, &size)
        if how == AS_TEXT:
            return self.text(text, size)
        if how == AS_DECIMAL:
            return self.decimal(text, size, scale)
        if how == AS_BYTES:
            return self.octets(text, size)
        return self.iso(how, text, size)

    cdef bint as_twin(self, int i, Span* span) except -1:
        cdef Octets at = span.data
        try:
            return self.written(self.writers[i](self.decoders[i](self.layout.value(span.part, &at, span.end))))
        except Exception:  # the twin meets it again, and says what it is
            return False

    cdef bint moment(self, int how, int64_t number) except -1:
        """A day of Python's calendar, a time within a day, or both; False for others."""
        cdef int64_t ticks, day, us
        cdef int64_t days = number
        cdef int64_t rest = 0
        if how != AS_DATE:
            ticks = TICKS[(how - AS_TIMESTAMP_MS) % 3]
            day = 86_400 * ticks
            days, rest = number // day, number % day
            if rest < 0:
                days, rest = days - 1, rest + day
            us = rest // 1000 if ticks > 1_000_000 else rest * (1_000_000 // ticks)
        if self.style.quote:
            put(&self.lines, self.style.quote)
        if how < AS_TIME_MS:
            if how == AS_TIMESTAMP_NS and (number == INT64_MAX or number == INT64_MIN):  # the infinities
                return False
            if not put_date(&self.lines, days):
                return False
            if how != AS_DATE:
                put(&self.lines, c" ")
        elif days:
            return False
        if how != AS_DATE:
            put_clock(&self.lines, us // 1_000_000)
            if us % 1_000_000:
                put(&self.lines, c".")
                put_padded(&self.lines, us % 1_000_000, 6)
        if self.style.quote:
            put(&self.lines, self.style.quote)
        return True

    cdef bint text(self, Octets text, Py_ssize_t size) except -1:
        """Whether a text is written, as in the following: False lets the column's Python writer have it."""
        return False

    cdef bint iso(self, int how, Octets text, Py_ssize_t size) except -1:
        return False

    cdef bint octets(self, Octets data, Py_ssize_t size) except -1:
        return False

    cdef bint real(self, double number) except -1:
        return False

    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1:
        return False

    cdef bint written(self, object value) except -1:
        """Whether what a Python writer gave is written; any error says no."""
        return False
