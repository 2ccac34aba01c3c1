# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of ``SinkConsumer._take`` for messages without an error, which nearly all are."""


def take(list messages, dict assigned, type raw, list records, dict next_offsets):
    """Add messages to a batch until one has an error.

    Args:
        messages: As ``Consumer.consume`` gives them.
        assigned: (topic, partition) → the place that ``raw`` and ``next_offsets`` know it by.
        raw: A named tuple of (place, offset, timestamp in milliseconds, key, value).
        records: Gets one ``raw`` for each message.
        next_offsets: Gets the offset after the last message of each place.

    Returns:
        How many were taken, and their bytes with 64 more for each.
    """
    cdef Py_ssize_t size = 0, taken = 0
    cdef object last_topic = None, last_partition = None, place = None, offset = None
    make = tuple.__new__
    for message in messages:
        if message.error() is not None:
            break
        topic, partition = message.topic(), message.partition()
        if partition != last_partition or topic != last_topic:
            if place is not None:
                next_offsets[place] = offset + 1
            place, last_topic, last_partition = assigned[topic, partition], topic, partition
        offset, key, value = message.offset(), message.key(), message.value()
        records.append(make(raw, (place, offset, message.timestamp()[1], key, value)))
        size += 64
        if key is not None:
            size += len(<bytes> key)
        if value is not None:
            size += len(<bytes> value)
        taken += 1
    if place is not None:
        next_offsets[place] = offset + 1
    return taken, size
