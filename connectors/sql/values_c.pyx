# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows as MySQL's and MariaDB's VALUES: ``mysql_text.literal`` of what ``mysql_types`` writes."""

from libc.math cimport isfinite
from libc.string cimport memchr

from connect.record_c cimport Octets, append, reserve
from connect.schema.avro_reader_c cimport BOOLEAN_PART, BYTES_PART, DOUBLE_PART, FLOAT_PART, LONG_PART, TEXT_PART
from connect.schema.texts_c cimport put, put_all, put_decimal, put_double
from connectors.sql.lines_c cimport (
    AS_BOOLEAN,
    AS_BYTES,
    AS_DATE,
    AS_DECIMAL,
    AS_DOUBLE,
    AS_FLOAT,
    AS_ISO,
    AS_ISO_CLOCK,
    AS_ISO_DAY,
    AS_LONG,
    AS_TEXT,
    LineWriter,
    Style,
)

from connectors.sql import mysql_types
from connectors.sql.lines_c import MOMENTS
from connectors.sql.mysql_text import literal

_HOW = MOMENTS | {
    (LONG_PART, mysql_types._same): AS_LONG,
    (TEXT_PART, mysql_types._same): AS_TEXT,
    (BYTES_PART, mysql_types._same): AS_BYTES,
    (BOOLEAN_PART, int): AS_BOOLEAN,
    (DOUBLE_PART, mysql_types._float): AS_DOUBLE,
    (FLOAT_PART, mysql_types._float32): AS_FLOAT,
    (BYTES_PART, mysql_types._decimal): AS_DECIMAL,
    (BYTES_PART, mysql_types._digits): AS_DECIMAL,
    (TEXT_PART, mysql_types._utc): AS_ISO,
    (TEXT_PART, mysql_types._iso_day): AS_ISO_DAY,
    (TEXT_PART, mysql_types._clock): AS_ISO_CLOCK,
}
_HOW |= {(part, mysql_types._within(writer)): how for (part, writer), how in _HOW.items() if how >= AS_ISO}


cdef class ValuesWriter(LineWriter):
    """See ``LineWriter``; ``(…),(…)``."""

    def __init__(self, layout, shape, writers):
        super().__init__(layout, shape, writers, _HOW)
        self.style = Style(c",", c"(", c",", c")", c"'", c"1", c"0", b"NULL")

    cdef bint text(self, Octets text, Py_ssize_t size) except -1:
        """No byte of a character in UTF-8 is a quote or a backslash."""
        cdef unsigned char* to
        cdef Py_ssize_t i
        cdef unsigned char byte
        if not reserve(&self.lines, 2 * size + 2):
            raise MemoryError
        to = self.lines.data + self.lines.size
        to[0] = c"'"
        to += 1
        for i in range(size):
            byte = text[i]
            if byte == c"\\" or byte == c"'":
                to[0] = byte
                to += 1
            to[0] = byte
            to += 1
        to[0] = c"'"
        self.lines.size = to + 1 - self.lines.data
        return True

    cdef bint octets(self, Octets data, Py_ssize_t size) except -1:
        put_all(&self.lines, b"_binary", 7)
        return self.text(data, size)

    cdef bint real(self, double number) except -1:
        cdef Py_ssize_t start = self.lines.size
        if not isfinite(number):
            return False
        put_double(&self.lines, number)
        if memchr(self.lines.data + start, c"e", self.lines.size - start) == NULL:
            put_all(&self.lines, b"e0", 2)
        return True

    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1:
        put(&self.lines, c"'")
        if not put_decimal(&self.lines, data, size, scale):
            return False
        put(&self.lines, c"'")
        return True

    cdef bint iso(self, int how, Octets text, Py_ssize_t size) except -1:
        """What the server reads as it is, in UTC and without ``T`` and ``Z``; False for what is not plainly that."""
        cdef Py_ssize_t plain = plain_iso(how, text, size)
        if plain < 0:
            return False
        put(&self.lines, c"'")
        put_all(&self.lines, text, plain)
        if how == AS_ISO:
            self.lines.data[self.lines.size - plain + 10] = c" "
        put(&self.lines, c"'")
        return True

    cdef bint written(self, object value) except -1:
        part = literal(value)
        put_all(&self.lines, <const char*> part, len(part))
        return True


cdef Py_ssize_t plain_iso(int how, Octets text, Py_ssize_t size) noexcept:
    """How much of a text is ``2026-11-21T10:11:12.123456``, the day or the clock of it; -1 for another text.

    ``Z`` may end it, and must end a clock. There is no year 0, and there are no digits beyond microseconds.
    """
    cdef const char* form = b"0001-01-01T00:00:00"
    cdef Py_ssize_t i, start = 11 if how == AS_ISO_CLOCK else 0, end = 10 if how == AS_ISO_DAY else 19
    cdef Py_ssize_t plain = end - start
    if size < plain or start == 0 and text[0] == text[1] == text[2] == text[3] == c"0":
        return -1
    for i in range(start, end):
        if not (48 <= text[i - start] <= 57) if 48 <= form[i] <= 57 else text[i - start] != form[i]:
            return -1
    if how != AS_ISO_DAY and plain < size and text[plain] == c".":
        plain += 1
        start = plain
        while plain < size and 48 <= text[plain] <= 57:
            plain += 1
        if not 1 <= plain - start <= 6:
            return -1
    if plain + 1 == size and text[plain] == c"Z":
        return plain
    return plain if plain == size and how != AS_ISO_CLOCK else -1
