# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kafka records that sinks write without a Python object a column: checked once, kept as they came, folded by key.

The twin is ``connect.schema.reader.RecordReader``. What is not plain here (another format, a value that the log did not
carry, bytes that are not what their schema says) is left to the twin, which reads the record or raises the named error.
Nothing is read past the end of a record's bytes.
"""

from collections.abc import Sequence

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy

from connect.record_c cimport Octets

from connect.schema.envelope import POSITION_FIELD, UNAVAILABLE_FIELD
from connect.schema.model import UNAVAILABLE_PLACEHOLDER

cdef enum:
    HEADER = 5  # the magic byte and a schema id
    MOST_FIELDS = 2048  # of a record that is read here
    PLACE = 0  # of a ``Raw``
    OFFSET = 1
    KEY = 3
    VALUE = 4
    MOST_LANES = 10_000

cdef extern from "Python.h":
    unicode PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)

_PRIMITIVES = {
    "null": NULL_PART,
    "boolean": BOOLEAN_PART,
    "int": LONG_PART,
    "long": LONG_PART,
    "float": FLOAT_PART,
    "double": DOUBLE_PART,
    "string": TEXT_PART,
    "bytes": BYTES_PART,
}
# Texts of these types are what they are: two that differ are two keys in every target.
_DISTINCT_TEXTS = {None, "io.debezium.data.Uuid", "io.debezium.data.Enum"}
cdef bytes PLACEHOLDER = UNAVAILABLE_PLACEHOLDER.encode()


cdef bint read_long(Octets* at, Octets end, int64_t* number) noexcept nogil:
    """A zigzag number of at most 64 bits, in as few bytes as it needs: others are the twin's."""
    cdef uint64_t value = 0
    cdef Octets data = at[0]
    cdef int shift = 0
    while data < end and shift < 63:
        value |= <uint64_t> (data[0] & 0x7F) << shift
        shift += 7
        if data[0] < 0x80:
            if data[0] == 0 and shift > 7:
                return False
            at[0] = data + 1
            number[0] = <int64_t> (value >> 1) ^ -<int64_t> (value & 1)
            return True
        data += 1
    if data < end and data[0] == 1:  # the 64th bit
        value |= <uint64_t> 1 << 63
        at[0] = data + 1
        number[0] = <int64_t> (value >> 1) ^ -<int64_t> (value & 1)
        return True
    return False


cdef bint read_text(Octets* at, Octets end, Octets* text, Py_ssize_t* size) noexcept nogil:
    """Bytes with their length before them."""
    cdef int64_t length
    if not read_long(at, end, &length) or length < 0 or length > end - at[0]:
        return False
    text[0], size[0] = at[0], length
    at[0] += length
    return True


cdef bint is_utf8(Octets text, Py_ssize_t size) noexcept nogil:
    """As Python decodes it: the shortest form, no surrogates, nothing above U+10FFFF."""
    cdef Octets end = text + size
    cdef uint64_t word
    cdef int more
    cdef unsigned char low, high
    while text < end:
        if end - text >= 8:
            memcpy(&word, text, 8)
            if word & <uint64_t> 0x8080808080808080 == 0:
                text += 8
                continue
        if text[0] < 0x80:
            text += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= text[0] <= 0xDF:
            more = 1
        elif 0xE0 <= text[0] <= 0xEF:
            more = 2
            if text[0] == 0xE0:
                low = 0xA0
            elif text[0] == 0xED:
                high = 0x9F
        elif 0xF0 <= text[0] <= 0xF4:
            more = 3
            if text[0] == 0xF0:
                low = 0x90
            elif text[0] == 0xF4:
                high = 0x8F
        else:
            return False
        if end - text <= more or not low <= text[1] <= high:
            return False
        if more > 1 and text[2] & 0xC0 != 0x80 or more > 2 and text[3] & 0xC0 != 0x80:
            return False
        text += more + 1
    return True


