# cython: language_level=3, cdivision=True
"""Dates and fractions of seconds for compiled decoders, inlined where they are used."""

from libc.stdint cimport int64_t

from connect.record_c cimport Octets


cdef inline bint civil_days(int64_t year, int month, int day, int64_t* days) noexcept:
    """Days since 1970 of a date of the years 0 to 9999; False for what is no date."""
    cdef int last = 31
    cdef int64_t of_era
    if year < 0 or year > 9999 or month < 1 or month > 12 or day < 1:
        return False
    if month == 2:
        last = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        last = 30
    if day > last:
        return False
    year += 400  # the year 0 has two months of the one before
    if month <= 2:  # years begin in March
        year -= 1
        month += 12
    of_era = (year % 400) * 365 + (year % 400) // 4 - (year % 400) // 100 + (153 * (month - 3) + 2) // 5 + day - 1
    days[0] = year // 400 * 146_097 + of_era - 719_468 - 146_097
    return True


cdef inline bint fraction_us(Octets at, Py_ssize_t digits, int64_t* us) noexcept:
    """Microseconds of one to six digits behind the point."""
    cdef int i
    cdef unsigned char digit
    us[0] = 0
    for i in range(6):
        digit = 0
        if i < digits:
            digit = at[i] - 48
            if digit > 9:
                return False
        us[0] = us[0] * 10 + digit
    return True
