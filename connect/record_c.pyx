# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled side of ``connect.record``: a row's bytes as cells, a cell as a C value.

Everything here either does what its Python twin does, or says that it did not (0 instead of 1), and the twin is asked:
so the Python code stays the specification, and its errors are the only ones. Nothing is read past ``size``.
"""

from libc.math cimport INFINITY, NAN
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy


cdef class Splitter:
    """Row data → cells. Called, it is ``RowShape.split``; from C it fills ``cells`` and makes no object.

    A cell's bytes lie in the data, or in ``scratch`` until that is emptied.
    """

    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept:
        """How many cells a row has; -1 where they do not fit or the data is no row: the twin says what it is."""
        return -1


cdef class Decoder:
    """A cell → a value. Called, it is its twin, a function of ``RowShape.decode``; from C it fills ``value``."""

    def __init__(self, twin):
        self.twin = twin

    def __call__(self, cell):
        return self.twin(cell)

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        """False: the twin decodes this one. The value's bytes lie in the cell or in ``scratch``."""
        return False


cdef class TextDecoder(Decoder):
    """Twin of ``record.text``."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = TEXT_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        value.data, value.size = cell, size
        return True


cdef class IntegerDecoder(Decoder):
    """Twin of ``int`` for decimal digits of at most 64 bits."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = LONG_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef uint64_t number = 0
        cdef Py_ssize_t at = 0
        cdef unsigned char digit
        cdef bint negative = size > 0 and cell[0] == c"-"
        if negative:
            at = 1
        if size - at < 1 or size - at > 19:
            return False
        while at < size:
            digit = cell[at] - 48
            if digit > 9:
                return False
            number = number * 10 + digit
            at += 1
        if number > <uint64_t> 9223372036854775807 + negative:
            return False
        value.number = <int64_t> (0 - number) if negative else <int64_t> number
        return True


cdef extern from *:
    """
    typedef unsigned __int128 connect_uint128;
    static inline connect_uint128 connect_product(uint64_t a, uint64_t b) { return (connect_uint128)a * b; }
    static inline int connect_leading_zeros(uint64_t a) { return __builtin_clzll(a); }
    """
    ctypedef unsigned long long uint128 "connect_uint128"
    uint128 connect_product(uint64_t a, uint64_t b) nogil
    int connect_leading_zeros(uint64_t a) nogil

cdef enum:
    LOWEST_POWER = -342
    HIGHEST_POWER = 308

cdef double[23] EXACT  # powers of ten
cdef uint64_t[HIGHEST_POWER - LOWEST_POWER + 1][2] POWERS  # of ten: the first 128 bits, high and low half


def _fill_powers():
    for i in range(23):
        EXACT[i] = 10.0**i
    for i in range(HIGHEST_POWER - LOWEST_POWER + 1):
        exponent = i + LOWEST_POWER
        number = 10**exponent if exponent >= 0 else (1 << 1400) // 10**-exponent
        shift = number.bit_length() - 128
        bits = number >> shift if shift >= 0 else number << -shift
        POWERS[i][0], POWERS[i][1] = bits >> 64, bits & 0xFFFFFFFFFFFFFFFF


_fill_powers()


cdef bint nearest_double(uint64_t digits, int exponent, bint negative, double* real) noexcept:
    """``digits`` times ten to the ``exponent``, rounded to even; False where 128 bits do not decide it.

    Lemire's method (Number Parsing at a Gigabyte per Second, 2021) over truncated powers of ten.
    """
    cdef uint64_t high, low, other_high, other_low, merged_high, merged_low, mantissa, bits
    cdef int64_t binary
    cdef int zeros, top
    cdef uint128 product
    cdef uint64_t* power
    if digits <= 1 << 53 and -22 <= exponent <= 22:  # both are doubles, and one operation rounds once
        real[0] = <double> digits
        real[0] = real[0] / EXACT[-exponent] if exponent < 0 else real[0] * EXACT[exponent]
        if negative:
            real[0] = -real[0]
        return True
    if digits == 0 or exponent < LOWEST_POWER or exponent > HIGHEST_POWER:
        return False
    power = POWERS[exponent - LOWEST_POWER]
    zeros = connect_leading_zeros(digits)
    digits <<= zeros
    binary = ((217706 * exponent) >> 16) + 64 + 1023 - zeros
    product = connect_product(digits, power[0])
    high, low = <uint64_t> (product >> 64), <uint64_t> product
    if high & 0x1FF == 0x1FF and <uint64_t> (low + digits) < digits:
        product = connect_product(digits, power[1])
        other_high, other_low = <uint64_t> (product >> 64), <uint64_t> product
        merged_high, merged_low = high, low + other_high
        if merged_low < low:
            merged_high += 1
        if merged_high & 0x1FF == 0x1FF and <uint64_t> (merged_low + 1) == 0 and <uint64_t> (other_low + digits) < digits:
            return False
        high, low = merged_high, merged_low
    top = <int> (high >> 63)
    mantissa = high >> (top + 9)
    binary -= 1 ^ top
    if low == 0 and high & 0x1FF == 0 and mantissa & 3 == 1:
        return False  # half way
    mantissa = (mantissa + (mantissa & 1)) >> 1
    if mantissa >> 53:
        mantissa >>= 1
        binary += 1
    if binary < 1 or binary >= 0x7FF:
        return False  # subnormal or too large
    bits = (<uint64_t> binary << 52) | (mantissa & 0xFFFFFFFFFFFFF) | (<uint64_t> negative << 63)
    memcpy(real, &bits, 8)
    return True


cdef class FloatDecoder(Decoder):
    """Twin of ``float`` for numbers of at most 19 digits as Postgres prints them, NaN and the infinities."""

    def __init__(self, twin):
        super().__init__(twin)
        self.gives = DOUBLE_VALUE

    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept:
        cdef uint64_t digits = 0
        cdef Py_ssize_t at = 0, count = 0, fraction = 0
        cdef int exponent = 0
        cdef unsigned char digit
        cdef bint negative = size > 0 and cell[0] == c"-", below = False
        if negative:
            at = 1
        if size > 32 or at == size:
            return False
        if cell[at] > c"9":
            return special_double(cell, size, &value.real)
        while at < size:
            digit = cell[at] - 48
            if digit > 9:
                break
            digits = digits * 10 + digit
            count += digits != 0
            at += 1
        if at == negative:
            return False
        if at < size and cell[at] == c".":
            at += 1
            fraction = at
            while at < size:
                digit = cell[at] - 48
                if digit > 9:
                    break
                digits = digits * 10 + digit
                count += digits != 0
                at += 1
            fraction = at - fraction
            if fraction == 0:
                return False
        if count > 19:
            return False
        if at < size:
            if cell[at] != c"e" or size - at < 3 or size - at > 5:
                return False
            below = cell[at + 1] == c"-"
            if not below and cell[at + 1] != c"+":
                return False
            at += 2
            while at < size:
                digit = cell[at] - 48
                if digit > 9:
                    return False
                exponent = exponent * 10 + digit
                at += 1
        return nearest_double(digits, (-exponent if below else exponent) - <int> fraction, negative, &value.real)


cdef bint special_double(Octets cell, Py_ssize_t size, double* real) noexcept:
    if size == 3 and memcmp(cell, b"NaN", 3) == 0:
        real[0] = NAN
    elif size == 8 and memcmp(cell, b"Infinity", 8) == 0:
        real[0] = INFINITY
    elif size == 9 and memcmp(cell, b"-Infinity", 9) == 0:
        real[0] = -INFINITY
    else:
        return False
    return True

