# cython: language_level=3
"""The C side of ``connect.schema.texts_c``: values as text at the end of a buffer."""

from libc.stdint cimport int64_t

from connect.record_c cimport Buffer, Octets, reserve

cdef inline int put(Buffer* buffer, char byte) except -1:
    if not reserve(buffer, 1):
        raise MemoryError
    buffer.data[buffer.size] = byte
    buffer.size += 1
    return 0

cdef int put_all(Buffer* buffer, const void* data, Py_ssize_t size) except -1
cdef int put_number(Buffer* buffer, int64_t number) except -1
cdef int put_padded(Buffer* buffer, int64_t number, int digits) except -1
cdef int put_double(Buffer* buffer, double real) except -1
cdef bint put_decimal(Buffer* buffer, Octets data, Py_ssize_t size, int scale) except -1
cdef bint put_date(Buffer* buffer, int64_t days) except -1
cdef bint put_clock(Buffer* buffer, int64_t seconds) except -1
