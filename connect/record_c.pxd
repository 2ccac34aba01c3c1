# cython: language_level=3
"""The C side of ``connect.record``: cells, values and changes as encoders and connectors share them."""

from libc.stdint cimport int64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef extern from *:
    """
    typedef __int128 connect_int128;
    """
    ctypedef long long int128 "connect_int128"

ctypedef const unsigned char* Octets

cdef enum CellKind:
    NULL_CELL = 0
    ABSENT_CELL = 1  # the log did not carry it (invariant 5)
    DATA_CELL = 2

cdef struct Cell:
    Octets data
    Py_ssize_t size
    int kind

cdef enum ValueKind:
    NO_VALUE = 0
    LONG_VALUE = 1  # number
    BOOLEAN_VALUE = 2  # number
    DOUBLE_VALUE = 3  # real
    TEXT_VALUE = 4  # data, size: UTF-8
    BYTES_VALUE = 5  # data, size
    DECIMAL_VALUE = 6  # unscaled, with number digits behind the point

cdef struct Value:
    int64_t number
    double real
    Octets data
    Py_ssize_t size
    int128 unscaled

cdef struct Buffer:
    unsigned char* data
    Py_ssize_t size
    Py_ssize_t room

cdef inline bint reserve(Buffer* buffer, Py_ssize_t more) noexcept nogil:
    """Room for so many bytes more; False when there is no memory."""
    cdef Py_ssize_t room = buffer.room
    cdef unsigned char* data
    if buffer.size + more <= room:
        return True
    while room < buffer.size + more:
        room = room * 2 if room else 1024
    data = <unsigned char*> realloc(buffer.data, room)
    if data == NULL:
        return False
    buffer.data, buffer.room = data, room
    return True


cdef inline bint append(Buffer* buffer, const void* data, Py_ssize_t size) noexcept nogil:
    """The bytes, copied; False when there is no memory."""
    if not reserve(buffer, size):
        return False
    memcpy(buffer.data + buffer.size, data, size)
    buffer.size += size
    return True


cdef class Splitter:
    cdef readonly bint text  # cells hold the text form of their type
    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept


cdef class Decoder:
    cdef readonly object twin
    cdef readonly int gives  # ValueKind
    cdef bint decode(self, Octets cell, Py_ssize_t size, Value* value, Buffer* scratch) noexcept


cdef class TextDecoder(Decoder):
    pass


cdef class IntegerDecoder(Decoder):
    pass


cdef class FloatDecoder(Decoder):
    pass