cdef class Layout:
    """A writer's schema as numbers: what ``fastavro.schemaless_reader`` is given, resolved.

    Args:
        avro: The bare schema of ``AvroForm``: no recursion, no logical types, at most ``MAX_NODES`` parts.
    """

    def __cinit__(self):
        self.names = {}

    def __init__(self, avro):
        self.root = self._part(avro, {})

    def __dealloc__(self):
        free(self.parts)
        free(self.children)

    def _part(self, avro, named):
        cdef int32_t number
        if isinstance(avro, list):
            null = avro.index("null") if "null" in avro else -1
            [child] = [self._part(each, named) for each in avro if each != "null"]
            return self._add(OPTIONAL_PART, [child], len(avro), null)
        if isinstance(avro, str):
            return self._add(_PRIMITIVES[avro], (), 0, 0) if avro in _PRIMITIVES else named[avro]
        word = avro["type"]
        if word == "record":
            fields = [self._part(field["type"], named) for field in avro["fields"]]
            number = self._add(RECORD_PART, fields, len(fields), 0)
            self.names[number] = [field["name"] for field in avro["fields"]]
        elif word == "enum":
            number = self._add(ENUM_PART, (), len(avro["symbols"]), 0)
            self.names[number] = list(avro["symbols"])
        elif word == "fixed":
            number = self._add(FIXED_PART, (), avro["size"], 0)
        elif word == "array":
            return self._add(ARRAY_PART, [self._part(avro["items"], named)], 1, 0)
        elif word == "map":
            return self._add(MAP_PART, [self._part(avro["values"], named)], 1, 0)
        else:
            return self._part(word, named)
        named[avro["name"]] = number
        return number

    def _add(self, int kind, children, int32_t count, int32_t null):
        cdef Part* part
        cdef Part* parts = <Part*> realloc(self.parts, (self.count + 1) * sizeof(Part))
        if parts == NULL:
            raise MemoryError
        self.parts = parts
        cdef int32_t* all = <int32_t*> realloc(self.children, (self.child_count + len(children) + 1) * sizeof(int32_t))
        if all == NULL:
            raise MemoryError
        self.children = all
        part = &self.parts[self.count]
        part.kind, part.first, part.count, part.null = kind, <int32_t> self.child_count, count, null
        for child in children:
            self.children[self.child_count] = child
            self.child_count += 1
        self.count += 1
        return self.count - 1

    cdef bint skip(self, int32_t number, Octets* at, Octets end) noexcept:
        """Whether a value of this part stands here; then ``at`` is behind it."""
        cdef Part* part = &self.parts[number]
        cdef int64_t count
        cdef Octets text
        cdef Py_ssize_t size
        cdef int32_t i
        if part.kind == TEXT_PART:
            return read_text(at, end, &text, &size) and is_utf8(text, size)
        if part.kind == LONG_PART:
            return read_long(at, end, &count)
        if part.kind == OPTIONAL_PART:
            if not read_long(at, end, &count) or not 0 <= count < part.count:
                return False
            return count == part.null or self.skip(self.children[part.first], at, end)
        if part.kind == RECORD_PART:
            for i in range(part.count):
                if not self.skip(self.children[part.first + i], at, end):
                    return False
            return True
        if part.kind == BYTES_PART:
            return read_text(at, end, &text, &size)
        if part.kind == NULL_PART:
            return True
        if part.kind == ARRAY_PART or part.kind == MAP_PART:
            return self._skip_items(part, at, end)
        if part.kind == ENUM_PART:
            return read_long(at, end, &count) and 0 <= count < part.count
        size = part.count  # FIXED_PART
        if part.kind == BOOLEAN_PART:
            if at[0] >= end or at[0][0] > 1:
                return False
            size = 1
        elif part.kind == FLOAT_PART:
            size = 4
        elif part.kind == DOUBLE_PART:
            size = 8
        if end - at[0] < size:
            return False
        at[0] += size
        return True

    cdef bint _skip_items(self, Part* part, Octets* at, Octets end) noexcept:
        cdef int64_t count, i
        cdef Octets text
        cdef Py_ssize_t size
        while read_long(at, end, &count):
            if count == 0:
                return True
            if count < 0:  # with its size in bytes: the twin's
                return False
            for i in range(count):
                if part.kind == MAP_PART and not (read_text(at, end, &text, &size) and is_utf8(text, size)):
                    return False
                if not self.skip(self.children[part.first], at, end):
                    return False
        return False

    cdef bint fields(self, int32_t number, Octets* at, Octets end, Span* spans) noexcept:
        """The values of a record's fields, one span each; False where they are no such record."""
        cdef Part* part = &self.parts[number]
        cdef Part* inner
        cdef Span* span
        cdef int64_t branch
        cdef int32_t i
        for i in range(part.count):
            span = &spans[i]
            span.part = self.children[part.first + i]
            inner = &self.parts[span.part]
            span.data = at[0]
            if inner.kind == OPTIONAL_PART:
                if not read_long(at, end, &branch) or not 0 <= branch < inner.count:
                    return False
                span.part = self.children[inner.first]
                span.data = at[0]
                if branch == inner.null:
                    span.data = span.end = NULL
                    continue
            if not self.skip(span.part, at, end):
                return False
            span.end = at[0]
            if self.parts[span.part].kind == NULL_PART:
                span.data = NULL
        return True

    cdef object value(self, int32_t number, Octets* at, Octets end):
        """What fastavro gives for a value that ``skip`` has passed."""
        cdef Part* part = &self.parts[number]
        cdef int64_t count
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef float small
        cdef double real
        if part.kind == TEXT_PART:
            read_text(at, end, &text, &size)
            return PyUnicode_DecodeUTF8(<const char*> text, size, NULL)
        if part.kind == LONG_PART:
            read_long(at, end, &count)
            return count
        if part.kind == OPTIONAL_PART:
            read_long(at, end, &count)
            return None if count == part.null else self.value(self.children[part.first], at, end)
        if part.kind == RECORD_PART:
            return {name: self.value(self.children[part.first + i], at, end) for i, name in enumerate(self.names[number])}
        if part.kind == BYTES_PART:
            read_text(at, end, &text, &size)
            return PyBytes_FromStringAndSize(<const char*> text, size)
        if part.kind == ARRAY_PART or part.kind == MAP_PART:
            return self._items(part, at, end)
        if part.kind == ENUM_PART:
            read_long(at, end, &count)
            return self.names[number][count]
        text = at[0]
        if part.kind == BOOLEAN_PART:
            at[0] += 1
            return text[0] == 1
        if part.kind == FLOAT_PART:
            memcpy(&small, text, 4)
            at[0] += 4
            return <double> small
        if part.kind == DOUBLE_PART:
            memcpy(&real, text, 8)
            at[0] += 8
            return real
        if part.kind == FIXED_PART:
            at[0] += part.count
            return PyBytes_FromStringAndSize(<const char*> text, part.count)
        return None

    cdef object _items(self, Part* part, Octets* at, Octets end):
        cdef int64_t count = 0, i
        cdef Octets text = NULL
        cdef Py_ssize_t size = 0
        cdef dict mapping = {}
        cdef list items = []
        while read_long(at, end, &count) and count:
            for i in range(count):
                if part.kind == MAP_PART:
                    read_text(at, end, &text, &size)
                    name = PyUnicode_DecodeUTF8(<const char*> text, size, NULL)
                    mapping[name] = self.value(self.children[part.first], at, end)
                else:
                    items.append(self.value(self.children[part.first], at, end))
        return mapping if part.kind == MAP_PART else items

    def parse(self, bytes data, Py_ssize_t start):
        """The value that begins at ``start`` and ends with the data; LookupError where the twin has to look."""
        cdef Octets at = <Octets> PyBytes_AS_STRING(data) + start
        cdef Octets end = <Octets> PyBytes_AS_STRING(data) + PyBytes_GET_SIZE(data)
        if start > PyBytes_GET_SIZE(data) or not self.skip(self.root, &at, end) or at != end:
            raise LookupError(start)
        at = <Octets> PyBytes_AS_STRING(data) + start
        return self.value(self.root, &at, end)


