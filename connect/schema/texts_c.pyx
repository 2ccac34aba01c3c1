# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Numbers, days and times as the texts that SQL and JSON share."""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen

from connect.record_c cimport Buffer, Octets, append, reserve

cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char format, int precision, int flags, int* kind) except NULL
    enum:
        Py_DTSF_ADD_DOT_0

cdef extern from *:
    """
    typedef unsigned __int128 connect_uint128;
    """
    ctypedef unsigned long long uint128 "connect_uint128"

cdef enum:
    DAYS_BEFORE_1970 = 719_162  # since 0001-01-01
    LAST_DAY = 2_932_896  # 9999-12-31


cdef int put_all(Buffer* buffer, const void* data, Py_ssize_t size) except -1:
    if not append(buffer, data, size):
        raise MemoryError
    return 0


cdef int put_number(Buffer* buffer, int64_t number) except -1:
    cdef uint64_t rest = <uint64_t> number
    cdef unsigned char[20] digits
    cdef int at = 20
    if number < 0:
        put(buffer, c"-")
        rest = 0 - rest
    while True:
        at -= 1
        digits[at] = 48 + rest % 10
        rest //= 10
        if rest == 0:
            return put_all(buffer, digits + at, 20 - at)


cdef int put_padded(Buffer* buffer, int64_t number, int digits) except -1:
    """A number that is not negative, in so many digits."""
    cdef int i
    if not reserve(buffer, digits):
        raise MemoryError
    for i in range(digits - 1, -1, -1):
        buffer.data[buffer.size + i] = 48 + number % 10
        number //= 10
    buffer.size += digits
    return 0


cdef int put_double(Buffer* buffer, double real) except -1:
    """As ``repr``."""
    cdef char* text = PyOS_double_to_string(real, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        return put_all(buffer, text, strlen(text))
    finally:
        PyMem_Free(text)


cdef bint put_decimal(Buffer* buffer, Octets data, Py_ssize_t size, int scale) except -1:
    """Bytes of Connect's Decimal with all digits behind the point, as ``format(…, "f")``; False for more than 16 bytes.

    ``scale`` is from 0 to 36.
    """
    cdef uint128 rest = 0
    cdef unsigned char[64] digits
    cdef int at = 64, count = 0
    cdef Py_ssize_t i
    cdef bint negative
    if size == 0 or size > 16:
        return False
    negative = data[0] >= 0x80
    if negative:
        rest = ~rest
    for i in range(size):
        rest = rest << 8 | data[i]
    if negative:
        rest = 0 - rest
    while rest or count <= scale:
        at -= 1
        digits[at] = 48 + <int> (rest % 10)
        rest = rest // 10
        count += 1
        if count == scale:
            at -= 1
            digits[at] = c"."
    if negative:
        put(buffer, c"-")
    put_all(buffer, digits + at, 64 - at)
    return True


cdef bint put_date(Buffer* buffer, int64_t days) except -1:
    """``2026-11-21`` from days since 1970; False outside of the years 1 to 9999.

    Hinnant's days_from_civil the other way round: years begin in March, eras have 400 years.
    """
    cdef int64_t day = days + 719_468
    cdef int64_t era, of_era, year, of_year, month
    if not -DAYS_BEFORE_1970 <= days <= LAST_DAY:
        return False
    era = day // 146_097
    of_era = day - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    put_padded(buffer, year + era * 400 + (month <= 2), 4)
    put(buffer, c"-")
    put_padded(buffer, month, 2)
    put(buffer, c"-")
    put_padded(buffer, day, 2)
    return True


cdef bint put_clock(Buffer* buffer, int64_t seconds) except -1:
    """``13:51:30``; False outside of a day."""
    if not 0 <= seconds < 86_400:
        return False
    put_padded(buffer, seconds // 3600, 2)
    put(buffer, c":")
    put_padded(buffer, seconds // 60 % 60, 2)
    put(buffer, c":")
    put_padded(buffer, seconds % 60, 2)
    return True
