# cython: language_level=3
"""The C side of ``connect.records_c``."""

from connect.record_c cimport Buffer, Octets

cdef struct Place:
    Py_ssize_t key  # offsets and sizes; a size of -1 is null
    Py_ssize_t key_size
    Py_ssize_t value
    Py_ssize_t value_size


cdef class Records:
    cdef Buffer data
    cdef Place* places
    cdef Py_ssize_t room
    cdef Py_ssize_t count
    cdef bint add(self, Octets key, Py_ssize_t key_size, Octets value, Py_ssize_t value_size) except -1
    cdef void cut(self, Py_ssize_t count) noexcept
    cdef object as_bytes(self, Py_ssize_t at, Py_ssize_t size)
