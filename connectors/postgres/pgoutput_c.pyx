# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled twin of ``pgoutput``'s rows: tuple data and COPY lines as cells, every read checked against the end."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr

from connect.record_c cimport ABSENT_CELL, DATA_CELL, NULL_CELL, Buffer, Cell, Octets, Splitter, reserve

from connect.record import UNAVAILABLE
from connectors.postgres.pgoutput import split_tuple, tuple_of_copy_text

cdef enum:
    MOST_COLUMNS = 1664  # what a server's query can give


cdef inline uint32_t u32(Octets at) noexcept:
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]


cdef list as_list(Cell* cells, Py_ssize_t count):
    cdef Py_ssize_t i
    cdef list row = []
    for i in range(count):
        if cells[i].kind == DATA_CELL:
            row.append(PyBytes_FromStringAndSize(<const char*> cells[i].data, cells[i].size))
        else:
            row.append(None if cells[i].kind == NULL_CELL else UNAVAILABLE)
    return row


cdef class _RowSplitter(Splitter):
    cdef object twin

    def __init__(self):
        self.text = True

    def __call__(self, data):
        """``RowShape.split``."""
        cdef Cell* cells
        cdef Buffer scratch
        cdef Py_ssize_t count
        if not PyBytes_CheckExact(data):
            return self.twin(data)
        cells = <Cell*> malloc(MOST_COLUMNS * sizeof(Cell))
        scratch.data, scratch.size, scratch.room = NULL, 0, 0
        try:
            if cells == NULL:
                raise MemoryError
            count = self.split(<Octets> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), cells, MOST_COLUMNS, &scratch)
            return self.twin(data) if count < 0 else as_list(cells, count)
        finally:
            free(cells)
            free(scratch.data)


cdef class TupleSplitter(_RowSplitter):
    """Twin of ``split_tuple``."""

    def __init__(self):
        super().__init__()
        self.twin = split_tuple

    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept:
        cdef Py_ssize_t count, i, length
        cdef Octets at = data + 2
        cdef Octets end = data + size
        if size < 2:
            return -1
        count = <Py_ssize_t> data[0] << 8 | data[1]
        if count > room:
            return -1
        for i in range(count):
            if at >= end:
                return -1
            if at[0] == c"t" or at[0] == c"b":
                if end - at < 5:
                    return -1
                length = u32(at + 1)
                at += 5
                if length > end - at:
                    return -1
                cells[i].kind, cells[i].data, cells[i].size = DATA_CELL, at, length
                at += length
            elif at[0] == c"n":
                cells[i].kind = NULL_CELL
                at += 1
            elif at[0] == c"u":
                cells[i].kind = ABSENT_CELL
                at += 1
            else:
                return -1
        return count if at == end else -1


cdef class CopyTextSplitter(_RowSplitter):
    """Twin of ``tuple_of_copy_text``."""

    def __init__(self):
        super().__init__()
        self.twin = tuple_of_copy_text

    cdef Py_ssize_t split(self, Octets data, Py_ssize_t size, Cell* cells, Py_ssize_t room, Buffer* scratch) noexcept:
        cdef Octets end = data + size
        cdef Octets tab
        cdef Py_ssize_t count = 0
        cdef bint escapes
        if size and data[size - 1] == c"\n":
            end -= 1
        escapes = memchr(data, c"\\", end - data) != NULL
        if escapes and not reserve(scratch, size):  # so that cells stay where they are
            return -1
        while True:
            if count == room:
                return -1
            tab = <Octets> memchr(data, c"\t", end - data)
            if tab == NULL:
                tab = end
            cells[count].kind, cells[count].data, cells[count].size = DATA_CELL, data, tab - data
            if escapes and memchr(data, c"\\", tab - data) != NULL:
                if tab - data == 2 and data[1] == c"N":
                    cells[count].kind = NULL_CELL
                else:
                    unescape(&cells[count], scratch)
            count += 1
            if tab == end:
                return count
            data = tab + 1


cdef void unescape(Cell* cell, Buffer* scratch) noexcept:
    """The cell into ``scratch``, which has the room: a backslash and what follows become one byte."""
    cdef Octets at = cell.data
    cdef Octets end = at + cell.size
    cdef unsigned char* out = scratch.data + scratch.size
    cdef unsigned char letter
    cell.data = out
    while at < end:
        letter = at[0]
        at += 1
        if letter == c"\\" and at < end:
            letter = at[0]
            at += 1
            if letter == c"b":
                letter = 8
            elif letter == c"f":
                letter = 12
            elif letter == c"n":
                letter = 10
            elif letter == c"r":
                letter = 13
            elif letter == c"t":
                letter = 9
            elif letter == c"v":
                letter = 11
        out[0] = letter
        out += 1
    cell.size = out - cell.data
    scratch.size = out - scratch.data
