# cython: language_level=3
"""The C side of ``connect.schema.avro_reader_c``: records of a topic as their own bytes."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from connect.record_c cimport Octets

cdef enum PartKind:
    NULL_PART = 0
    BOOLEAN_PART = 1
    LONG_PART = 2
    FLOAT_PART = 3
    DOUBLE_PART = 4
    TEXT_PART = 5
    BYTES_PART = 6
    FIXED_PART = 7
    ENUM_PART = 8
    OPTIONAL_PART = 9
    RECORD_PART = 10
    ARRAY_PART = 11
    MAP_PART = 12

cdef struct Part:
    int32_t kind
    int32_t first  # of its children, among all children
    int32_t count  # children; bytes of a fixed; symbols of an enum
    int32_t null  # of an optional: which branch is null, -1 for none

cdef struct Span:
    Octets data  # NULL: the value is null
    Octets end
    int32_t part  # what stands there, unions resolved

cdef struct Names:
    Octets schema
    Octets table
    Py_ssize_t schema_size
    Py_ssize_t table_size
    char op  # of the record: c, r, u or d; 0 where a flat row does not say

cdef bint read_long(Octets* at, Octets end, int64_t* number) noexcept nogil
cdef bint read_text(Octets* at, Octets end, Octets* text, Py_ssize_t* size) noexcept nogil


cdef class Layout:
    cdef Part* parts
    cdef int32_t* children
    cdef Py_ssize_t count
    cdef Py_ssize_t child_count
    cdef int32_t root
    cdef dict names  # of a record's fields or an enum's symbols, by part
    cdef bint skip(self, int32_t part, Octets* at, Octets end) noexcept
    cdef bint _skip_items(self, Part* part, Octets* at, Octets end) noexcept
    cdef bint fields(self, int32_t part, Octets* at, Octets end, Span* spans) noexcept
    cdef object value(self, int32_t part, Octets* at, Octets end)
    cdef object _items(self, Part* part, Octets* at, Octets end)


cdef class RowLayout(Layout):
    cdef readonly int width  # columns
    cdef int32_t row  # the part that is the row
    cdef int32_t row_fields  # fields of that record, ``__pos`` among them
    cdef int32_t* column_of  # by field of the row; -1 for what is no column
    cdef readonly bint envelope
    cdef bint guesses  # a placeholder may stand for what the log did not carry
    cdef int32_t op_field, before_field, after_field, source_field, missing_field
    cdef int32_t schema_field, database_field, table_field  # of the source block
    cdef int32_t position_field
    cdef int32_t place(self, Octets data, Octets end, Names* names) noexcept
    cdef int32_t _place(self, Span* op, Span* missing, int32_t row, Names* names) noexcept
    cdef int32_t _place_flat(self, Span* spans, Names* names) noexcept
    cdef bint _read_names(self, Span* source, Names* names) noexcept
    cdef bint _read_name(self, Span* span, Octets* text, Py_ssize_t* size) noexcept
    cdef bint is_placeholder(self, Span* span) noexcept
    cdef bint columns(self, Octets row, Octets end, Span* cells) noexcept


cdef class KeyLayout(RowLayout):
    cdef readonly bint distinct
    cdef bint is_plain(self, Octets data, Octets end) noexcept


cdef class Lane:
    cdef readonly str topic
    cdef readonly KeyLayout key_layout
    cdef readonly RowLayout layout
    cdef readonly object key_shape
    cdef readonly object shape
    cdef readonly int32_t key_id
    cdef readonly int32_t value_id
    cdef bytes schema
    cdef bytes table
    cdef bint matches(self, Names* names) noexcept


cdef struct Entry:
    int32_t lane  # -1: an object
    int32_t row  # where the row begins in the value; -1: the key has no row any more
    bint creates  # it says that the key had no row before it


cdef class Lanes:
    cdef object reader
    cdef list all
    cdef dict by_place  # (topic, key's schema id) → numbers of lanes
    cdef dict layouts  # by schema id
    cdef set known  # what lanes were made of, or found to be none
    cdef Lane last
    cdef int32_t last_number
    cdef int32_t find(self, str topic, int32_t key_id, int32_t value_id, Names* names) except -2
    cdef bint take(self, SinkRecords records, object raw) except -1


cdef class SinkRecords:
    cdef readonly list raws
    cdef Lanes lanes
    cdef dict objects
    cdef Entry* entries
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef object record(self, Py_ssize_t i)
    cdef object topic(self, Py_ssize_t i)
    cdef int add(self, object raw, int32_t lane, int32_t row, bint creates) except -1


cdef class Folded:
    cdef readonly SinkRecords records
    cdef readonly Lane lane
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t rows
    cdef readonly Py_ssize_t removed
    cdef readonly Py_ssize_t first_row
    cdef readonly Py_ssize_t first_delete
    cdef int32_t* last
    cdef uint8_t* fresh
    cdef uint8_t* created
    cdef Py_ssize_t room
    cdef bint admit(self, Lane lane) noexcept
    cdef int add(self, Py_ssize_t record) except -1
    cdef int replace(self, Py_ssize_t key, Py_ssize_t record) except -1
    cdef void tally(self) noexcept
