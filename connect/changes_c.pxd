# cython: language_level=3
"""The C side of ``connect.changes_c``."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from connect.record_c cimport Cell, Octets


cdef enum OldKind:
    NO_OLD = 0
    WHOLE_OLD = 1
    KEY_OLD = 2  # the columns of the replica identity; others were not carried

cdef struct Change:
    Octets before
    Octets after
    Py_ssize_t before_size
    Py_ssize_t after_size
    int64_t at  # where the row stands in the log, as the plugin counts
    int64_t ordinal
    int32_t transaction  # index among the transactions
    int32_t group
    int32_t next  # the next change of its group, -1 for none
    int32_t row  # its number at that place, for a log in which many rows have one
    uint8_t op  # Debezium's letter
    uint8_t old


cdef class Transaction:
    cdef public object id
    cdef public int64_t ts_us
    cdef public tuple source
    cdef public bytes sequence


cdef class Group:
    cdef readonly object shape
    cdef readonly object event  # a change that is an object already; then the group has no other
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t first
    cdef Py_ssize_t last
    cdef tuple source
    cdef bytes key_flags
    cdef bint fills
    cdef void copy_columns(self, Cell* before, Cell* after, Py_ssize_t count, Change* change) noexcept


cdef class Changes:
    cdef Change* changes
    cdef Py_ssize_t room
    cdef Py_ssize_t count
    cdef readonly list groups
    cdef readonly Py_ssize_t held
    cdef list transactions
    cdef list owners
    cdef object repack
    cdef Transaction last_transaction
    cdef object last_owner
    cdef object event(self, Py_ssize_t i)
    cdef Change* add(self, Py_ssize_t group, Transaction transaction, object owner) except NULL
    cdef Py_ssize_t open_group(self, object shape, tuple source, bytes key_flags, bint fills) except -1