cdef int32_t position(list names, name):
    return names.index(name) if name in names else -1


cdef class RowLayout(Layout):
    """A layout of envelopes or flat rows.

    Args:
        avro: See ``Layout``.
        form: The ``AvroForm`` that was made of it.

    Raises:
        LookupError: Its records are left to the twin.
    """

    def __init__(self, avro, form):
        super().__init__(avro)
        if form.bare or self.parts[self.root].kind != RECORD_PART or self.parts[self.root].count > MOST_FIELDS:
            raise LookupError("no record")
        names = self.names[self.root]
        self.envelope, self.guesses = form.envelope, not form.says_unavailable
        self.row = self.root
        self.position_field = -1
        if self.envelope:
            self._fill_envelope(names)
        elif form.has_position:
            self.position_field = position(names, POSITION_FIELD)
            self._fill_position(self.names[self._record(self.position_field)])
        self.row_fields = self.parts[self.row].count
        self.column_of = <int32_t*> malloc(max(1, self.row_fields) * sizeof(int32_t))
        if self.column_of == NULL:
            raise MemoryError
        columns = {column.name: i for i, column in enumerate(form.columns)}
        self.width = len(columns)
        for i, name in enumerate(self.names[self.row]):
            self.column_of[i] = columns.pop(name, -1)
        if columns or self.row_fields > MOST_FIELDS:
            raise LookupError("columns")

    def __dealloc__(self):
        free(self.column_of)

    def _record(self, int32_t field):
        """The record that a field of the root holds, optional or not."""
        cdef int32_t part = self.children[self.parts[self.root].first + field]
        if self.parts[part].kind == OPTIONAL_PART:
            part = self.children[self.parts[part].first]
        if self.parts[part].kind != RECORD_PART or self.parts[part].count > MOST_FIELDS:
            raise LookupError("no record")
        return part

    def _fill_envelope(self, names):
        self.before_field, self.after_field = names.index("before"), names.index("after")
        self.op_field, self.source_field = names.index("op"), names.index("source")
        self.missing_field = position(names, UNAVAILABLE_FIELD)
        self.row = self._record(self.after_field)
        source = self.names[self._record(self.source_field)]
        self.schema_field, self.database_field = position(source, "schema"), position(source, "db")
        self.table_field = source.index("table")

    def _fill_position(self, names):
        self.op_field, self.missing_field = names.index("op"), names.index(UNAVAILABLE_FIELD)

    def kind_of(self, int column):
        """The kind of part that a column's cells are, unions resolved."""
        cdef int32_t i, part
        for i in range(self.row_fields):
            if self.column_of[i] == column:
                part = self.children[self.parts[self.row].first + i]
                if self.parts[part].kind == OPTIONAL_PART:
                    part = self.children[self.parts[part].first]
                return self.parts[part].kind
        raise IndexError(column)

    cdef int32_t place(self, Octets data, Octets end, Names* names) noexcept:
        """Where the row begins, counted from ``data``; -1: the key has none any more; -2: the twin has to look."""
        cdef Span[MOST_FIELDS] spans
        cdef Octets at = data
        cdef Span* row
        if not self.fields(self.root, &at, end, spans) or at != end:
            return -2
        if not self.envelope:
            return self._place_flat(spans, names)
        row = &spans[self.after_field]
        if not self._read_names(&spans[self.source_field], names):
            return -2
        return self._place(
            &spans[self.op_field],
            NULL if self.missing_field < 0 else &spans[self.missing_field],
            -1 if row.data == NULL else <int32_t> (row.data - data),
            names,
        )

    cdef int32_t _place(self, Span* op, Span* missing, int32_t row, Names* names) noexcept:
        cdef char letter
        cdef bint gone
        if op.data == NULL or op.end - op.data != 2 or self.parts[op.part].kind != TEXT_PART:
            return -2
        names.op = letter = op.data[1]
        gone = letter == c"d"
        if not gone and letter != c"c" and letter != c"u" and letter != c"r":
            return -2
        if not gone and missing != NULL and missing.data != NULL and missing.data[0] != 0:
            return -2  # names of what the log did not carry; a delete's old row is not asked for
        if self.envelope and gone != (row < 0):
            return -2
        return -1 if gone else row

    cdef int32_t _place_flat(self, Span* spans, Names* names) noexcept:
        cdef Span[MOST_FIELDS] inner
        cdef Span* position
        cdef Octets at
        names.op = 0
        if self.position_field < 0 or spans[self.position_field].data == NULL:
            return 0
        position = &spans[self.position_field]
        at = position.data
        if not self.fields(position.part, &at, position.end, inner):
            return -2
        return self._place(&inner[self.op_field], &inner[self.missing_field], 0, names)

    cdef bint _read_names(self, Span* source, Names* names) noexcept:
        """The names of the table, as the twin finds them in the source block."""
        cdef Span[MOST_FIELDS] inner
        cdef Octets at = source.data
        if at == NULL or not self.fields(source.part, &at, source.end, inner):
            return False
        names.schema_size = 0
        if self.schema_field >= 0:
            self._read_name(&inner[self.schema_field], &names.schema, &names.schema_size)
        if names.schema_size == 0 and self.database_field >= 0:
            self._read_name(&inner[self.database_field], &names.schema, &names.schema_size)
        return self._read_name(&inner[self.table_field], &names.table, &names.table_size)

    cdef bint _read_name(self, Span* span, Octets* text, Py_ssize_t* size) noexcept:
        cdef Octets at = span.data
        return at != NULL and self.parts[span.part].kind == TEXT_PART and read_text(&at, span.end, text, size)

    cdef bint columns(self, Octets row, Octets end, Span* cells) noexcept:
        """The row's cells in column order; False where the twin has to look at it."""
        cdef Span[MOST_FIELDS] spans
        cdef int32_t i
        if not self.fields(self.row, &row, end, spans):
            return False
        for i in range(self.row_fields):
            if self.column_of[i] >= 0:
                cells[self.column_of[i]] = spans[i]
                if self.guesses and self.is_placeholder(&spans[i]):
                    return False
        return True

    cdef bint is_placeholder(self, Span* span) noexcept:
        cdef Octets at = span.data
        cdef Octets text
        cdef Py_ssize_t size
        cdef int kind = self.parts[span.part].kind
        if at == NULL or kind != TEXT_PART and kind != BYTES_PART:
            return False
        read_text(&at, span.end, &text, &size)
        return size == PyBytes_GET_SIZE(PLACEHOLDER) and memcmp(text, PyBytes_AS_STRING(PLACEHOLDER), size) == 0


