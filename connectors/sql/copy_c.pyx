# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows as the lines of Postgres's COPY; what psycopg's ``write_row`` makes of the values that ``postgres_types`` writes."""

from connect.record_c cimport Octets, append, reserve
from connect.schema.avro_reader_c cimport BOOLEAN_PART, BYTES_PART, DOUBLE_PART, LONG_PART, TEXT_PART
from connect.schema.texts_c cimport put_decimal, put_double
from connectors.sql.lines_c cimport (
    AS_BOOLEAN,
    AS_BYTES,
    AS_DECIMAL,
    AS_DOUBLE,
    AS_ISO,
    AS_LONG,
    AS_TEXT,
    AS_TIME,
    LineWriter,
    Style,
)

from connectors.sql import postgres_types, temporal
from connectors.sql.lines_c import MOMENTS

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

_HOW = MOMENTS | {
    (LONG_PART, str): AS_LONG,
    (LONG_PART, postgres_types._day_time): AS_TIME,
    (TEXT_PART, str): AS_TEXT,
    (TEXT_PART, temporal.iso_text): AS_ISO,
    (BOOLEAN_PART, postgres_types._boolean): AS_BOOLEAN,
    (DOUBLE_PART, repr): AS_DOUBLE,
    (BYTES_PART, postgres_types._bytes): AS_BYTES,
    (BYTES_PART, str): AS_DECIMAL,
}


cdef class CopyWriter(LineWriter):
    """See ``LineWriter``; a line a row."""

    def __init__(self, layout, shape, writers):
        super().__init__(layout, shape, writers, _HOW)
        self.style = Style(0, 0, c"\t", c"\n", 0, c"t", c"f", b"\\N")

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

    cdef bint iso(self, int how, Octets text, Py_ssize_t size) except -1:
        return has_plain_year(text, size) and self.text(text, size)

    cdef bint octets(self, Octets data, Py_ssize_t size) except -1:
        cdef const char* digits = b"0123456789abcdef"
        cdef Py_ssize_t i
        if not reserve(&self.lines, 2 * size + 3):
            raise MemoryError
        append(&self.lines, b"\\\\x", 3)
        for i in range(size):
            self.lines.data[self.lines.size] = digits[data[i] >> 4]
            self.lines.data[self.lines.size + 1] = digits[data[i] & 15]
            self.lines.size += 2
        return True

    cdef bint real(self, double number) except -1:
        put_double(&self.lines, number)
        return True

    cdef bint decimal(self, Octets data, Py_ssize_t size, int scale) except -1:
        """As ``str`` of the Decimal; False where that writes an exponent, and for long ones."""
        cdef Py_ssize_t start = self.lines.size
        if not put_decimal(&self.lines, data, size, scale):
            return False
        return not has_exponent(self.lines.data + start, self.lines.size - start, scale)

    cdef bint written(self, object value) except -1:
        cdef Py_ssize_t size
        cdef const char* utf8 = PyUnicode_AsUTF8AndSize(value, &size)
        return self.text(<Octets> utf8, size)


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
