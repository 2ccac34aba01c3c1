# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twins of the decoders of common types, for the log's bytes and for the server's text.

They take the forms that a server writes; what is rare (a zero date, a number above 2^63-1) or of no such form goes to
the twin, which says what becomes of it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from connect.calendar_c cimport civil_days, fraction_us
from connect.record_c cimport (
    BOOLEAN_VALUE,
    BYTES_VALUE,
    DECIMAL_VALUE,
    DOUBLE_VALUE,
    LONG_VALUE,
    TEXT_VALUE,
    Buffer,
    Decoder,
    FloatDecoder,
    IntegerDecoder,
    Octets,
    Value,
    int128,
    reserve,
)

cdef enum:
    MOST_DIGITS = 38  # of a decimal in 128 bits
    MOST_GROUPS = 8  # of nine digits and less, in so many digits

cdef int64_t DAY_US = 86_400_000_000
cdef int64_t SECOND_US = 1_000_000
cdef int64_t MOST_US = 9_223_372_036_854_775  # of a time in nanoseconds

cdef int[9] DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4]
cdef int64_t[10] TENS
TENS[0] = 1
for _i in range(1, 10):
    TENS[_i] = TENS[_i - 1] * 10


cdef inline uint64_t little(Octets at, Py_ssize_t size) noexcept:
    """At most eight bytes as a number, the lowest first."""
    cdef uint64_t number = 0
    while size > 0:
        size -= 1
        number = number << 8 | at[size]
    return number


cdef inline uint64_t big(Octets at, Py_ssize_t size) noexcept:
    """At most eight bytes as a number, the highest first."""
    cdef uint64_t number = 0
    cdef Py_ssize_t i
    for i in range(size):
        number = number << 8 | at[i]
    return number


# Numbers.


cdef class SignedDecoder(Decoder):
    """Twin of the log's signed integers."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int shift = <int> (64 - 8 * size)
        if size < 1 or size > 8:
            return False
        value.number = <int64_t> (little(cell, size) << shift) >> shift
        return True


cdef class UnsignedDecoder(Decoder):
    """Twin of the log's unsigned integers."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        if size < 1 or size > 8:
            return False
        value.number = <int64_t> little(cell, size)
        return value.number >= 0


cdef class WideDecoder(Decoder):
    """Twin of the log's unsigned integers that are published as decimals."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DECIMAL_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        if size < 1 or size > 8:
            return False
        value.number, value.unscaled = 0, <int128> little(cell, size)
        return True


cdef class YearDecoder(Decoder):
    """Twin of the log's YEAR."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        if size != 1:
            return False
        value.number = 1900 + cell[0] if cell[0] else 0
        return True


cdef class SingleDecoder(Decoder):
    """Twin of the log's FLOAT."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DOUBLE_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef uint32_t bits
        cdef float single
        if size != 4:
            return False
        bits = <uint32_t> little(cell, 4)
        memcpy(&single, &bits, 4)
        value.real = single
        return isfinite(value.real)


cdef class DoubleDecoder(Decoder):
    """Twin of the log's DOUBLE."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DOUBLE_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef uint64_t bits
        if size != 8:
            return False
        bits = little(cell, 8)
        memcpy(&value.real, &bits, 8)
        return isfinite(value.real)