cdef class KeyLayout(RowLayout):
    """A layout of keys.

    Attributes:
        distinct: Keys that differ in their bytes differ in every target.
    """

    def __init__(self, avro, form):
        super().__init__(avro, form)
        if form.envelope or form.has_position:
            raise LookupError("no key")
        self.distinct = self.width > 0
        for i in range(self.row_fields):
            kind = self.parts[self.children[self.parts[self.row].first + i]].kind
            name = form.columns[self.column_of[i]].field.type.name
            text = kind == TEXT_PART and name in _DISTINCT_TEXTS
            number = kind in (LONG_PART, BOOLEAN_PART) and name is None
            self.distinct = self.distinct and (text or number)

    cdef bint is_plain(self, Octets data, Octets end) noexcept:
        """Whether these are a key's bytes, and the only ones for it."""
        return self.distinct and self.skip(self.root, &data, end) and data == end


cdef class Lane:
    """Records of one topic under one key schema, one value schema and one table."""

    def __init__(self, key_id, value_id, record, key_layout, layout):
        self.topic, self.key_id, self.value_id = record.topic, key_id, value_id
        self.key_shape, self.key_layout, self.layout = record.key.shape, key_layout, layout
        self.shape = record.after.shape
        self.schema, self.table = record.table.schema.encode(), record.table.name.encode()

    cdef bint matches(self, Names* names) noexcept:
        if not self.layout.envelope:
            return True  # the schema names the table, or the topic does
        if PyBytes_GET_SIZE(self.schema) != names.schema_size or PyBytes_GET_SIZE(self.table) != names.table_size:
            return False
        return (
            memcmp(PyBytes_AS_STRING(self.table), names.table, names.table_size) == 0
            and memcmp(PyBytes_AS_STRING(self.schema), names.schema, names.schema_size) == 0
        )


