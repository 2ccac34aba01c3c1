# cython: language_level=3
"""The C side of ``connectors.sql.lines_c``: what the writers of rows as text share."""

from libc.stdint cimport int64_t

from connect.record_c cimport Buffer, Octets
from connect.schema.avro_reader_c cimport Folded, RowLayout, Span

cdef enum How:
    AS_TWIN = 0
    AS_LONG = 1
    AS_TEXT = 2
    AS_BOOLEAN = 3
    AS_DOUBLE = 4
    AS_FLOAT = 5
    AS_DECIMAL = 6
    AS_BYTES = 7
    # ISO texts, which a subclass knows
    AS_ISO = 8  # a date or timestamp
    AS_ISO_DAY = 9
    AS_ISO_CLOCK = 10
    # days; milliseconds, microseconds and nanoseconds, in this order
    AS_DATE = 11
    AS_TIMESTAMP_MS = 12
    AS_TIMESTAMP = 13
    AS_TIMESTAMP_NS = 14
    AS_TIME_MS = 15
    AS_TIME = 16
    AS_TIME_NS = 17

cdef struct Column:
    int how
    int scale

cdef struct Style:
    char gap  # between rows; 0: none, as with ``opens`` and ``quote``
    char opens
    char separator
    char closes
    char quote  # around moments
    char yes
    char no
    const char* null


cdef class LineWriter:
    cdef RowLayout layout
    cdef Column* columns
    cdef Span* cells
    cdef Buffer lines
    cdef Buffer ends
    cdef Style style
    cdef tuple decoders
    cdef tuple writers
    cdef int width
    cdef object _rows(self, Folded folded, bint new)
    cdef object taken(self)
    cdef bint line(self, Octets data, Py_ssize_t row, Py_ssize_t size) except -1
    cdef bint cell(self, int i, Span* span) except -1
    cdef bint plain(self, int how, int scale, Span* span) except -1
    cdef bint as_twin(self, int i, Span* span) except -1
    cdef bint moment(self, int how, int64_t number) except -1
    cdef bint text(self, Octets text, Py_ssize_t size) except -1
    cdef bint iso(self, int how, Octets text, Py_ssize_t size) except -1
    cdef bint octets(self, Octets data, Py_ssize_t size) except -1
    cdef bint real(self, double number) except -1
    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1
    cdef bint written(self, object value) except -1