cdef class DecimalDecoder(Decoder):
    """Twin of ``decimals.decimal_decoder`` for at most 38 digits."""

    cdef Py_ssize_t size
    cdef int groups
    cdef int[MOST_GROUPS] digits
    cdef int scale

    def __init__(self, twin, int precision, int scale):
        super().__init__(twin)
        self.gives = DECIMAL_VALUE
        if not 0 <= scale <= precision <= MOST_DIGITS:
            raise ValueError("the decimal has too many digits")
        self.scale = scale
        whole = precision - scale
        for count in [whole % 9] + [9] * (whole // 9 + scale // 9) + [scale % 9]:
            if count:
                self.digits[self.groups] = count
                self.size += 4 if count == 9 else DIGIT_BYTES[count]
                self.groups += 1

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int i, j, width
        cdef int128 number = 0
        cdef int64_t group
        cdef unsigned char flip, first
        if size != self.size or size == 0:
            return False
        first = cell[0] ^ 0x80  # the first bit is kept flipped
        flip = 0xFF if first & 0x80 else 0
        for i in range(self.groups):
            width = 4 if self.digits[i] == 9 else DIGIT_BYTES[self.digits[i]]
            group = (first if i == 0 else cell[0]) ^ flip
            for j in range(1, width):
                group = group << 8 | (cell[j] ^ flip)
            if group >= TENS[self.digits[i]]:
                return False
            number = number * TENS[self.digits[i]] + group
            cell += width
        value.number, value.unscaled = self.scale, -number if flip else number
        return True


cdef class TextDecimalDecoder(Decoder):
    """Twin of the decimals of the server's text: ``-12.50`` is -1250 with two digits behind the point."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DECIMAL_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
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
            if digit <= 9:
                digits += 1
                if digits > MOST_DIGITS:
                    return False
                number = number * 10 + digit
            elif cell[at] != c"." or point or at + 1 == size:
                return False
            else:
                point = at + 1
            at += 1
        value.unscaled = -number if negative else number
        value.number = size - point if point else 0
        return True


cdef class TextUnsignedDecoder(IntegerDecoder):
    """Twin of the text's BIGINT UNSIGNED: what is above 2^63-1 is the twin's."""


cdef class TextFloatDecoder(FloatDecoder):
    """Twin of the text's FLOAT."""


# Dates and times.


cdef class DateDecoder(Decoder):
    """Twin of the log's DATE in days."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef uint64_t packed
        if size != 3:
            return False
        packed = little(cell, 3)
        return civil_days(packed >> 9, packed >> 5 & 15, packed & 31, &value.number)


cdef class _TimeDecoder(Decoder):
    cdef int64_t times
    cdef int64_t part
    cdef bint of_day
    cdef int fraction  # bytes of it
    cdef int64_t unit  # microseconds that it counts

    def __init__(self, twin, times, part, digits=0, of_day=False):
        """Microseconds times ``times`` and divided by ``part``, rounded down.

        ``digits``: of the second's fraction, as the log keeps it. ``of_day``: others than those of a day are the twin's.
        """
        super().__init__(twin)
        self.gives = LONG_VALUE
        self.times, self.part, self.of_day = times, part, of_day
        self.fraction = (digits + 1) // 2
        self.unit = TENS[6 - 2 * self.fraction]

    cdef bint fit(self, int64_t us, Value* value) noexcept:
        if self.times > 1 and (us > MOST_US or us < -MOST_US):
            return False
        if self.of_day and (us < 0 or us > DAY_US):
            return False
        us *= self.times
        value.number = us if self.part == 1 else us // self.part - (us % self.part < 0)
        return True

    cdef inline int64_t us_of(self, uint64_t clock, uint64_t fraction) noexcept:
        """Hours above, six bits of minutes and of seconds, and the fraction as microseconds."""
        cdef int64_t seconds = (clock >> 12) * 3600 + (clock >> 6 & 63) * 60 + (clock & 63)
        return seconds * SECOND_US + <int64_t> fraction * self.unit


cdef class TimeDecoder(_TimeDecoder):
    """Twin of the log's TIME as a number."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int bits = self.fraction * 8
        cdef int64_t packed, us
        if size != 3 + self.fraction:
            return False
        packed = <int64_t> big(cell, size) - (<int64_t> 1 << (bits + 23))
        if packed < 0:
            us = -self.us_of(-packed >> bits & 0x3FFFFF, -packed & ((<int64_t> 1 << bits) - 1))
        else:
            us = self.us_of(packed >> bits & 0x3FFFFF, packed & ((<int64_t> 1 << bits) - 1))
        return self.fit(us, value)


cdef class DatetimeDecoder(_TimeDecoder):
    """Twin of the log's DATETIME as a number."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int bits = self.fraction * 8
        cdef int64_t packed, whole, days
        if size != 5 + self.fraction:
            return False
        packed = <int64_t> (big(cell, size) - (<uint64_t> 1 << (bits + 39)))
        if packed < 0:
            return False
        whole = packed >> bits
        if not civil_days((whole >> 22) // 13, (whole >> 22) % 13, whole >> 17 & 31, &days):
            return False
        return self.fit(days * DAY_US + self.us_of(whole & 0x1FFFF, packed & ((<int64_t> 1 << bits) - 1)), value)


cdef inline void put_digits(unsigned char* at, int count, int64_t number) noexcept:
    while count > 0:
        count -= 1
        at[count] = <unsigned char> (c"0" + number % 10)
        number //= 10


cdef class TimestampDecoder(Decoder):
    """Twin of the log's TIMESTAMP as a time with its zone."""

    cdef int digits
    cdef int fraction
    cdef int64_t unit

    def __init__(self, twin, digits):
        super().__init__(twin)
        self.gives = TEXT_VALUE
        self.digits = digits
        self.fraction = (digits + 1) // 2
        self.unit = TENS[6 - 2 * self.fraction]

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t seconds, us, clock, era, of_era, year, of_year, month
        cdef unsigned char* out
        if size != 4 + self.fraction or not reserve(scratch, 32):
            return False
        seconds, us = big(cell, 4), big(cell + 4, self.fraction) * self.unit
        if us >= SECOND_US or (seconds == 0 and us == 0):
            return False
        clock = seconds % 86_400
        of_era = seconds // 86_400 + 719_468  # days since March of the year 0
        era = of_era // 146_097
        of_era -= era * 146_097
        year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
        of_year = of_era - (365 * year + year // 4 - year // 100)
        month = (5 * of_year + 2) // 153
        out = scratch.data + scratch.size
        memcpy(out, b"0000-00-00T00:00:00Z", 20)
        put_digits(out, 4, year + era * 400 + (month >= 10))
        put_digits(out + 5, 2, month + 3 if month < 10 else month - 9)
        put_digits(out + 8, 2, of_year - (153 * month + 2) // 5 + 1)
        put_digits(out + 11, 2, clock // 3600)
        put_digits(out + 14, 2, clock // 60 % 60)
        put_digits(out + 17, 2, clock % 60)
        value.data, value.size = out, 20
        if self.digits:
            out[19] = c"."
            put_digits(out + 20, 6, us)
            out[20 + self.digits] = c"Z"
            value.size = 21 + self.digits
        scratch.size += value.size
        return True


cdef inline int number_of(Octets at, int count) noexcept:
    """So many digits; -1 for anything else."""
    cdef int number = 0, i
    cdef unsigned char digit
    for i in range(count):
        digit = at[i] - 48
        if digit > 9:
            return -1
        number = number * 10 + digit
    return number


cdef bint text_days(Octets cell, int64_t* days) noexcept:
    """``2026-11-21``: ten characters."""
    cdef int year = number_of(cell, 4), month = number_of(cell + 5, 2), day = number_of(cell + 8, 2)
    if month < 0 or day < 0 or cell[4] != c"-" or cell[7] != c"-":
        return False
    return civil_days(year, month, day, days)


cdef bint text_clock(Octets cell, Py_ssize_t size, int64_t* us) noexcept:
    """``13:51:30.123``, with two or three digits of hours."""
    cdef Py_ssize_t at = 3 if size > 8 and cell[2] != c":" else 2
    cdef int hours, minutes, seconds
    cdef int64_t fraction = 0
    if size < at + 6 or size == at + 7 or size > at + 13 or cell[at] != c":" or cell[at + 3] != c":":
        return False
    hours, minutes, seconds = number_of(cell, <int> at), number_of(cell + at + 1, 2), number_of(cell + at + 4, 2)
    if hours < 0 or minutes < 0 or seconds < 0:
        return False
    if size > at + 6 and (cell[at + 6] != c"." or not fraction_us(cell + at + 7, size - at - 7, &fraction)):
        return False
    us[0] = ((hours * 60 + minutes) * 60 + <int64_t> seconds) * SECOND_US + fraction
    return True


cdef class TextDateDecoder(Decoder):
    """Twin of the text's DATE in days."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        return size == 10 and text_days(cell, &value.number)


cdef class TextTimeDecoder(_TimeDecoder):
    """Twin of the text's TIME as a number."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t us
        cdef bint negative = size > 0 and cell[0] == c"-"
        if not text_clock(cell + negative, size - negative, &us):
            return False
        return self.fit(-us if negative else us, value)


cdef class TextDatetimeDecoder(_TimeDecoder):
    """Twin of the text's DATETIME as a number."""

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t days, us
        if size < 19 or cell[10] != c" " or not text_days(cell, &days) or not text_clock(cell + 11, size - 11, &us):
            return False
        return self.fit(days * DAY_US + us, value)


cdef class TextTimestampDecoder(Decoder):
    """Twin of the text's TIMESTAMP as a time with its zone."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = TEXT_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef int64_t unused
        cdef unsigned char* out
        if size < 19 or size > 26 or cell[10] != c" " or not reserve(scratch, 32):
            return False
        if not text_days(cell, &unused) or not text_clock(cell + 11, size - 11, &unused):
            return False
        out = scratch.data + scratch.size
        memcpy(out, cell, size)
        out[10], out[size] = c"T", c"Z"
        value.data, value.size = out, size + 1
        scratch.size += size + 1
        return True


# Bytes and labels.


cdef class BytesDecoder(Decoder):
    """Twin of ``bytes``; with a width, zero bytes at the end are put back that the log left out."""

    cdef Py_ssize_t width

    def __init__(self, twin, width=0):
        super().__init__(twin)
        self.gives = BYTES_VALUE
        self.width = width

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        value.data, value.size = cell, size
        if size >= self.width:
            return True
        if not reserve(scratch, self.width):
            return False
        value.data, value.size = scratch.data + scratch.size, self.width
        memcpy(scratch.data + scratch.size, cell, size)
        memset(scratch.data + scratch.size + size, 0, self.width - size)
        scratch.size += self.width
        return True


cdef class BitDecoder(Decoder):
    """Twin of ``shared_values.bits`` for BIT(1)."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = BOOLEAN_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        value.number = size > 0 and cell[size - 1] == 1
        return True


cdef class BitsDecoder(Decoder):
    """Twin of ``shared_values.bits`` for longer ones."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = BYTES_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef Py_ssize_t i
        cdef unsigned char* out
        if not reserve(scratch, size):
            return False
        out = scratch.data + scratch.size
        for i in range(size):
            out[i] = cell[size - 1 - i]
        value.data, value.size = out, size
        scratch.size += size
        return True


cdef class EnumDecoder(Decoder):
    """Twin of the log's ENUM: its number among the labels; the first is that of an invalid value."""

    cdef list labels
    cdef Py_ssize_t count

    def __init__(self, twin, labels):
        """``labels``: UTF-8, with that of number 0."""
        super().__init__(twin)
        self.gives = TEXT_VALUE
        self.labels = [bytes(label) for label in labels]
        self.count = len(self.labels)

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef object label
        cdef uint64_t index
        if size < 1 or size > 2:
            return False
        index = little(cell, size)
        if index >= <uint64_t> self.count:
            return False
        label = <object> PyList_GET_ITEM(self.labels, index)
        value.data, value.size = <Octets> PyBytes_AS_STRING(label), PyBytes_GET_SIZE(label)
        return True


cdef class SetDecoder(Decoder):
    """Twin of the log's SET: a bit for each label."""

    cdef list labels
    cdef Py_ssize_t count
    cdef Py_ssize_t longest  # bytes of all labels and what stands between them

    def __init__(self, twin, labels):
        """``labels``: UTF-8."""
        super().__init__(twin)
        self.gives = TEXT_VALUE
        self.labels = [bytes(label) for label in labels]
        self.count = len(self.labels)
        self.longest = sum(len(label) + 1 for label in self.labels)

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef Py_ssize_t i
        cdef uint64_t mask
        cdef object label
        cdef unsigned char* out
        cdef bint more = False
        if size < 1 or size > 8 or not reserve(scratch, self.longest + 1):
            return False
        mask = little(cell, size)
        if self.count < 64 and mask >> self.count:
            return False
        out = scratch.data + scratch.size
        for i in range(self.count):
            if not mask >> i & 1:
                continue
            if more:
                out[0] = c","
                out += 1
            more = True
            label = <object> PyList_GET_ITEM(self.labels, i)
            memcpy(out, PyBytes_AS_STRING(label), PyBytes_GET_SIZE(label))
            out += PyBytes_GET_SIZE(label)
        value.data, value.size = scratch.data + scratch.size, out - scratch.data - scratch.size
        scratch.size += value.size
        return True