cdef int32_t schema_id(bytes data) noexcept:
    """Of the Confluent wire format; -1 for anything else."""
    cdef Octets head = <Octets> PyBytes_AS_STRING(data)
    if PyBytes_GET_SIZE(data) < HEADER or head[0] != 0 or head[1] > 0x7F:
        return -1
    return head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4]


cdef class Lanes:
    """What is known of the records of a sink's topics, from one batch to the next.

    Args:
        reader: The twin, which gives the layouts that it has read the schemas of: ``layouts(schema id)``.
    """

    def __init__(self, reader):
        self.reader = reader
        self.all, self.by_place, self.layouts, self.known = [], {}, {}, set()

    cdef int32_t find(self, str topic, int32_t key_id, int32_t value_id, Names* names) except -2:
        """The number of a lane; -1 where there is none. Without names any of the key's."""
        cdef Lane lane = self.last
        cdef int32_t number
        if lane is not None and lane.key_id == key_id and lane.topic == topic:
            if names == NULL or lane.value_id == value_id and lane.matches(names):
                return self.last_number
        for number in self.by_place.get((topic, key_id), ()):
            lane = self.all[number]
            if names == NULL or lane.value_id == value_id and lane.matches(names):
                self.last, self.last_number = lane, number
                return number
        return -1

    cdef bint take(self, SinkRecords records, object raw) except -1:
        """Add a record that needs no twin; False where it does."""
        cdef bytes key = (<tuple> raw)[KEY]
        cdef bytes value = (<tuple> raw)[VALUE]
        cdef int32_t key_id, value_id = -1, row = -1, number
        cdef Names names
        cdef RowLayout layout
        cdef Octets data
        cdef Lane lane
        cdef bint creates
        if key is None:
            return False
        key_id = schema_id(key)
        if key_id < 0:
            return False
        number = self.find((<tuple> raw)[PLACE][0], key_id, -1, NULL)
        if number < 0:
            return False
        if value is not None:
            value_id = schema_id(value)
            layout = self.layouts.get(value_id)
            if layout is None:
                return False
            data = <Octets> PyBytes_AS_STRING(value)
            row = layout.place(data + HEADER, data + PyBytes_GET_SIZE(value), &names)
            if row < -1:
                return False
            number = self.find((<tuple> raw)[PLACE][0], key_id, value_id, &names)
        if number < 0:
            return False
        lane = self.all[number]
        creates = row >= 0 and (names.op == c"c" or names.op == c"r")
        data = <Octets> PyBytes_AS_STRING(key)
        if not lane.key_layout.is_plain(data + HEADER, data + PyBytes_GET_SIZE(key)):
            return False
        records.add(raw, number, row if row < 0 else row + HEADER, creates)
        return True

    def learn(self, raw, record):
        """Make the lane of a record that the twin has read, if there is to be one."""
        if record.key is None or record.after is None:
            return
        key_id, value_id = schema_id(raw[KEY]), schema_id(raw[VALUE])
        place = record.topic, key_id, value_id, record.table
        if key_id < 0 or value_id < 0 or place in self.known or len(self.known) >= MOST_LANES:
            return
        self.known.add(place)
        key_layout = self.reader.key_layout(key_id)
        layout = self.layouts.get(value_id) or self.reader.row_layout(value_id)
        if key_layout is None or layout is None or not key_layout.distinct:
            return
        self.layouts[value_id] = layout
        self.by_place.setdefault((record.topic, key_id), []).append(len(self.all))
        self.all.append(Lane(key_id, value_id, record, key_layout, layout))


