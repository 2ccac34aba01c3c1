# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of the decoders of common types, for the forms that the server prints; other forms go to the twin."""

from libc.stdint cimport int64_t

from connect.calendar_c cimport civil_days, fraction_us
from connect.record_c cimport (
    BOOLEAN_VALUE,
    BYTES_VALUE,
    DECIMAL_VALUE,
    LONG_VALUE,
    TEXT_VALUE,
    Buffer,
    Decoder,
    Octets,
    Value,
    int128,
    reserve,
)

cdef enum:
    MOST_DIGITS = 38  # of a decimal in 128 bits

cdef int64_t DAY_US = 86_400_000_000
cdef int64_t MOST_US = 9_223_372_036_854_775  # of a time in nanoseconds


cdef class BooleanDecoder(Decoder):
    """Twin of ``numeric.boolean``."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = BOOLEAN_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        if size != 1 or (cell[0] != c"t" and cell[0] != c"f"):
            return False
        value.number = cell[0] == c"t"
        return True


cdef bint decimal_digits(Octets cell, Py_ssize_t size, Value* value) noexcept:
    """``-12.50`` → -1250 with two digits behind the point."""
    cdef int128 number = 0
    cdef Py_ssize_t at = 0, point = 0, digits = 0
    cdef unsigned char digit
    cdef bint negative = size > 0 and cell[0] == c"-"
    if negative:
        at = 1
    if at == size or cell[at] == c".":
        return False
    while at < size:
        digit = cell[at] - 48
        if digit > 9:
            if cell[at] != c"." or point:
                return False
            point = at + 1
            if point == size:
                return False
        else:
            digits += 1
            if digits > MOST_DIGITS:
                return False
            number = number * 10 + digit
        at += 1
    value.unscaled = -number if negative else number
    value.number = size - point if point else 0
    return True


cdef class FixedScaleDecoder(Decoder):
    """Twin of the decoder of ``numeric(p, s)``."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DECIMAL_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        return decimal_digits(cell, size, value)


cdef class VariableScaleDecoder(Decoder):
    """Twin of the decoder of ``numeric``: zeros at the end of the fraction are no part of the value."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DECIMAL_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        if not decimal_digits(cell, size, value):
            return False
        while value.number > 0 and value.unscaled % 10 == 0:
            value.unscaled //= 10
            value.number -= 1
        return True


cdef inline int two(Octets at) noexcept:
    """Two digits; -1 for anything else."""
    cdef unsigned char tens = at[0] - 48, ones = at[1] - 48
    return -1 if tens > 9 or ones > 9 else tens * 10 + ones


cdef bint text_days(Octets cell, int64_t* days) noexcept:
    """``2026-11-21`` → days since 1970, for the years 1 to 9999."""
    cdef int century = two(cell), year = two(cell + 2), month = two(cell + 5), day = two(cell + 8)
    if century < 0 or year < 0 or century + year == 0 or cell[4] != c"-" or cell[7] != c"-":
        return False
    return civil_days(century * 100 + year, month, day, days)


cdef bint clock_us(Octets cell, Py_ssize_t size, int64_t* us, bint of_day) noexcept:
    """``13:51:30.123`` → microseconds; ``of_day``: at most 23:59:59.999999."""
    cdef int hours, minutes, seconds
    cdef int64_t fraction = 0
    if size < 8 or size == 9 or size > 15 or cell[2] != c":" or cell[5] != c":":
        return False
    hours, minutes, seconds = two(cell), two(cell + 3), two(cell + 6)
    if hours < 0 or minutes < 0 or seconds < 0 or (of_day and (hours > 23 or minutes > 59 or seconds > 59)):
        return False
    if size > 8 and (cell[8] != c"." or not fraction_us(cell + 9, size - 9, &fraction)):
        return False
    us[0] = ((hours * 60 + minutes) * 60 + <int64_t> seconds) * 1_000_000 + fraction
    return True


cdef class DateDecoder(Decoder):
    """Twin of ``temporal.days``."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        return size == 10 and text_days(cell, &value.number)


cdef class _TimeDecoder(Decoder):
    cdef int64_t times
    cdef int64_t part

    def __init__(self, twin, times, part):
        """Microseconds times ``times`` and divided by ``part``, rounded down."""
        super().__init__(twin)
        self.gives = LONG_VALUE
        self.times, self.part = times, part

    cdef bint fit(self, int64_t us, Value* value) noexcept:
        if self.times > 1 and (us > MOST_US or us < -MOST_US):
            return False
        us *= self.times
        value.number = us if self.part == 1 else us // self.part - (us % self.part < 0)
        return True


cdef class TimeDecoder(_TimeDecoder):
    """Twin of the numeric decoders of ``time``."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t us
        return clock_us(cell, size, &us, False) and self.fit(us, value)


cdef class TimestampDecoder(_TimeDecoder):
    """Twin of the numeric decoders of ``timestamp``."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t days, us
        if size < 19 or cell[10] != c" " or not text_days(cell, &days) or not clock_us(cell + 11, size - 11, &us, True):
            return False
        return self.fit(days * DAY_US + us, value)


cdef class ZonedTimestampDecoder(Decoder):
    """Twin of the decoder of ``timestamptz`` with so many digits of the second's fraction."""

    cdef Py_ssize_t digits

    def __init__(self, twin, digits):
        super().__init__(twin)
        self.gives = TEXT_VALUE
        self.digits = digits

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t unused
        cdef Py_ssize_t end = size - 3, i, width = 19 + (self.digits + 1 if self.digits else 0)
        cdef unsigned char* out
        if size < 22 or cell[end] != c"+" or cell[end + 1] != c"0" or cell[end + 2] != c"0" or cell[10] != c" ":
            return False
        if not text_days(cell, &unused) or not clock_us(cell + 11, end - 11, &unused, True):
            return False
        if (end > 19 and end > width) or not reserve(scratch, 32):
            return False
        out = scratch.data + scratch.size
        for i in range(width):
            out[i] = cell[i] if i < end else c"0"
        out[10] = c"T"
        if self.digits:
            out[19] = c"."
        out[width] = c"Z"
        value.data, value.size = out, width + 1
        scratch.size += width + 1
        return True


cdef inline int nibble(unsigned char letter) noexcept:
    if c"0" <= letter <= c"9":
        return letter - c"0"
    if c"a" <= letter <= c"f":
        return letter - c"a" + 10
    if c"A" <= letter <= c"F":
        return letter - c"A" + 10
    return -1


cdef class HexBytesDecoder(Decoder):
    """Twin of ``binary.from_hex``."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = BYTES_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef Py_ssize_t i
        cdef int high, low
        cdef unsigned char* out
        if size < 2 or size % 2 or cell[0] != c"\\" or cell[1] != c"x" or not reserve(scratch, size // 2):
            return False
        out = scratch.data + scratch.size
        for i in range(1, size // 2):
            high, low = nibble(cell[2 * i]), nibble(cell[2 * i + 1])
            if high < 0 or low < 0:
                return False
            out[i - 1] = <unsigned char> (high << 4 | low)
        value.data, value.size = out, size // 2 - 1
        scratch.size += size // 2 - 1
        return True
