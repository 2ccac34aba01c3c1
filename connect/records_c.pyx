# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Records of one topic in one piece of memory, from the encoder to librdkafka."""

from collections.abc import Sequence

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc

from connect.record_c cimport Buffer, Octets, append


cdef class Records:
    """A sequence of (key, value), each ``bytes`` or None; without a value it is a tombstone."""

    def __dealloc__(self):
        free(self.data.data)
        free(self.places)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        cdef Py_ssize_t i
        cdef Place* place
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.count))]
        i = index
        if not 0 <= i < self.count:
            raise IndexError(i)
        place = &self.places[i]
        return self.as_bytes(place.key, place.key_size), self.as_bytes(place.value, place.value_size)

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            yield self[i]

    def __eq__(self, other):
        return list(self) == list(other)

    @property
    def size(self):
        """Bytes of all keys and values."""
        return self.data.size

    def fitting(self, Py_ssize_t start, Py_ssize_t most):
        """The index behind the records from ``start`` on, one at least, that have no more than ``most`` bytes; their
        bytes.
        """
        cdef Py_ssize_t stop = start, size = 0, more
        if not 0 <= start < self.count:
            raise IndexError(start)
        while stop < self.count:
            more = max(self.places[stop].key_size, 0) + max(self.places[stop].value_size, 0)
            if stop > start and size + more > most:
                break
            size += more
            stop += 1
        return stop, size

    def append(self, bytes key, bytes value):
        """One record more."""
        cdef Octets its_key = NULL
        cdef Octets its_value = NULL
        cdef Py_ssize_t key_size = -1, value_size = -1
        if key is not None:
            its_key, key_size = <Octets> PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)
        if value is not None:
            its_value, value_size = <Octets> PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        self.add(its_key, key_size, its_value, value_size)

    def extend(self, Records others):
        """All of another sequence's records more."""
        cdef Py_ssize_t i
        cdef Place* place
        cdef Octets data = others.data.data
        if others is self:
            raise ValueError("records cannot be added to themselves")
        for i in range(others.count):
            place = &others.places[i]
            self.add(data + place.key, place.key_size, data + place.value, place.value_size)

    cdef object as_bytes(self, Py_ssize_t at, Py_ssize_t size):
        return None if size < 0 else PyBytes_FromStringAndSize(<const char*> self.data.data + at, size)

    cdef bint add(self, Octets key, Py_ssize_t key_size, Octets value, Py_ssize_t value_size) except -1:
        cdef Place* places
        cdef Place* place
        if self.count == self.room:
            places = <Place*> realloc(self.places, (self.room * 2 or 64) * sizeof(Place))
            if places == NULL:
                raise MemoryError
            self.places, self.room = places, self.room * 2 or 64
        place = &self.places[self.count]
        place.key, place.key_size = self.data.size, key_size
        if key_size > 0 and not append(&self.data, key, key_size):
            raise MemoryError
        place.value, place.value_size = self.data.size, value_size
        if value_size > 0 and not append(&self.data, value, value_size):
            raise MemoryError
        self.count += 1
        return True

    cdef void cut(self, Py_ssize_t count) noexcept:
        """Keep so many."""
        if count < self.count:
            self.data.size = self.places[count].key
            self.count = count


Sequence.register(Records)