cdef class SinkRecords:
    """A batch as ``Sequence[SinkRecord]`` whose records are made when they are asked for.

    Attributes:
        raws: Where each came from.
    """

    def __init__(self, Lanes lanes):
        self.lanes, self.raws, self.objects = lanes, [], {}

    def __dealloc__(self):
        free(self.entries)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self.record(i) for i in range(*index.indices(self.count))]
        cdef Py_ssize_t i = index
        if not 0 <= i < self.count:
            raise IndexError(index)
        return self.record(i)

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            yield self.record(i)

    cdef object record(self, Py_ssize_t i):
        found = self.objects.get(i)
        if found is None:
            place, *rest = self.raws[i]
            found = self.objects[i] = self.lanes.reader.read(place[0], place[2], *rest)
        return found

    def extend(self, list raws, Py_ssize_t start):
        """Take records from ``start`` on until one that the twin has to read; its index, or how many there are."""
        cdef Py_ssize_t i
        for i in range(start, len(raws)):
            if not self.lanes.take(self, raws[i]):
                return i
        return len(raws)

    def append(self, raw, record, bint passes):
        """A record that the twin has read; ``passes``: it goes on as it was read, and so will those like it."""
        if passes:
            self.lanes.learn(raw, record)
            if self.lanes.take(self, raw):
                return
        self.objects[self.count] = record
        self.add(raw, -1, 0, False)

    cdef int add(self, object raw, int32_t lane, int32_t row, bint creates) except -1:
        cdef Entry* entries
        if self.count == self.room:
            entries = <Entry*> realloc(self.entries, (self.room * 2 or 1024) * sizeof(Entry))
            if entries == NULL:
                raise MemoryError
            self.entries, self.room = entries, self.room * 2 or 1024
        self.entries[self.count].lane, self.entries[self.count].row = lane, row
        self.entries[self.count].creates = creates
        self.raws.append(raw)
        self.count += 1
        return 0

    def places(self):
        """The partitions of the records: place → [first offset, how many]."""
        cdef dict found = {}
        cdef list of_place
        cdef object place, last = None
        for raw in self.raws:
            place = (<tuple> raw)[PLACE]
            if place is not last:
                last = place
                of_place = found.setdefault(place, [(<tuple> raw)[OFFSET], 0])
            of_place[1] += 1
        return found

    def indexes(self, topics):
        """Of the records of these topics; a transform may have given one another topic."""
        return [i for i in range(self.count) if self.topic(i) in topics] if topics else []

    cdef object topic(self, Py_ssize_t i):
        return self.objects[i].topic if self.entries[i].lane < 0 else (<tuple> self.raws[i])[PLACE][0]

    def fold(self):
        """The batch by topic, each key once with its last record (rule K3); and what is left to the twin.

        Returns:
            ``Folded`` by topic, and the topics (by name) in which records are objects or keep changing their schema.
        """
        cdef dict folded = {}
        cdef set left = set()
        cdef list slots = []
        cdef dict numbers = {}
        cdef Folded of_topic = None
        cdef dict keys = {}
        cdef Entry* entry
        cdef Lane lane
        cdef Py_ssize_t i
        cdef int32_t last = -2
        cdef object slot
        for i in range(self.count):
            entry = &self.entries[i]
            if entry.lane < 0:
                left.add(self.objects[i].topic)
                continue
            if entry.lane != last:
                last = entry.lane
                lane = self.lanes.all[last]
                of_topic = folded.get(lane.topic)
                if of_topic is None:
                    of_topic = folded[lane.topic] = Folded(self, lane)
                    numbers[lane.topic] = {}
                keys = numbers[lane.topic]
                if of_topic.lane is not lane and not of_topic.admit(lane):
                    left.add(lane.topic)
            of_topic.count += 1
            if entry.row >= 0 and of_topic.first_row < 0:
                of_topic.lane, of_topic.first_row = self.lanes.all[entry.lane], i
            elif entry.row >= 0 and self.lanes.all[entry.lane] is not of_topic.lane:
                left.add(of_topic.lane.topic)
            key = (<tuple> self.raws[i])[KEY]
            slot = keys.get(key)
            if slot is None:
                keys[key] = of_topic.size
                of_topic.add(i)
            else:
                of_topic.replace(slot, i)
        for topic in left:
            folded.pop(topic, None)
        for of_topic in folded.values():
            of_topic.tally()
        return folded, left


Sequence.register(SinkRecords)


cdef class Folded:
    """What a batch does to the target of one topic.

    Attributes:
        lane: Of all its rows.
        count: How many records.
        size: How many keys there are.
        rows: How many have a row after the batch; the others are removed.
        removed: How many were removed, also those that have a row again: nothing of an older row may stay.
        first_row: A record with a row, -1 where none has.
        first_delete: A record that removes its key, -1 where none does.
    """

    def __init__(self, SinkRecords records, Lane lane):
        self.records, self.lane = records, lane
        self.first_row = self.first_delete = -1

    def __dealloc__(self):
        free(self.last)
        free(self.fresh)
        free(self.created)

    cdef bint admit(self, Lane lane) noexcept:
        return lane.key_id == self.lane.key_id

    cdef int add(self, Py_ssize_t record) except -1:
        cdef Py_ssize_t room = self.room * 2 or 256
        cdef void* memory
        if self.size == self.room:
            memory = realloc(self.last, room * sizeof(int32_t))
            if memory == NULL:
                raise MemoryError
            self.last = <int32_t*> memory
            memory = realloc(self.fresh, room)
            if memory == NULL:
                raise MemoryError
            self.fresh = <uint8_t*> memory
            memory = realloc(self.created, room)
            if memory == NULL:
                raise MemoryError
            self.created = <uint8_t*> memory
            self.room = room
        self.fresh[self.size], self.created[self.size] = 0, self.records.entries[record].creates
        self.size += 1
        self.replace(self.size - 1, record)
        return 0

    cdef int replace(self, Py_ssize_t key, Py_ssize_t record) except -1:
        self.last[key] = <int32_t> record
        if self.records.entries[record].row < 0:
            self.fresh[key] = 1
            if self.first_delete < 0:
                self.first_delete = record
        return 0

    cdef void tally(self) noexcept:
        cdef Py_ssize_t i
        for i in range(self.size):
            self.rows += self.records.entries[self.last[i]].row >= 0
            self.removed += self.fresh[i]
